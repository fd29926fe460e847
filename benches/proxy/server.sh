# A private MariaDB without a binary log, and the table that sysbench selects from.

# make_server: its empty data directory, and where it will listen.
make_server() {
    as=()
    [ "$(id -u)" != 0 ] || as=(--user=root)
    mariadb-install-db --no-defaults --datadir="$work/data" --auth-root-authentication-method=normal --skip-test-db \
        "${as[@]}" >"$work/install.log" 2>&1 || { tail -n 20 "$work/install.log" >&2; exit 1; }
    port[direct]=$(free_port)
}

start_server() {
    local mariadbd
    mariadbd=$(command -v mariadbd || echo /usr/sbin/mariadbd)
    # Room for every way at once, and for clients that all come at once.
    "$mariadbd" --no-defaults "${as[@]}" --datadir="$work/data" --socket="$work/sock" --pid-file="$work/pid" \
        --bind-address=127.0.0.1 --port="${port[direct]}" --skip-name-resolve --skip-log-bin \
        --innodb-flush-log-at-trx-commit=2 --max-connections=25000 --back-log=4000 \
        --thread-handling=one-thread-per-connection --max-prepared-stmt-count=100000 >"$work/server.log" 2>&1 &
    pid[server]=$!
    wait_for "${port[direct]}" "$!" || { tail -n 20 "$work/server.log" >&2; exit 1; }
}

# A server that has served nobody yet, with the same data.
restart_server() {
    stop server
    start_server
}

load_table() {
    as_root "DROP USER IF EXISTS ''@'localhost', ''@'$(hostname)'; CREATE DATABASE app;
             CREATE USER app@'%' IDENTIFIED BY 'app-secret'; GRANT ALL ON app.* TO app@'%'"
    sysbench_at "${port[direct]}" --threads=1 prepare >"$work/prepare.log" 2>&1 || { cat "$work/prepare.log"; exit 1; }
}

as_root() { mariadb --no-defaults -uroot -S "$work/sock" -BNe "$1"; }

server_version() { echo "MariaDB $(as_root 'SELECT VERSION()')"; }

free_port() {
    local try
    for try in {1..100}; do
        local candidate=$((20000 + RANDOM % 12000))
        (exec 7<>"/dev/tcp/127.0.0.1/$candidate") 2>/dev/null || { echo "$candidate"; return; }
    done
    echo "no free port" >&2
    return 1
}

# wait_for PORT PID: until somebody listens there; fails when the process has ended, or after 30 seconds.
wait_for() {
    local try
    for try in {1..600}; do
        kill -0 "$2" 2>/dev/null || return 1
        (exec 7<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null && return
        sleep 0.05
    done
    return 1
}
