# Transactions of prepared statements by sysbench from a thousand clients: server connections, and what pins take of them.

part_oltp() {
    local all script threads=1000 statements=prepared heading
    all=$(among direct haproxy greenroom-transaction)
    heading='   queries/s      p95 ms      p99 ms    proxy µs   × haproxy   server µs server conns    pinned %'
    for script in oltp_read_write oltp_point_select; do
        compare "$threads" measure_oltp $all
        table "$script, prepared, $threads clients (CPU: a query)" "$heading" 4 $all
    done
}

measure_oltp() {
    local way=$1 figures sampler
    : >"$work/samples"
    sample "$way" >>"$work/samples" &
    sampler=$!
    figures=$(measure_select "$way") || figures=
    kill "$sampler" && wait "$sampler" 2>/dev/null || true
    [ -n "$figures" ] && echo "$figures $(sampled)"
}

# sample WAY: twice a second its server connections; where its metrics tell, those leased, and the pins in force.
sample() {
    local way ours
    while sleep 0.5; do
        if [ -n "${http[$1]-}" ]; then
            connections "$1"
        else
            ours=$(for way in "${!http[@]}"; do connections "$way"; done | awk '{ sum += $1 } END { print sum + 0 }')
            echo $(($(server_connections) - ours))
        fi
    done
}

# connections WAY: all of them, the leased, and the pins in force, of which one connection may have several.
connections() {
    exec 7<>"/dev/tcp/127.0.0.1/${http[$1]}"
    printf 'GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n' >&7
    awk '/^greenroom_backend_connections[{]/ { all += $NF } /^greenroom_backend_connections.*"leased"/ { leased += $NF }
         /^greenroom_pinned[{]/ { pinned += $NF } END { print all + 0, leased + 0, pinned + 0 }' <&7
    exec 7>&-
}

# Connections at most; and of all leases seen, the share that a pin held.
sampled() {
    awk '$1 > most { most = $1 } { known += NF > 1; leased += $2; pinned += $3 }
         END { print most + 0, known ? sprintf("%.1f", leased ? 100 * pinned / leased : 0) : "-" }' "$work/samples"
}
