# Draws what unroll_curves has written: gnuplot -e "csv='curves.csv'; svg='docs/curves.svg'" benchmarks/curves.gp
set terminal svg size 1000,620 font "sans,12"
set output svg
set datafile separator ","
set multiplot layout 2,3
set key off
set grid
set logscale xy
set format y "%g"
set style data linespoints
at(name, column) = sprintf("< grep '^%s,' %s", name, csv)
set ylabel "microseconds per step"
set xlabel "H (hidden = input)"
plot at("H", 3) using 2:3 pt 7
set xlabel "B (batch)"
plot at("B", 3) using 2:3 pt 7
set xlabel "T (steps)"
plot at("T", 3) using 2:3 pt 7
unset logscale x
set xlabel "layers"
set xtics 1
plot at("layers", 3) using 2:3 pt 7
set logscale x
set xtics auto
set ylabel "megabytes at the peak"
set xlabel "T (steps)"
plot at("T", 5) using 2:5 pt 7
set ylabel "GFLOP/s of the products"
set xlabel "H (hidden = input)"
plot at("H", 4) using 2:4 pt 7
unset multiplot
