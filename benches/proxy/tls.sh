# Short connections without TLS, with a full handshake each, and with resumed ones, before both servers; and idle clients in TLS.

part_tls() {
    local all kind handshake heading='  connects/s      p95 ms      p99 ms   resumed %    proxy µs   server µs'
    all=$(among direct greenroom-session greenroom-transaction)
    make_certificates
    for kind in mariadb mysql; do
        serve_by "$kind" || continue
        for handshake in none full resumed; do
            speak_tls "$handshake"
            compare 8 measure_tls $all
            table "$(server_version): connect, SELECT 1, quit, 8 clients; handshakes: $handshake (CPU: a connection)" "$heading" 0 $all
        done
    done
    serve_by mariadb
    idle_in_tls
    speak_tls none
    tls_server=()
    restart_server
}

# An authority, and a certificate from it that servers and proxies all show: ECDSA, P-256.
make_certificates() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2)
    {
        openssl req -x509 "${key[@]}" -keyout "$work/ca-key.pem" -out "$work/ca.pem" -subj "/CN=bench"
        openssl req -x509 "${key[@]}" -keyout "$work/key.pem" -out "$work/cert.pem" -subj "/CN=localhost" \
            -CA "$work/ca.pem" -CAkey "$work/ca-key.pem" \
            -addext "subjectAltName=DNS:localhost" -addext "basicConstraints=critical,CA:false"
    } 2>"$work/openssl.log" || { cat "$work/openssl.log" >&2; exit 1; }
    tls_server=(--ssl-cert="$work/cert.pem" --ssl-key="$work/key.pem")
}

# serve_by KIND: this server from now on, in TLS for who asks.
serve_by() {
    stop server
    server=$1
    [ "$server" != mysql ] || make_mysql || { echo "MySQL: there is none (scripts/fetch-mysql)"; return 1; }
    start_server
}

# speak_tls HANDSHAKE: what clients, and the proxies that start from now on, do.
speak_tls() {
    case $1 in
        none) tls_clients=() ;;
        full) tls_clients=(--tls-ca "$work/ca.pem") ;;
        resumed) tls_clients=(--tls-ca "$work/ca.pem" --resume) ;;
    esac
}

measure_tls() {
    local way=$1 before figures
    connects "$way" || return 1
    echo "${figures[*]:1:3} ${figures[4]:--} $(each "$way" "${figures[0]}" 1 "$before" "$(cpu_now "$way")")"
}

idle_in_tls() {
    local all handshake clients=5000
    all=$(among direct greenroom-transaction)
    mkfifo "$work/hold" 2>/dev/null || true
    for handshake in none full; do
        speak_tls "$handshake"
        compare "$clients" measure_idle $all
        table "$clients idle clients; handshakes: $handshake (resident memory: a client)" \
            '     clients   proxy KiB  server KiB server conns' 0 $all
    done
}
