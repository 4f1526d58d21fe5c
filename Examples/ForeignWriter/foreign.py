#!/usr/bin/env python3
"""A program in another language on a Leat queue: Python's own sqlite3, and the statements of SchemaReference.

    foreign.py put DB QUEUE     puts each line of standard input
    foreign.py work DB QUEUE    handles items beside workers in Swift, until the queue is sealed and empty

The queue is there already (`leat put`, or a program in Swift). What is done for an item is written in the transaction
that settles it, so it takes effect once, whoever is killed.
"""
import os
import sqlite3
import sys
import time


def connect(path):
    db = sqlite3.connect(path, timeout=30, isolation_level=None)
    # First of all: Leat copies the log into the database itself, by a rule that keeps commits from being lost.
    db.execute("PRAGMA wal_autocheckpoint = 0")
    # And what a transaction changes stays in memory until it commits: so does a log that holds after a crash.
    db.execute("PRAGMA cache_spill = OFF")
    return db


def put(db, queue):
    db.execute("BEGIN IMMEDIATE")
    for line in sys.stdin:
        db.execute(f"INSERT INTO q_{queue} (payload) VALUES (?)", (line.rstrip("\n"),))
    db.execute("COMMIT")


def work(db, queue):
    db.execute("CREATE TABLE IF NOT EXISTS handled (payload TEXT, by TEXT)")
    (worker,) = db.execute(
        "INSERT INTO leat_workers (stage, pid) VALUES (?, ?) RETURNING id", (queue, os.getpid())
    ).fetchone()
    while True:
        claimed = claim(db, queue, worker, seconds=5)
        if claimed:
            handle(db, queue, worker, *claimed)
        elif is_finished(db, queue):
            break
        else:
            time.sleep(0.2)
    db.execute(
        "UPDATE leat_workers SET ended_at = (SELECT now FROM leat_now), ending = 'finished' WHERE id = ?", (worker,)
    )


def claim(db, queue, worker, seconds):
    db.execute("BEGIN IMMEDIATE")
    expires_at = int(time.time() * 1000) + seconds * 1000
    db.execute(f"INSERT INTO leat_claims_{queue} (worker, expires_at) VALUES (?, ?)", (worker, expires_at))
    claimed = db.execute(
        f"SELECT lease, item, payload, attempts FROM leat_claims_{queue} WHERE worker = ?", (worker,)
    ).fetchone()
    db.execute("COMMIT")
    return claimed


def handle(db, queue, worker, lease, item, payload, attempts):
    settle = f"INSERT INTO leat_settlements_{queue} (worker, lease, outcome, reason) VALUES (?, ?, ?, ?)"
    try:
        db.execute("BEGIN IMMEDIATE")
        if payload.endswith("3") and attempts == 0:
            db.execute(settle, (worker, lease, "failed", "a three, which is tried twice"))
        else:
            db.execute("INSERT INTO handled (payload, by) VALUES (?, 'python')", (payload,))
            db.execute(settle, (worker, lease, "done", None))
        db.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        if "leat: this lease is lost" not in str(error):
            raise
        print(f"item {item} came too late, and is another's: nothing was done", file=sys.stderr)


def is_finished(db, queue):
    (left, closed) = db.execute(
        "SELECT ready + waiting + leased, closed FROM leat_queue_status WHERE queue = ?", (queue,)
    ).fetchone()
    return closed and left == 0


if __name__ == "__main__":
    commands = {"put": put, "work": work}
    if len(sys.argv) != 4 or sys.argv[1] not in commands:
        sys.exit(__doc__)
    commands[sys.argv[1]](connect(sys.argv[2]), sys.argv[3])
