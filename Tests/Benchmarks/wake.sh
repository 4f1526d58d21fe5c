#!/usr/bin/env bash
# How soon a waiting process has an item after its commit, and what waiting costs.
#
#   Tests/Benchmarks/wake.sh [WAITERS] [ITEMS] [IDLE SECONDS] [RUNS]
set -euo pipefail
cd "$(dirname "$0")/../.."
waiters=${1:-16}
items=${2:-500}
idle=${3:-20}
runs=${4:-3}

swift build -c release --product leat-bench-wake >&2
program="$(swift build -c release --show-bin-path)/leat-bench-wake"
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

# The time that processes have had of a processor so far, in its ticks.
ticks() {
    local pid sum=0
    for pid in "$@"; do sum=$((sum + $(awk '{ print $14 + $15 }' "/proc/$pid/stat"))); done
    echo "$sum"
}

for ((run = 1; run <= runs; run++)); do
    takers=()
    for ((n = 0; n < waiters; n++)); do
        "$program" take "$folder/$run.db" &
        takers+=($!)
    done
    sleep 3
    before=$(ticks "${takers[@]}")
    sleep "$idle"
    after=$(ticks "${takers[@]}")
    awk -v ticks=$((after - before)) -v hertz="$(getconf CLK_TCK)" -v idle="$idle" -v n="$waiters" 'BEGIN {
        printf "%d waiters, idle: %.3f %% of a processor each\n", n, 100 * ticks / hertz / idle / n
    }'
    "$program" put "$folder/$run.db" "$items"
    wait
done
