# The ways to the server: each proxy a process of its own, with a configuration made for it.

# Those of the ways asked for that are among the arguments.
among() {
    local way
    for way in $ways; do [[ " $* " != *" $way "* ]] || echo "$way"; done
}

# start_way WAY CLIENTS: for so many clients at most.
start_way() {
    case $1 in
        direct) ;;
        haproxy) start_haproxy ;;
        greenroom-counted) start_greenroom "$1" transaction "$2" ;;
        greenroom-*) start_greenroom "$1" "${1#greenroom-}" "$2" ;;
        *) failed[$1]="no such way" ;;
    esac
}

# stop WAY: and wait until it has gone.
stop() {
    [ -n "${pid[$1]-}" ] || return 0
    kill "${pid[$1]}" 2>/dev/null || true
    wait "${pid[$1]}" 2>/dev/null || true
    unset "pid[$1]"
}

# restart_way WAY CLIENTS: a process that has served nobody yet.
restart_way() {
    stop "$1"
    start_way "$1" "$2"
    [ -z "${failed[$1]-}" ]
}

# Each client of haproxy's takes two descriptors.
haproxy_room() { least 25000 $((($(ulimit -n) - 200) / 2)); }

start_haproxy() {
    port[haproxy]=$(free_port)
    cat >"$work/haproxy.cfg" <<CONF
global
    nbthread 2
    maxconn $(haproxy_room)
defaults
    mode tcp
    maxconn $(haproxy_room)
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

# A transaction pool has 50 connections for hundreds of clients, unless the part says otherwise; the other modes need
# one for each.
greenroom_limit() {
    if [ "$1" = transaction ] && [ -n "${limit-}" ]; then
        echo "$limit"
    elif [ "$1" = transaction ] && [ "$2" -gt 200 ]; then echo 50; else echo $(($2 + 100)); fi
}

endpoint_tls() {
    if [ "${#tls_clients[@]}" = 0 ]; then echo 'tls = "disabled"'; return; fi
    printf 'tls_cert = "%s"\ntls_key = "%s"\n' "$work/cert.pem" "$work/key.pem"
}

start_greenroom() {
    local way=$1 pool=$2 program=$root/target/release/greenroom
    port[$way]=$(free_port)
    http[$way]=$(free_port)
    [ -x "$program" ] || { failed[$way]="there is no target/release/greenroom"; return; }
    cat >"$work/$way.toml" <<CONF
[server]
workers = 2

[[nodes]]
name = "mariadb"
address = "127.0.0.1:${port[direct]}"
max_connections = $(greenroom_limit "$pool" "$3")
tls = "disabled"

[[endpoints]]
name = "bench"
listen = "127.0.0.1:${port[$way]}"
pool = "$pool"
pool_by_client_ip = ${by_address:-false}
idle_timeout = "${idle_timeout:-10s}"
nodes = ["mariadb"]
$(endpoint_tls)

[[users]]
name = "app"
password = "app-secret"

[http]
listen = "127.0.0.1:${http[$way]}"

[admin]
listen = "127.0.0.1:$(free_port)"
user = "admin"
password_env = "GREENROOM_ADMIN_PASSWORD"

[queries]
query_statistics = $([ "$way" = greenroom-counted ] && echo true || echo false)
CONF
    GREENROOM_ADMIN_PASSWORD=$RANDOM$RANDOM "$program" --config "$work/$way.toml" >"$work/$way.log" 2>&1 &
    started "$way" $!
}

# started WAY PID: notes the process, or why there is none.
started() {
    pid[$1]=$2
    wait_for "${port[$1]}" "$2" || failed[$1]="it does not listen: $(tail -n 1 "$work/$1.log")"
}
