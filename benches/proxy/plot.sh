# What `select` found, drawn: CPU a query and p99 against clients.

# remember WAY...: a line for each way that has figures.
remember() {
    local way
    for way in "$@"; do
        [ -n "${failed[$way]-}" ] || [ ! -s "$work/$way.figures" ] ||
            echo "$threads $(median 4 "$work/$way.figures") $(median 3 "$work/$way.figures")" >>"$work/$way.$statements.plot"
    done
}

# plot FILE: as SVG.
plot() {
    command -v gnuplot >/dev/null || return 0
    {
        echo "set terminal svg size 960,720 background '#ffffff' font 'sans-serif,12'; set output '$1'"
        echo "set multiplot layout 2,2; set logscale x; set grid; set key left top; set xlabel 'clients'; set xrange [6:1400]"
        echo "set yrange [0:*]; set ylabel 'CPU of the proxy, µs a query'"
        curves 2
        echo "set logscale y; set yrange [*:*]; set ylabel 'p99, ms'"
        curves 3
    } >"$work/plot.gp"
    mkdir -p "$(dirname "$1")"
    gnuplot "$work/plot.gp"
    printf '\ndrawn: %s\n' "$1"
}

# curves COLUMN: a diagram for each kind of statement.
curves() {
    local statements way
    for statements in $statement_kinds; do
        echo "set title 'point select, $statements'"
        printf 'plot '
        for way in $ways; do
            [ ! -s "$work/$way.$statements.plot" ] ||
                printf "'%s' using 1:%s with linespoints title '%s', " "$work/$way.$statements.plot" "$1" "$way"
        done
        echo 'NaN notitle'
    done
}
