# A crowd: what a pool's 50 connections still do where ten clients wait for each, and whether each gets its share. haproxy
# is not among them: it gives a connection away for as long as a client stays, so with maxconn 50 the others never log in.

part_crowd() {
    local all limit=50 heading rows
    all=$(among direct greenroom-transaction)
    heading='   queries/s  % of first      p50 ms      p99 ms    proxy µs   server µs  clients µs       least        most        Jain'
    for rows in $crowd_rows; do crowd_of "$rows"; done
}

crowd_of() {
    local rows=$1 what count way
    what="Point select"
    [ "$rows" = 1 ] || what="Count over $rows rows"
    rm -f "$work"/*.crowd
    compare "$(printf '%s\n' $crowd_counts | sort -n | tail -n 1)" measure_crowd $all
    for count in $crowd_counts; do
        for way in $all; do [ ! -s "$work/$way.$count.crowd" ] || mv "$work/$way.$count.crowd" "$work/$way.figures"; done
        table "$what, text, $count clients of one thread; the pool has $limit connections (CPU: a query)" "$heading" 0 $all
    done
}

# All counts one after the other, so that whatever slows a round down meets each of them.
measure_crowd() {
    local way=$1 count before after figures line first=
    for count in $crowd_counts; do
        before= after= figures=()
        while read -ra line; do
            case ${line[0]} in
                begins) before=$(cpu_now "$way") ;;
                ends) after=$(cpu_now "$way") ;;
                *) figures=("${line[@]}") ;;
            esac
        done < <(load "$way" crowd --clients "$count" --rows "$rows" --seconds "$seconds" 2>&1 | tee "$work/load.log")
        [ -n "$after" ] && [ "${#figures[@]}" = 8 ] || fail "$way" "$work/load.log" || return 1
        some "$way" "${figures[0]}" "query was answered" || return 1
        first=${first:-${figures[1]}}
        echo "${figures[1]} $(awk "BEGIN { printf \"%.1f\", 100 * ${figures[1]} / $first }") ${figures[*]:2:2}" \
            "$(each "$way" "${figures[0]}" 1 "$before" "$after") ${figures[*]:4}" >>"$work/$way.$count.crowd"
    done
}
