# The ways to the server: each a process of its own, with a configuration made for it, all running at once.

start_way() {
    case $1 in
        direct) ;;
        haproxy) start_haproxy ;;
        greenroom-*) start_greenroom "$1" "${1#greenroom-}" ;;
        *) failed[$1]="no such way" ;;
    esac
}

start_haproxy() {
    port[haproxy]=$(free_port)
    cat >"$work/haproxy.cfg" <<CONF
global
    nbthread 2
    maxconn 4000
defaults
    mode tcp
    timeout connect 5s
    timeout client 1h
    timeout server 1h
listen mariadb
    bind 127.0.0.1:${port[haproxy]}
    server one 127.0.0.1:${port[direct]}
CONF
    # In the foreground: one process, the one that we measure.
    PATH=$PATH:/usr/sbin haproxy -db -f "$work/haproxy.cfg" >"$work/haproxy.log" 2>&1 &
    started haproxy $!
}

start_greenroom() {
    local way=$1 pool=$2 program=$root/target/release/greenroom
    port[$way]=$(free_port)
    [ -x "$program" ] || { failed[$way]="there is no target/release/greenroom"; return; }
    cat >"$work/$way.toml" <<CONF
[server]
workers = 2

[[nodes]]
name = "mariadb"
address = "127.0.0.1:${port[direct]}"
max_connections = 200
tls = "disabled"

[[endpoints]]
name = "bench"
listen = "127.0.0.1:${port[$way]}"
pool = "$pool"
nodes = ["mariadb"]
tls = "disabled"

[[users]]
name = "app"
password = "app-secret"

[http]
listen = "127.0.0.1:$(free_port)"

[admin]
listen = "127.0.0.1:$(free_port)"
user = "admin"
password_env = "GREENROOM_ADMIN_PASSWORD"
CONF
    GREENROOM_ADMIN_PASSWORD=$RANDOM$RANDOM "$program" --config "$work/$way.toml" >"$work/$way.log" 2>&1 &
    started "$way" $!
}

# started WAY PID: notes the process, or why there is none.
started() {
    children+=("$2")
    pid[$1]=$2
    wait_for "${port[$1]}" "$2" || failed[$1]="it does not listen: $(tail -n 1 "$work/$1.log")"
}
