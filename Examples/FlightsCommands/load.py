"""Puts rows, a JSON array a line, into a table: load.py flight. Rows that are there already are left out."""
import json
import os
import sqlite3
import sys

TABLES = {
    "flight": """
        month TEXT NOT NULL, line INTEGER NOT NULL, hour_utc TEXT NOT NULL, hour INTEGER NOT NULL,
        carrier TEXT NOT NULL, airline TEXT, number INTEGER NOT NULL, tail_number TEXT,
        origin TEXT NOT NULL, origin_airport TEXT, destination TEXT NOT NULL, destination_airport TEXT,
        departure_delay INTEGER, arrival_delay INTEGER, air_time INTEGER, distance INTEGER NOT NULL,
        plane_manufacturer TEXT, plane_model TEXT, plane_year INTEGER, plane_seats INTEGER,
        temperature REAL, wind_speed REAL, precipitation REAL, visibility REAL,
        PRIMARY KEY (month, line)""",
    "cancelled_flight": """
        month TEXT NOT NULL, line INTEGER NOT NULL, hour_utc TEXT NOT NULL, hour INTEGER NOT NULL,
        carrier TEXT NOT NULL, airline TEXT, number INTEGER NOT NULL,
        origin TEXT NOT NULL, destination TEXT NOT NULL,
        wind_speed REAL, precipitation REAL, visibility REAL,
        PRIMARY KEY (month, line)""",
}

rows = [json.loads(line) for line in sys.stdin]
marks = ", ".join("?" * len(rows[0]))
# Two stages write into it, in turn. What is committed is on the disk before Leat hears of it: SQLite's own default.
result = sqlite3.connect(os.environ["RESULT"], timeout=50, isolation_level=None)
result.execute("BEGIN IMMEDIATE")
for name, columns in TABLES.items():
    result.execute(f"CREATE TABLE IF NOT EXISTS {name} ({columns})")
result.executemany(f"INSERT INTO {sys.argv[1]} VALUES ({marks}) ON CONFLICT DO NOTHING", rows)
result.execute("COMMIT")
