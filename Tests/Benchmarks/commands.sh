#!/usr/bin/env bash
# Items a second through a pipeline file of three stages whose middle one passes lines on, in each mode of commands; and
# through what one would use without Leat, which keeps nothing. Source and sink are the same in all, each stage has one
# worker, and commits survive a power cut. Start and end of the processes included.
#
#   Tests/Benchmarks/commands.sh [ITEMS] [ITEMS WITH A PROCESS EACH] [RUNS]
#
# The items are lines of flights: all 336,776 where Examples/Flights/source.sh finds them without a network, otherwise the
# 15,000 of the repository. GNU parallel (Debian: apt-get install parallel) is measured where it is installed.
set -euo pipefail
cd "$(dirname "$0")/../.."
items=${1:-336776}
single=${2:-5000}
runs=${3:-3}

swift build -c release --product leat >&2
leat="$(swift build -c release --show-bin-path)/leat"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

data=Examples/Flights/Data/flights.csv.gz
for full in ../shared/data/nycflights13/flights.csv.gz .demo/source/nycflights13/flights.csv.gz; do
    if [ -f "$full" ]; then data=$full; fi
done
gzip -dc "$data" | awk -v most="$items" 'NR > 1 + most { exit } NR > 1' >"$folder/lines" || true
items=$(wc -l <"$folder/lines")
[ "$single" -le "$items" ] || single=$items
head -n "$single" "$folder/lines" >"$folder/few"
cp Examples/Protocol/leat_stage.py "$folder"
printf 'from leat_stage import stage\nstage(lambda item: [item.body])\n' >"$folder/pass.py"
# The least that the line protocol asks for: what is between "body": and the end goes into the answer as it is.
cat >"$folder/pass.pl" <<'PERL'
$| = 1;
while (<STDIN>) {
    if (/^\{"id":(\d+),.*?"body":(.*)\}$/) { print "{\"ack\":[$1],\"out\":[$2]}\n" }
    elsif (/^\{"hello"/) { print "{\"hello\":1}\n" }
}
PERL

# file NAME INPUT KEYS: a pipeline file whose middle stage has these keys; without any, there is no such stage. The sink lives
# on: in mode batch it would start more processes the slower its items come.
file() {
    {
        printf 'stages:\n  read: {produce: [cat, %s], to: line}\n' "$2"
        [ -z "$3" ] || printf '  pass: {from: line, to: passed, %s}\n' "$3"
        printf '  sink: {consume: [cat], from: %s, mode: stream, ordered: trust}\n' \
            "$([ -n "$3" ] && echo passed || echo line)"
    } >"$folder/$1.yaml"
}
file none lines ''
file item few 'transform: [cat]'
file batch-100 lines 'transform: [cat], mode: batch, batch: 100'
file batch-1000 lines 'transform: [cat], mode: batch, batch: 1000'
file stream lines 'transform: [cat], mode: stream, ordered: trust'
file ack-perl lines 'transform: [perl, pass.pl], mode: ack'
file ack-python lines 'transform: [python3, -B, pass.py], mode: ack'

leat() { # leat NAME
    rm -rf "$folder"/bench.db*
    "$leat" run "$folder/$1.yaml" --quiet --db "$folder/bench.db" >/dev/null
}

names=() counts=() commands=()
row() { # row NAME ITEMS COMMAND
    names+=("$1")
    counts+=("$2")
    commands+=("$3")
}
row 'no middle stage' "$items" 'leat none'
row 'item' "$single" 'leat item'
row 'batch of 100' "$items" 'leat batch-100'
row 'batch of 1000' "$items" 'leat batch-1000'
row 'stream' "$items" 'leat stream'
row 'ack, in Perl' "$items" 'leat ack-perl'
row 'ack, leat_stage.py' "$items" 'leat ack-python'
row 'cat | cat | cat' "$items" 'cat "$folder/lines" | cat | cat >/dev/null'
row 'xargs -n1' "$single" "cat '$folder/few' | xargs -d '\n' -n1 printf '%s\n' | cat >/dev/null"
row 'xargs -n100' "$items" "cat '$folder/lines' | xargs -d '\n' -n100 printf '%s\n' | cat >/dev/null"
if command -v parallel >/dev/null; then
    row 'parallel -n1' "$single" 'parallel --will-cite -j1 -n1 echo <"$folder/few" | cat >/dev/null'
    row 'parallel --pipe -N100' "$items" 'parallel --will-cite -j1 --pipe -N100 cat <"$folder/lines" | cat >/dev/null'
else
    echo "GNU parallel is not installed, so it is not measured." >&2
fi

# Interleaved, so that what else the machine does falls on all alike.
TIMEFORMAT='%R %U %S'
for ((run = 1; run <= runs; run++)); do
    for index in "${!names[@]}"; do
        took=$({ time eval "${commands[$index]}" 2>>"$folder/errors"; } 2>&1) || {
            cat "$folder/errors" >&2
            exit 1
        }
        printf '%s\t%s\t%s\n' "${names[$index]}" "${counts[$index]}" "$took" >>"$folder/times"
    done
done

awk -F '\t' '
    !($1 in runs) { order[++rows] = $1; items[$1] = $2 }
    {
        split($3, time, " ")
        n = ++runs[$1]
        # Sorted while they come: the slowest first.
        rate = $2 / time[1]
        for (i = n; i > 1 && rates[$1, i - 1] > rate; i--) rates[$1, i] = rates[$1, i - 1]
        rates[$1, i] = rate
        work[$1] += (time[2] + time[3]) / $2 * 1e6
    }
    END {
        for (row = 1; row <= rows; row++) {
            name = order[row]
            printf "%-24s %8d items/s (median of %d; %d–%d), %7.1f µs of processors an item, %d items\n", name,
                rates[name, int((runs[name] + 1) / 2)], runs[name], rates[name, 1], rates[name, runs[name]],
                work[name] / runs[name], items[name]
        }
    }' "$folder/times"
