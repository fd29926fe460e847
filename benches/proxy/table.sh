# The figures of one comparison, as a table.

# median COLUMN FILE, with as many decimals as the figures have.
median() {
    awk -v column="$1" '{ print $column }' "$2" | sort -n | awk '
        { value[NR] = $1; decimals = length($1) - (index($1, ".") ? index($1, ".") : length($1)) }
        END { middle = int((NR + 1) / 2)
              if (NR % 2 || value[1] == "-") print value[middle]
              else printf "%.*f\n", decimals, (value[middle] + value[middle + 1]) / 2 }'
}

# table TITLE HEADING PROXY WAY...: column PROXY is the proxy's cost; behind it stands how many times haproxy's that is.
# HEADING has 12 characters for each column.
table() {
    local title=$1 heading=$2 way
    printf '\n%s\n%-21s%s\n' "$title" '' "$heading"
    shift 2
    for way in "${@:2}"; do
        if [ -n "${failed[$way]-}" ]; then printf '%-21s  %s\n' "$way" "${failed[$way]}"; else row "$way" "$1"; fi
    done
    for way in "${@:2}"; do [ -z "${notes[$way]-}" ] || printf '  %s: %s\n' "$way" "${notes[$way]}"; done
}

row() {
    local way=$1 proxy=$2 column value
    printf '%-21s' "$way"
    for ((column = 1; column <= $(head -n 1 "$work/$way.figures" | wc -w); column++)); do
        value=$(median "$column" "$work/$way.figures")
        printf '%12s' "$value"
        [ "$column" != "$proxy" ] || printf '%12s' "$(times_haproxy "$value" "$column")"
    done
    echo
}

times_haproxy() {
    local base=-
    [ -n "${failed[haproxy]-}" ] || [ ! -s "$work/haproxy.figures" ] || base=$(median "$2" "$work/haproxy.figures")
    awk -v value="$1" -v base="$base" 'BEGIN { print (value == "-" || base + 0 == 0) ? "-" : sprintf("%.2f", value / base) }'
}
