#!/usr/bin/env bash
# Lays the data out as the program reads them: flights/2013-01.csv … 2013-12.csv without a header, in the order of the
# file that they come from, and airlines.csv, airports.csv, planes.csv, weather.csv beside them.
#
# Five malformed lines are put in, each after the named line of its month. They are added, they replace nothing, so
# that the figures of the good lines stay what they are.
#
# Usage: prepare.sh SOURCE_FOLDER TARGET_FOLDER
set -euo pipefail

source=${1:?usage: prepare.sh SOURCE_FOLDER TARGET_FOLDER}
target=${2:?usage: prepare.sh SOURCE_FOLDER TARGET_FOLDER}

rm -rf "$target" "$target.new"
mkdir -p "$target.new/flights"
for table in airlines airports planes weather; do
    if [ -f "$source/$table.csv" ]; then
        cp "$source/$table.csv" "$target.new/$table.csv"
        chmod u+w "$target.new/$table.csv"
    else
        gzip -dc "$source/$table.csv.gz" >"$target.new/$table.csv"
    fi
done

gzip -dc "$source/flights.csv.gz" | awk -F, -v folder="$target.new/flights" '
    BEGIN {
        # A line that was cut off.
        bad["1/100"] = "2013,1,1,517,515"
        # A time in words.
        bad["3/300"] = "2013,3,1,half past five,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-03-01T10:00:00Z"
        # A time that no clock shows.
        bad["6/500"] = "2013,6,1,2575,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-06-01T09:00:00Z"
        # One field too many.
        bad["9/700"] = "2013,9,1,517,515,2,830,819,11,UA,1545,N14228,EWR,IAH,227,1400,5,15,2013-09-01T09:00:00Z,EWR"
        # An airport that there is not.
        bad["12/900"] = "2013,12,1,517,515,2,830,819,11,UA,1545,N14228,Q?Q,IAH,227,1400,5,15,2013-12-01T10:00:00Z"
    }
    NR == 1 { next }
    {
        file = sprintf("%s/2013-%02d.csv", folder, $2)
        print > file
        place = $2 "/" ++lines[$2]
        if (place in bad) print bad[place] > file
    }'
# Last, so that a folder under this name is a whole one.
mv "$target.new" "$target"
