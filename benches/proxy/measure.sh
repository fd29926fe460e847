# One run, and the table of them all.

# CPU time of a process so far, in microseconds. Its name, which may hold spaces, is skipped.
cpu_us() { sed 's/.*) //' "/proc/$1/stat" | awk -v ticks="$(getconf CLK_TCK)" '{ printf "%.0f\n", ($12 + $13) * 1e6 / ticks }'; }

# measure WAY: appends "qps p95 proxy-us server-us" to the way's results.
measure() {
    local way=$1 log=$work/$1.sysbench server=${pid[direct]} proxy=${pid[$1]} proxy_before server_before
    proxy_before=$(cpu_us "$proxy")
    server_before=$(cpu_us "$server")
    sysbench_at "${port[$way]}" --threads="$threads" --time="$seconds" --percentile=95 run >"$log" 2>&1 || return 1
    awk -v proxy=$(($(cpu_us "$proxy") - proxy_before)) -v server=$(($(cpu_us "$server") - server_before)) \
        -v direct="$([ "$way" = direct ] && echo 1)" '
        $1 == "queries:" { queries = $2; gsub(/[(]/, "", $3); qps = $3 }
        /95th percentile/ { p95 = $3 }
        END {
            if (!queries) exit 1
            printf "%.0f %.2f %s %.1f\n", qps, p95, (direct ? "-" : sprintf("%.1f", proxy / queries)), server / queries
        }' "$log" >>"$work/$way.results"
}

# median COLUMN FILE
median() {
    awk -v column="$1" '{ print $column }' "$2" | sort -n |
        awk '{ value[NR] = $1 } END { print (NR % 2 || value[1] == "-") ? value[int((NR + 1) / 2)] : (value[NR / 2] + value[NR / 2 + 1]) / 2 }'
}

table() {
    local way column row
    printf '\n%-24s %10s %9s %16s %17s\n' '' 'queries/s' 'p95 ms' 'proxy µs/query' 'server µs/query'
    for way in "$@"; do
        if [ -n "${failed[$way]-}" ]; then
            printf '%-24s %s\n' "$way" "${failed[$way]}"
            continue
        fi
        row=()
        for column in 1 2 3 4; do row+=("$(median "$column" "$work/$way.results")"); done
        printf '%-24s %10s %9s %15s %16s\n' "$way" "${row[@]}"
    done
}
