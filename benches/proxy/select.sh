# Point selects by sysbench, as text and prepared, from few clients and many.

part_select() {
    local threads statements heading
    heading='   queries/s      p95 ms      p99 ms    proxy µs   × haproxy   server µs'
    for threads in $thread_counts; do
        for statements in $statement_kinds; do
            compare "$threads" measure_select $ways
            table "Point select, $statements, $threads clients (CPU: a query)" "$heading" 4 $ways
            remember $ways
        done
    done
}

# Twice: once for the logins and hardly a query, so that what they take can be left out of the figures.
measure_select() {
    local way=$1 log=$work/sysbench.log nothing logins queries
    nothing=$(cpu_now "$way")
    sysbench_on "$way" --events=1 || return 1
    logins=$(cpu_now "$way")
    sysbench_on "$way" --events=0 || return 1
    queries=$(awk '$1 == "queries:" { print $2 }' "$log")
    some "$way" "$queries" "query was answered" || return 1
    echo "$(latencies "$log") $(each "$way" "$queries" 1 "$(twice "$nothing" "$logins")" "$(cpu_now "$way")")"
}

# twice "PROXY SERVER" "PROXY SERVER": the reading that comes as far behind the second as that is behind the first.
twice() { echo "$1 $2" | awk '{ printf "%.0f %.0f\n", 2 * $3 - $1, 2 * $4 - $2 }'; }

sysbench_on() {
    sysbench_at "${port[$1]}" --threads="$threads" --time="$seconds" --histogram=on "${@:2}" run >"$log" 2>&1 || fail "$1" "$log"
}

# queries/s, and from the histogram's counts the 95th and 99th percentile.
latencies() {
    awk '$1 == "queries:" { gsub(/[(]/, "", $3); qps = $3 }
         $2 ~ /^[|]/ { value[++n] = $1; count[n] = $NF; all += $NF }
         function percentile(p,   i, seen) { for (i = 1; i <= n; i++) { seen += count[i]; if (seen >= all * p) return value[i] } }
         END { printf "%.0f %.2f %.2f\n", qps, percentile(0.95), percentile(0.99) }' "$1"
}

sysbench_at() {
    local at=$1 mode=disable
    shift
    [ "${statements-text}" != prepared ] || mode=auto
    sysbench "${script:-oltp_point_select}" --mysql-host=127.0.0.1 --mysql-port="$at" --mysql-user=app --mysql-password=app-secret \
        --mysql-db=app --tables=1 --table-size=10000 --db-ps-mode="$mode" --report-interval=0 "$@"
}
