# A storm: 10,000 clients connect at once, log in, run one statement and leave. A transaction pool has 100 connections.

part_storm() {
    local all limit=100 clients=10000
    all=$(among direct haproxy greenroom-transaction)
    compare "$clients" measure_storm $all
    table "$clients clients at once (CPU: a client)" \
        '      served     seconds    proxy µs   × haproxy   server µs server conns' 3 $all
}

# Whoever was not served is told of in a note: that is a result too.
measure_storm() {
    local way=$1 before served took why sampler
    restart_server
    restart_way "$way" "$clients" || return 1
    : >"$work/samples"
    sample "$way" >>"$work/samples" &
    sampler=$!
    before=$(cpu_now "$way")
    load "$way" storm --clients "$clients" >"$work/load.log" 2>&1 || fail "$way" "$work/load.log" || return 1
    read -r served took why <"$work/load.log"
    kill "$sampler" && wait "$sampler" 2>/dev/null || true
    some "$way" "$served" "client was served" || return 1
    [ "$served" = "$clients" ] || notes[$way]="$((clients - served)) clients were not served: $why"
    echo "$served $(awk -v took="$took" 'BEGIN { printf "%.2f", took / 1000 }')" \
        "$(each "$way" "$served" 1 "$before" "$(cpu_now "$way")") $(sampled | cut -d' ' -f1)"
}
