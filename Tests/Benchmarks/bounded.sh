#!/usr/bin/env bash
# What a bounded queue of 100 between a fast and a slow stage takes in memory and on disk, and how exactly a rate holds.
#
#   Tests/Benchmarks/bounded.sh [ITEMS] [RATE] [SECONDS]
set -euo pipefail
cd "$(dirname "$0")/../.."
items=${1:-1000000}
rate=${2:-50}
seconds=${3:-60}

swift build -c release --product leat-bench-bounded >&2
program="$(swift build -c release --show-bin-path)/leat-bench-bounded"
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$folder"' EXIT

echo "A bounded queue of 100, $items items:"
LEAT_BENCH_ITEMS=$items "$program" run --quiet --db "$folder/bounded.db" &
run=$!
printf '%8s %12s %10s %10s %10s\n' seconds done 'db (KiB)' 'wal (KiB)' 'rss (KiB)'
began=$SECONDS
while sleep 10 && kill -0 "$run" 2>/dev/null; do
    done=$(sqlite3 "file:$folder/bounded.db?mode=ro" "SELECT acknowledged FROM leat_counts WHERE stage = 'slow'")
    rss=$(ps -o rss= --ppid "$run" | sort -n | tail -n 1)
    printf '%8d %12d %10d %10d %10d\n' $((SECONDS - began)) "$done" \
        $(($(stat -c %s "$folder/bounded.db") / 1024)) $(($(stat -c %s "$folder/bounded.db-wal") / 1024)) "$rss"
done
wait "$run"
echo "A rate of $rate items a second over four workers, for $seconds seconds:"
LEAT_BENCH_ITEMS=$((rate * seconds * 2)) LEAT_BENCH_RATE=$rate "$program" run --quiet --db "$folder/rate.db" &
run=$!
count() { sqlite3 "file:$folder/rate.db?mode=ro" "SELECT acknowledged FROM leat_counts WHERE stage = 'slow'"; }
sleep 3
before=$(count)
from=$(date +%s%N)
sleep "$seconds"
after=$(count)
awk -v items=$((after - before)) -v nanoseconds=$(($(date +%s%N) - from)) -v rate="$rate" 'BEGIN {
    found = items / nanoseconds * 1e9
    printf "%d items in %.2f s: %.2f a second, %+.2f %% of what it should be\n", items, nanoseconds / 1e9, found, (found / rate - 1) * 100
}'
kill -INT "$run"
wait "$run" || true
