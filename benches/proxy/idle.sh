# Idle clients: what each costs in resident memory once it has logged in and run one statement.

part_idle() {
    local clients all heading
    all=$(among direct haproxy greenroom-transaction)
    heading='     clients   proxy KiB   × haproxy  server KiB server conns'
    mkfifo "$work/hold"
    for clients in $idle_counts; do
        compare "$clients" measure_idle $all
        table "$clients idle clients (resident memory: a client)" "$heading" 2 $all
    done
}

# Server and proxy are new each time: memory that was used once is not given back.
measure_idle() {
    local way=$1 before holder wanted why
    restart_server
    restart_way "$way" "$clients" || return 1
    load "$way" idle --clients 8 --hold 1 </dev/null >"$work/load.log" 2>&1 || fail "$way" "$work/load.log" || return 1
    before=$(memory_now "$way")
    read -r wanted why <<<"$(room "$way")"
    rm "$work/load.log"
    load "$way" idle --clients "$wanted" --hold 120 <"$work/hold" >"$work/load.log" 2>&1 &
    holder=$!
    exec 8>"$work/hold"
    ! all_in "$holder" || idle_figures "$way" "$before" "$why" || true
    exec 8>&-
    wait "$holder" || fail "$way" "$work/load.log" || return 1
    [ -z "${failed[$way]-}" ] || return 1
    lost "$way"
}

# all_in PID: until the load generator says how many clients there are, or ends; and a moment for all to come to rest.
all_in() {
    while kill -0 "$1" 2>/dev/null && [ ! -s "$work/load.log" ]; do sleep 0.1; done
    sleep 2
    kill -0 "$1" 2>/dev/null
}

idle_figures() {
    local way=$1 came why
    read -r came why <"$work/load.log"
    some "$way" "$came" "client came in: $why" || return 1
    echo "$came $(each "$way" "$came" 2 "$2" "$(memory_now "$way")") $(server_connections)"
    [ "$came" = "$clients" ] || notes[$way]="$came clients, not $clients: ${why:-$3}"
}

# Whoever did not stay makes the figures worthless.
lost() {
    local count
    count=$(tail -n 1 "$work/load.log")
    [ "$count" = 0 ] || failed[$1]="failed: $count clients were lost while they were idle"
    [ "$count" = 0 ]
}

memory_now() { echo "$(memory VmRSS "$(proxy_of "$1")") $(memory VmRSS "${pid[server]}")"; }

server_connections() { as_root "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = 'app'"; }

# How many clients a way can have, at most those that are wanted, and why not all. Server connections are given half
# the free memory, at 200 KiB each.
room() {
    local free
    free=$(awk '$1 == "MemAvailable:" { print $2 }' /proc/meminfo)
    {
        echo "$clients"
        echo "$(($(ulimit -n) - 200)) a process may open $(ulimit -n) files (ulimit -n)"
        [ "$1" != haproxy ] || echo "$(haproxy_room) it opens two files a client, and may open $(ulimit -n) (ulimit -n)"
        [[ $1 == greenroom-* ]] || echo "$((free / 2 / 200)) the server would take over half of the free memory"
        [[ $1 == greenroom-* ]] || echo "$(($(as_root 'SELECT @@max_connections') - 10)) the server's max_connections, as ulimit -n bounds it"
    } | sort -n | head -n 1
}
