# Short connections: connect, SELECT 1, quit, from 8 clients at once.

part_connect() {
    local all heading
    all=$(among direct haproxy greenroom-session greenroom-transaction)
    heading='  connects/s      p95 ms      p99 ms    proxy µs   × haproxy   server µs'
    compare 8 measure_connect $all
    table "Connect, SELECT 1, quit, 8 clients (CPU: a connection)" "$heading" 4 $all
}

measure_connect() {
    local way=$1 before figures
    connects "$way" || return 1
    echo "${figures[*]:1} $(each "$way" "${figures[0]}" 1 "$before" "$(cpu_now "$way")")"
}
