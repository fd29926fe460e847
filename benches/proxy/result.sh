# Large results: 200 MB in long rows and in short ones.

# How often each run reads its result, so that the clock's ticks of CPU time do not matter.
readonly results=3

part_result() {
    local shape rows bytes all heading
    all=$(among direct haproxy greenroom-session greenroom-transaction)
    heading='        MB/s proxy CPU s   × haproxy server CPU s  peak + MiB'
    for shape in '2000 100000' '2000000 100'; do
        read -r rows bytes <<<"$shape"
        compare 8 measure_result $all
        table "A result of $rows rows of $bytes bytes (CPU: a result; memory: the proxy's growth)" "$heading" 2 $all
    done
}

# The proxy is new each time, so that its growth is this result's.
measure_result() {
    local way=$1 before resident
    restart_way "$way" 8 && read_result "$way" 10 1 || return 1
    before=$(cpu_now "$way")
    resident=$(memory VmRSS "$(proxy_of "$way")")
    read_result "$way" "$rows" "$results" || return 1
    echo "$(cat "$work/load.log") $(each "$way" $((results * 1000000)) 3 "$before" "$(cpu_now "$way")") $(growth "$way" "$resident")"
}

read_result() {
    load "$1" result --sql "SELECT REPEAT('x', $bytes) FROM seq_1_to_$2" --rows "$2" --times "$3" >"$work/load.log" 2>&1 ||
        fail "$1" "$work/load.log"
}

growth() {
    [ "$1" != direct ] || { echo -; return; }
    echo "$(memory VmHWM "${pid[$1]}") $2" | awk '{ printf "%.1f\n", ($1 - $2) / 1024 }'
}
