"""What one process does: steps, peers, group commit, depth, payloads, bytes, syncs."""

import os
import shutil
import subprocess
import time

from measuring import at_least, at_most, value

MODES = {"full": 2, "normal": 1}


def path(bench):
    """Leat's steps in one process against C that asks the same of SQLite."""
    for mode, level in MODES.items():
        for kind, batch, count in [("life", 100, 200_000), ("life", 1000, 500_000), ("hop", 100, 200_000)]:
            items = bench.items(count)
            bench.clear()
            bench.store("prepare", "--synchronous", mode, bench.path("base.db"))

            def fresh():
                for suffix in ["", "-wal", "-shm"]:
                    base, run = bench.folder / f"base.db{suffix}", bench.folder / f"run.db{suffix}"
                    run.unlink(missing_ok=True)
                    if base.exists() and suffix != "-shm":
                        shutil.copyfile(base, run)
                return bench.path("run.db")

            arguments = ["--batch", batch, "--items", items, "--synchronous", mode]
            bench.store(kind, fresh(), *arguments, "--record", bench.path("record"))
            phases = ["put", "take"] if kind == "life" else ["hop"]
            found = {phase: {"C": [], "Leat, synchronous": [], "Leat, asynchronous": []} for phase in phases}
            for _ in range(bench.runs):
                lines = bench.run(
                    [bench.program("leat-bench-replay"), fresh(), bench.path("record"), str(level)])
                times = dict(zip(["put", "take" if kind == "life" else "hop"], [float(words[0]) for words in lines]))
                for phase in phases:
                    found[phase]["C"].append(items / times[phase])
                for name, way in [("Leat, synchronous", "sync"), ("Leat, asynchronous", "async")]:
                    lines = bench.store(kind, fresh(), *arguments, "--path", way)
                    for phase in phases:
                        found[phase][name].append(items / value(lines, phase))
            words = {"put": "put", "take": "claim and acknowledge", "hop": "acknowledge and insert as many"}
            for phase in phases:
                bench.row(
                    "path", f"{words[phase]}, batches of {batch}, {mode.upper()}", "items/s", found[phase],
                    [at_least(0.8, "Leat, synchronous", "C"), at_least(0.6, "Leat, asynchronous", "C")])


PEER_NAMES = ["litequeue", "persist-queue", "huey"]


