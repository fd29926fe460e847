# Whether a query costs more the more others there are: clients that are idle, and pool keys.

part_growth() {
    local all threads=8 statements=text guests limit of_address by_address idle_timeout=10s heading
    heading='   queries/s      p95 ms      p99 ms    proxy µs   × haproxy   server µs'
    all=$(among haproxy greenroom-transaction)
    of_address=100 by_address=false limit=100
    for guests in 10 1000 9000; do
        compare "$guests" measure_beside $all
        table "Point select, 8 clients, beside $guests idle ones (CPU: a query)" "$heading" 4 $all
    done
    all=$(among greenroom-transaction)
    of_address=1 by_address=true limit=1100 idle_timeout=10m
    for guests in 1 1000; do
        compare "$guests" measure_beside $all
        table "Point select, 8 clients, beside $guests idle ones with a pool key each (CPU: a query)" "$heading" 4 $all
    done
}

# Idle clients leave when the pipe is closed (9 is what they wait on).
measure_beside() {
    local way=$1 holder figures
    restart_way "$way" "$guests" || return 1
    [ -p "$work/beside" ] || mkfifo "$work/beside"
    : >"$work/beside.log"
    load "$way" idle --clients "$guests" --of-address "$of_address" --hold 120 <"$work/beside" >"$work/beside.log" 2>&1 &
    holder=$!
    exec 9>"$work/beside"
    while kill -0 "$holder" 2>/dev/null && [ ! -s "$work/beside.log" ]; do sleep 0.1; done
    [ "$(cut -d' ' -f1 "$work/beside.log")" = "$guests" ] || notes[$way]="not all idle clients came in: $(head -n 1 "$work/beside.log")"
    figures=$(measure_select "$way") || figures=
    exec 9>&-
    wait "$holder" || true
    [ -n "$figures" ] && echo "$figures"
}
