# A private MariaDB without a binary log, and the table that sysbench selects from; for TLS a MySQL, too.

# Where scripts/fetch-mysql puts its programs.
mysql=${GREENROOM_MYSQL:-${HOME:?}/.cache/greenroom/mysql}/bin

# make_server: its empty data directory, and where it will listen.
make_server() {
    as=()
    [ "$(id -u)" != 0 ] || as=(--user=root)
    mariadb-install-db --no-defaults --datadir="$work/data" --auth-root-authentication-method=normal --skip-test-db \
        "${as[@]}" >"$work/install.log" 2>&1 || { tail -n 20 "$work/install.log" >&2; exit 1; }
    port[direct]=$(free_port)
}

start_server() {
    local at=("${as[@]}" --port="${port[direct]}" --bind-address=127.0.0.1 "${tls_server[@]}")
    # Room for every way at once, and for clients that all come at once.
    at+=(--max-connections=25000 --back-log=4000 --max-prepared-stmt-count=100000 --skip-name-resolve)
    at+=(--innodb-flush-log-at-trx-commit=2)
    "start_$server" "${at[@]}" >"$work/server.log" 2>&1 &
    pid[server]=$!
    wait_for "${port[direct]}" "$!" || { tail -n 20 "$work/server.log" >&2; exit 1; }
}

start_mariadb() {
    exec "$(command -v mariadbd || echo /usr/sbin/mariadbd)" --no-defaults --datadir="$work/data" --socket="$work/sock" \
        --pid-file="$work/pid" --skip-log-bin --thread-handling=one-thread-per-connection "$@"
}

start_mysql() {
    exec "$mysql/mysqld" --no-defaults --datadir="$work/mysql" --socket="$work/mysql-sock" --pid-file="$work/mysql-pid" \
        --disable-log-bin --mysqlx=OFF --secure-file-priv= "$@"
}

# make_mysql: its empty data directory, with the account; fails where there is no MySQL.
make_mysql() {
    [ -x "$mysql/mysqld" ] || return 1
    [ ! -d "$work/mysql" ] || return 0
    printf '%s;\n' "CREATE DATABASE app" "CREATE USER app@'%' IDENTIFIED BY 'app-secret'" "GRANT ALL ON app.* TO app@'%'" \
        >"$work/mysql.sql"
    "$mysql/mysqld" --no-defaults "${as[@]}" --initialize-insecure --datadir="$work/mysql" --init-file="$work/mysql.sql" \
        >"$work/install.log" 2>&1 || { tail -n 20 "$work/install.log" >&2; exit 1; }
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

as_root() {
    case $server in
        mariadb) mariadb --no-defaults -uroot -S "$work/sock" -BNe "$1" ;;
        mysql) "$mysql/mysql" --no-defaults -uroot -S "$work/mysql-sock" -BNe "$1" ;;
    esac
}

server_version() {
    case $server in mariadb) echo -n "MariaDB " ;; mysql) echo -n "MySQL " ;; esac
    as_root 'SELECT VERSION()'
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
