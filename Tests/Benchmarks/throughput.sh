#!/usr/bin/env bash
# Items a second through three stages as three processes, at synchronous=FULL, start and end of the processes included.
#
#   Tests/Benchmarks/throughput.sh [ITEMS] [RUNS]
set -euo pipefail
cd "$(dirname "$0")/../.."
items=${1:-300000}
runs=${2:-5}

swift build -c release --product leat-bench-throughput >&2
program="$(swift build -c release --show-bin-path)/leat-bench-throughput"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

measure() {
    local payload=$1 batch=$2 run
    for ((run = 1; run <= runs; run++)); do
        rm -rf "$folder"/*
        LEAT_BENCH_PAYLOAD=$payload LEAT_BENCH_BATCH=$batch LEAT_BENCH_ITEMS=$items \
            /usr/bin/env TIMEFORMAT=%R bash -c "time '$program' run --quiet --db '$folder/bench.db' >/dev/null" 2>&1
        stat -c %s "$folder/bench.db-wal" >>"$folder.wal"
    done | awk -v items="$items" '{ print items / $1 }' | sort -n | awk -v what="$payload, transactions of $batch" '
        { rate[NR] = $1 }
        END {
            printf "%-28s %d items/s (median of %d; %d–%d)\n", what, rate[int((NR + 1) / 2)], NR, rate[1], rate[NR]
        }'
}

measure text 500
measure text 100
measure json 500
measure json 100
sort -n "$folder.wal" | tail -n 1 | awk '{ printf "largest log                  %.1f MB\n", $1 / 1e6 }'
rm -f "$folder.wal"