def peers(bench):
    """Queues on SQLite from PyPI, at their defaults and at the same durability as Leat."""
    items = 3000
    for mode in ["full", "normal"]:
        found = {"put": {}, "take": {}}

        def measure(name, run):
            bench.clear()
            lines = run()
            for phase in found:
                found[phase].setdefault(name, []).append(items / value(lines, phase))

        for _ in range(bench.runs):
            measure("Leat", lambda: bench.store(
                "queued", bench.path("leat.db"), "--items", items, "--batch", 1, "--synchronous", mode))
            for peer in PEER_NAMES:
                measure(peer, lambda: bench.peer(peer, bench.path("peer"), items, 1, mode))
                if mode == "full":
                    measure(f"{peer}, its default", lambda: bench.peer(peer, bench.path("peer"), items, 1, "default"))
        best = lambda phase, names: max(names, key=lambda name: sorted(found[phase][name])[bench.runs // 2])
        bench.row(
            "peers", f"put one by one, {items:,} items, {mode.upper()}", "items/s", found["put"],
            [at_least(1, "Leat", best("put", PEER_NAMES))])
        # huey has no acknowledgement: an item that was taken is gone, done or not.
        bench.row(
            "peers", f"claim and acknowledge one by one, {items:,} items, {mode.upper()}", "items/s", found["take"],
            [at_least(2, "Leat", best("take", ["litequeue", "persist-queue"]))],
            "huey's is a deletion alone: it has nothing to acknowledge, and what is lost with a process stays lost")
        single = max(found["take"][best("take", ["litequeue", "persist-queue"])])

        for batch in [100, 1000]:
            count = bench.items(100_000)
            found = {"put": {}, "take": {}}
            for _ in range(bench.runs):
                bench.clear()
                lines = bench.store(
                    "queued", bench.path("leat.db"), "--items", count, "--batch", batch, "--synchronous", mode)
                for phase in found:
                    found[phase].setdefault("Leat", []).append(count / value(lines, phase))
                bench.clear()
                lines = bench.peer("litequeue", bench.path("peer"), count, batch, mode, "put")
                found["put"].setdefault("litequeue", []).append(count / value(lines, "put"))
            bench.row(
                "peers", f"put in batches of {batch}, {mode.upper()}", "items/s", found["put"],
                [at_least(4, "Leat", "litequeue")])
            # No peer claims more than one; it is the fastest of all runs that counts.
            found["take"]["the best peer, one by one"] = [single] * bench.runs
            bench.row(
                "peers", f"claim and acknowledge in batches of {batch}, {mode.upper()}", "items/s", found["take"],
                [at_least(20, "Leat", "the best peer, one by one")])


def tasks(bench):
    """Tasks of one process that each put one item at a time."""
    items = bench.items(8000)
    for mode, limit in [("full", 5), ("normal", None)]:
        def measure(count):
            bench.clear()
            lines = bench.store(
                "tasks", bench.path("leat.db"), "--items", items, "--tasks", count, "--synchronous", mode)
            return items / value(lines, "put")

        values = bench.interleaved({f"{n} task{'s' * (n > 1)}": lambda n=n: measure(n) for n in [1, 8, 32]})
        bench.row(
            "tasks", f"put by several tasks of a process, {mode.upper()}", "items/s", values,
            [at_least(limit, "8 tasks", "1 task")] if limit else [])


def depth(bench):
    """What a claim costs with many items ready or done; and the commands of a person who looks."""
    items = bench.items(10_000_000)
    found = {}
    status, version = [], []
    for _ in range(bench.runs):
        bench.clear()
        for state, step, large, small in bench.store("depth", bench.folder, "--items", items):
            pair = found.setdefault((state, step), {f"{items:,}": [], "1,000": []})
            pair[f"{items:,}"].append(float(large))
            pair["1,000"].append(float(small))
        leat = bench.program("leat")
        for _ in range(3):
            status.append(1000 * bench.seconds([leat, "status", bench.path("large.db")]))
            version.append(1000 * bench.seconds([leat, "--version"]))
    for (state, step), values in found.items():
        bench.row(
            "depth", f"{step} 100 of items that are ready, beside so many that are {state}", "µs", values,
            [at_most(1.2, f"{items:,}", "1,000")] if step == "claim" else [])
    bench.row(
        "depth", "commands, from start to end", "ms",
        {f"leat status on {items:,} items": status, "leat --version": version},
        [at_most(100, f"leat status on {items:,} items"), at_most(15, "leat --version")])


def coder(bench):
    """Payloads without a queue."""
    found = {}
    for _ in range(bench.runs):
        for name, _, encode, _, decode in bench.run([bench.program("leat-bench-store"), "coder"]):
            found.setdefault("encode", {}).setdefault(name, []).append(float(encode))
            found.setdefault("decode", {}).setdefault(name, []).append(float(decode))
    words = {
        "text": "String", "bytes": "[UInt8]", "json": "Codable, as JSON", "own": "the same, PayloadConvertible"}
    for step, values in found.items():
        bench.row(
            "coder", f"{step} a value of about 200 bytes", "ns", {words[name]: each for name, each in values.items()})


def rows(bench):
    """What a row costs, by how many of them a statement inserts."""
    def measure(count, table):
        bench.clear()
        return value(bench.run([bench.program("leat-bench-rows"), bench.path("rows.db"), str(count), table]), "row")

    contenders = {f"{n} a statement": lambda n=n: measure(n, "queue") for n in [1, 10, 25, 50]}
    contenders |= {
        f"{n} a statement, without AUTOINCREMENT and the index": lambda n=n: measure(n, "plain") for n in [1, 25]}
    bench.row("rows", "insert a row of 200 bytes, in C, NORMAL", "ns", bench.interleaved(contenders))


def syncs(bench):
    """What the sync of 8 KB takes that make a file longer, and of 8 KB that are written over others."""
    count, block = 1000, bytes(8192)

    def measure(file):
        os.lseek(file, 0, os.SEEK_SET)
        begin = time.perf_counter()
        for _ in range(count):
            os.write(file, block)
            # Darwin has no fdatasync.
            getattr(os, "fdatasync", os.fsync)(file)
        return (time.perf_counter() - begin) / count * 1e6

    found = {"behind its end": [], "over what is there": []}
    for _ in range(bench.runs):
        bench.clear()
        file = os.open(bench.path("synced"), os.O_RDWR | os.O_CREAT, 0o600)
        for each in found.values():
            each.append(measure(file))
        os.close(file)
    bench.row("syncs", "8 KB written to a file and synced", "µs", found)


def bytes_an_item(bench):
    """What an item takes on disk, of which column and index, and what is written for it."""
    items = bench.items(200_000)
    for batch in [1, 100, 1000]:
        count = items if batch > 1 else min(items, 5000)
        written, size = [], []
        for _ in range(bench.runs):
            bench.clear()
            lines = bench.store("queued", bench.path("leat.db"), "--items", count, "--batch", batch)
            written.append(value(lines, "written") / count)
            subprocess.run(
                ["sqlite3", bench.path("leat.db"), "PRAGMA wal_checkpoint(TRUNCATE)"], check=True, capture_output=True)
            size.append((bench.folder / "leat.db").stat().st_size / count)
        bench.row(
            "bytes", f"an item's life (put, claim, acknowledge), batches of {batch}, 200 bytes of payload", "bytes",
            {"written, to log and database": written, "on disk afterwards": size})
    query = """
        SELECT name, 1.0 * sum(pgsize) / (SELECT count(*) FROM q_own), 1.0 * sum(unused) / (SELECT count(*) FROM q_own)
        FROM dbstat WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name IN ('q_own', 'qs_own'))
        GROUP BY name ORDER BY 2 DESC;
    """
    found = subprocess.run(
        ["sqlite3", "-separator", " ", bench.path("leat.db"), query], capture_output=True, text=True)
    if found.returncode == 0:
        lines = [line.split() for line in found.stdout.splitlines()]
        bench.row("bytes", "on disk, of each table and index", "bytes", {name: [float(size)] for name, size, _ in lines})
    integer = lambda name: (
        f"avg(CASE WHEN {name} IS NULL OR {name} IN (0, 1) THEN 0 WHEN abs({name}) < 128 THEN 1"
        f" WHEN abs({name}) < 32768 THEN 2 WHEN abs({name}) < 8388608 THEN 3 WHEN abs({name}) < 2147483648 THEN 4"
        f" WHEN abs({name}) < 140737488355328 THEN 6 ELSE 8 END)")
    columns = {
        "payload": "avg(length(CAST(payload AS BLOB)))",
        "created_at": integer("created_at"),
        "parent": integer("parent"),
        **{name: f"avg(coalesce(length(CAST({name} AS BLOB)), 0))" for name in ["key", "origin", "group_id", "headers"]},
    }
    found = subprocess.run(
        ["sqlite3", "-separator", " ", bench.path("leat.db"), f"SELECT {', '.join(columns.values())} FROM q_own"],
        check=True, capture_output=True, text=True)
    bench.row(
        "bytes", "of each column (each takes a byte of the row's header besides, a payload two)", "bytes",
        {name: [float(size)] for name, size in zip(columns, found.stdout.split())})
