# A private MariaDB without a binary log, and the table that sysbench selects from.

start_server() {
    local mariadbd data=$work/data as=()
    mariadbd=$(command -v mariadbd || echo /usr/sbin/mariadbd)
    [ "$(id -u)" != 0 ] || as=(--user=root)
    mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal --skip-test-db \
        "${as[@]}" >"$work/install.log" 2>&1 || { tail -n 20 "$work/install.log" >&2; exit 1; }
    port[direct]=$(free_port)
    # max-connections leaves room for every way at once.
    "$mariadbd" --no-defaults "${as[@]}" --datadir="$data" --socket="$work/sock" --pid-file="$work/pid" \
        --bind-address=127.0.0.1 --port="${port[direct]}" --skip-name-resolve --skip-log-bin \
        --innodb-flush-log-at-trx-commit=2 --max-connections=2000 --thread-handling=one-thread-per-connection \
        >"$work/server.log" 2>&1 &
    children+=($!)
    pid[direct]=$!
    wait_for "${port[direct]}" "$!" || { tail -n 20 "$work/server.log" >&2; exit 1; }
    as_root "DROP USER IF EXISTS ''@'localhost', ''@'$(hostname)'; CREATE DATABASE app;
             CREATE USER app@'%' IDENTIFIED BY 'app-secret'; GRANT ALL ON app.* TO app@'%'"
}

as_root() { mariadb --no-defaults -uroot -S "$work/sock" -BNe "$1"; }

server_version() { echo "MariaDB $(as_root 'SELECT VERSION()')"; }

load_table() { sysbench_at "${port[direct]}" --threads=1 prepare >"$work/prepare.log" 2>&1 || { cat "$work/prepare.log"; exit 1; }; }

sysbench_at() {
    local at=$1
    shift
    sysbench oltp_point_select --mysql-host=127.0.0.1 --mysql-port="$at" --mysql-user=app --mysql-password=app-secret \
        --mysql-db=app --tables=1 --table-size=10000 --db-ps-mode=disable --report-interval=0 "$@"
}

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
