#!/usr/bin/env bash
# How much of its places a worker uses that waits for others: eight items at once, each for a time of its own, 20 ms on
# average, exponentially distributed. 1 would be all of them all the time, start and end of the run included.
#
#   Tests/Benchmarks/waiting.sh [ITEMS] [MILLISECONDS] [RUNS]
set -euo pipefail
cd "$(dirname "$0")/../.."
items=${1:-4000}
wait=${2:-20}
runs=${3:-3}

swift build -c release --product leat-bench-throughput >&2
program="$(swift build -c release --show-bin-path)/leat-bench-throughput"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

for ((run = 1; run <= runs; run++)); do
    rm -rf "$folder"/*
    LEAT_BENCH_WAIT=$wait LEAT_BENCH_ITEMS=$items \
        /usr/bin/env TIMEFORMAT=%R bash -c "time '$program' run --quiet --db '$folder/bench.db' >/dev/null" 2>&1
done | awk -v items="$items" -v wait="$wait" '
    { printf "%.1f s, %d items/s, %.2f of its places\n", $1, items / $1, items * wait / 8000 / $1 }'
