# Rounds over the ways, and what processes use.

# compare CLIENTS MEASURE WAY...: "MEASURE WAY" prints a run's figures, once a round. The ways' processes all run at once.
compare() {
    local clients=$1 measure=$2 way round
    shift 2
    failed=() notes=()
    rm -f "$work"/*.figures
    for way in "$@"; do start_way "$way" "$clients"; done
    for ((round = 1; round <= rounds; round++)); do
        for way in "$@"; do
            [ -n "${failed[$way]-}" ] || measured "$measure" "$way" >>"$work/$way.figures" ||
                failed[$way]=${failed[$way]:-no figures}
        done
    done
    for way in "$@"; do stop "$way"; done
}

# measured MEASURE WAY: a run, in which the proxy must not have died.
measured() {
    "$1" "$2" || return 1
    kill -0 "$(proxy_of "$2")" 2>/dev/null || failed[$2]="failed: its process ended: $(tail -n 1 "$work/$2.log")"
    [ -z "${failed[$2]-}" ]
}

# fail WAY LOG: the way has no figures, because of the log's first error, or of its last line.
fail() {
    failed[$1]="failed: $({ grep -m 1 -E 'error:? [0-9]+' "$2" || grep -v '^$' "$2" | tail -n 1; } | cut -c -200)"
    return 1
}

# some WAY COUNT WHAT: whether there is anything to divide by.
some() {
    [ "${2:-0}" -gt 0 ] || failed[$1]="failed: no $3"
    [ "${2:-0}" -gt 0 ]
}

# load WAY ARGUMENT...: the project's own load generator on the way.
load() {
    local at=${port[$1]}
    shift
    "$root/target/release/greenroom-load" --port "$at" --user app --password app-secret --database app \
        "${tls_clients[@]}" "$@"
}

# connects WAY: short connections from 8 clients. Leaves what the client printed in `figures`, and the CPU times from before
# in `before`, which are the caller's.
connects() {
    before=$(cpu_now "$1")
    load "$1" connect --clients 8 --seconds "$seconds" >"$work/load.log" 2>&1 || fail "$1" "$work/load.log" || return 1
    read -ra figures <"$work/load.log"
    some "$1" "${figures[0]}" "connection was made"
}

# CPU time of a process so far, in microseconds. Its name, which may hold spaces, is skipped.
cpu_us() { sed 's/.*) //' "/proc/$1/stat" | awk -v ticks="$(getconf CLK_TCK)" '{ printf "%.0f\n", ($12 + $13) * 1e6 / ticks }'; }

# Of the way's proxy and of the server.
cpu_now() { echo "$(cpu_us "$(proxy_of "$1")") $(cpu_us "${pid[server]}")"; }

# The server stands in where there is no proxy; each leaves those figures out.
proxy_of() { echo "${pid[$1]:-${pid[server]}}"; }

# each WAY COUNT DIGITS "PROXY SERVER" "PROXY SERVER": what came between the two readings, for each of so many.
each() {
    echo "$4 $5" | awk -v direct="$([ "$1" = direct ] && echo 1)" -v count="$2" -v form="%.$3f" '{
        print (direct ? "-" : sprintf(form, ($3 - $1) / count)), sprintf(form, ($4 - $2) / count) }'
}

# memory KEY PID: VmRSS (resident now) or VmHWM (at most so far), in KiB.
memory() { awk -v key="$1:" '$1 == key { print $2 }' "/proc/$2/status"; }

least() { printf '%s\n' "$@" | sort -n | head -n 1; }
