# Fifty sessions that select in turn over ten connections: each finds a connection that was another's.

part_turns() {
    local all states limit=10 heading
    all=$(among direct haproxy greenroom-transaction)
    heading='   median ms      p99 ms    added ms   × haproxy    proxy µs   server µs'
    for states in 1 5; do
        compare 50 measure_turns $all
        table "50 sessions in turn, $states different states (added: to direct's median; CPU: a query)" "$heading" 3 $all
    done
}

measure_turns() {
    local way=$1 before figures
    before=$(cpu_now "$way")
    load "$way" turns --sessions 50 --states "$states" --seconds "$seconds" >"$work/load.log" 2>&1 ||
        fail "$way" "$work/load.log" || return 1
    read -ra figures <"$work/load.log"
    some "$way" "${figures[0]}" "query was answered" || return 1
    [ "$way" != direct ] || echo "${figures[1]}" >"$work/direct.median"
    echo "${figures[*]:1} $(added "$way" "${figures[1]}") $(each "$way" "${figures[0]}" 1 "$before" "$(cpu_now "$way")")"
}

# added WAY MEDIAN: what the way adds to going there directly, in the same round.
added() {
    if [ "$1" = direct ] || [ ! -s "$work/direct.median" ]; then echo -; return; fi
    awk -v median="$2" '{ printf "%.3f\n", median - $1 }' "$work/direct.median"
}
