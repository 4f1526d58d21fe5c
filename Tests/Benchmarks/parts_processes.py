"""What several processes do: the pipeline, waiting, contention, restart, memory."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from measuring import ROOT, at_least, at_most, median, status, value

MODES = {"full": 2, "normal": 1}


def pipeline(bench):
    """Three processes: put, transform, consume."""
    items = bench.items(600_000)
    memory = str(Path(__file__).parent / "peers" / "memory.py")
    for mode, times in [("full", 1.5), ("normal", 2)]:
        def leat(batch, payload="text"):
            bench.clear()
            environment = {
                "LEAT_BENCH_ITEMS": str(items), "LEAT_BENCH_BATCH": str(batch), "LEAT_BENCH_SYNCHRONOUS": mode,
                "LEAT_BENCH_PAYLOAD": payload}
            program = bench.program("leat-bench-throughput")
            return items / bench.seconds([program, "run", "--quiet", "--db", bench.path("leat.db")], environment)

        def raw(batch):
            bench.clear()
            bench.store("prepare", bench.path("raw.db"), "--synchronous", mode)
            lines = bench.run(
                [bench.program("leat-bench-pipeline"), bench.path("raw.db"), str(items), str(batch), str(MODES[mode])])
            return items / value(lines, "pipeline")

        def python(chunk, count):
            return count / value(bench.run([bench.python, memory, str(count), str(chunk)]), "pipeline")

        contenders = {f"Leat, batches of {n:,}": (lambda n=n: leat(n)) for n in [100, 500, 1000]}
        contenders |= {f"C, batches of {n:,}": (lambda n=n: raw(n)) for n in [100, 500, 1000]}
        contenders |= {
            "Python, in memory, one by one": lambda: python(1, bench.items(200_000)),
            "Python, in memory, chunks of 100": lambda: python(100, bench.items(1_000_000)),
            "Leat, JSON, batches of 1,000": lambda: leat(1000, "json"),
            "Leat, own coder, batches of 1,000": lambda: leat(1000, "own"),
        }
        bench.row(
            "pipeline", f"three processes, 200 bytes of text, from start to end, {mode.upper()}", "items/s",
            bench.interleaved(contenders),
            [at_least(times, "Leat, batches of 1,000", "Python, in memory, one by one")]
            + [at_least(0.85, f"Leat, batches of {n}", f"C, batches of {n}") for n in ["100", "500", "1,000"]])


def pickup(bench):
    """How soon an item that was put is with a process that waits."""
    wake = bench.program("leat-bench-wake")
    for waiters in [1, 16]:
        found = {"p50": [], "p99": []}
        idle = []
        for _ in range(bench.runs):
            bench.clear()
            takers = [subprocess.Popen([wake, "take", bench.path("wake.db")]) for _ in range(waiters)]
            time.sleep(2)
            before = ticks(takers)
            time.sleep(5)
            spent = (ticks(takers) - before) / os.sysconf("SC_CLK_TCK") / 5 / waiters
            idle.append(100 * spent)
            (words,) = bench.run([wake, "put", bench.path("wake.db"), "300"])
            found["p50"].append(float(words[words.index("p50") + 1]))
            found["p99"].append(float(words[words.index("p99") + 1]))
            for taker in takers:
                taker.wait()
        bench.row(
            "pickup", f"from the commit of a put to the item in hand, {waiters} waiting", "µs", found,
            [at_most(500, "p50"), at_most(5000, "p99")])
        bench.row(
            "pickup", f"a worker that waits, {waiters} of them", "% of a processor", {"idle": idle},
            [at_most(0.2, "idle")])
    if shutil.which("strace"):
        write_locks(bench, wake)


def write_locks(bench, wake):
    """How often 16 that wait take SQLite's write lock for each item (byte 120 of the -shm: https://sqlite.org/walformat.html)."""
    bench.clear()
    takers = []
    for number in range(16):
        takers.append(subprocess.Popen(
            ["strace", "-f", "-e", "trace=fcntl", "-o", bench.path(f"trace.{number}"), wake, "take",
             bench.path("wake.db")], stderr=subprocess.DEVNULL))
    time.sleep(6)
    sizes = [(bench.folder / f"trace.{number}").stat().st_size for number in range(16)]
    bench.run([wake, "put", bench.path("wake.db"), "200"])
    for taker in takers:
        taker.wait()
    locks = 0
    for number, size in enumerate(sizes):
        with open(bench.folder / f"trace.{number}", errors="replace") as trace:
            trace.seek(size)
            locks += sum("F_WRLCK" in line and "l_start=120" in line and "= 0" in line for line in trace)
    bench.row(
        "pickup", "write locks that 16 who wait take for an item (acknowledging it is one)", "", {"locks": [locks / 200]},
        [at_most(3, "locks")])


def ticks(processes):
    total = 0
    for process in processes:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total


def fairness(bench):
    """Processes that write at the same time, one item a transaction, every commit synced."""
    contenders = {
        "16 that put": ["put"] * 16, "one that puts, four that take": ["put"] + ["take"] * 4,
        # Without an aim: where one file ends.
        "one that puts": ["put"], "4 that put": ["put"] * 4, "64 that put": ["put"] * 64}
    aimed = list(contenders)[:2]
    for name, roles in contenders.items():
        longest, share, rate = [], [], []
        for _ in range(bench.runs):
            bench.clear()
            bench.store("queued", bench.path("leat.db"), "--items", 10, "--batch", 10)
            processes = [
                subprocess.Popen(
                    [bench.program("leat-bench-store"), "contend", bench.path("leat.db"), role, "--seconds", "5"],
                    stdout=subprocess.PIPE, text=True)
                for role in roles]
            results = [process.communicate()[0].split() for process in processes]
            longest.append(max(float(words[4]) for words in results))
            rate.append(sum(int(words[2]) for words in results) / 5)
            equals = [int(words[2]) for words in results if words[0] == roles[-1]]
            share.append(min(equals) / (sum(equals) / len(equals)))
        bench.row(
            "fairness", f"{name}, FULL: the longest wait", "s", {"longest": longest},
            [at_most(0.25, "longest")] if name in aimed else [])
        bench.row(
            "fairness", f"{name}, FULL: of its even share, who got least", "", {"share": share},
            [{"kind": "value", "of": "share", "to": None, "at": "least", "limit": 0.5}] if name in aimed else [])
        bench.row("fairness", f"{name}, FULL: all together", "items/s", {"items": rate})


def restart(bench):
    """From the start of a process to its first items, when all others were killed."""
    for what, items, lease in [
        ("ready", 1_000_000, 0), ("in flight, 1,000 a lease", 1_000_000, 1000),
        ("in flight, 100 a lease", 1_000_000, 100), ("in flight, one a lease", 100_000, 1),
    ]:
        items = bench.items(items)
        found = []
        for _ in range(bench.runs):
            bench.clear()
            flight = subprocess.Popen(
                [bench.program("leat-bench-store"), "flight", bench.path("leat.db"), "--items", str(items), "--lease",
                 str(lease)], stdout=subprocess.PIPE, text=True)
            flight.stdout.readline()
            flight.send_signal(signal.SIGKILL)
            flight.wait()
            found.append(bench.seconds([bench.program("leat-bench-store"), "first", bench.path("leat.db")]))
        bench.row("restart", f"first claim, {items:,} items {what}", "s", {"first claim": found}, [at_most(0.5, "first claim")])


def memory(bench):
    """The resident memory of workers, at the beginning and at the end of a long run."""
    items = bench.items(10_000_000)
    bench.clear()
    environment = {
        **os.environ, "LEAT_BENCH_ITEMS": str(items), "LEAT_BENCH_BATCH": "1000", "LEAT_BENCH_SYNCHRONOUS": "normal"}
    run = subprocess.Popen(
        [bench.program("leat-bench-throughput"), "run", "--quiet", "--db", bench.path("leat.db")], env=environment)
    samples = {}
    while run.poll() is None:
        time.sleep(0.5)
        for pid in children(run.pid):
            stage = command(pid)
            resident, own = status(pid, "VmRSS"), status(pid, "RssAnon")
            if stage and resident and own:
                samples.setdefault(stage, []).append((resident / 1024, own / 1024))
    if run.returncode != 0:
        raise SystemExit(f"the run ended with {run.returncode}")
    for stage, found in samples.items():
        tenth = max(1, len(found) // 10)
        early, late = found[tenth:2 * tenth] or found, found[-tenth - 1:-1] or found
        values = {
            "resident, all": [max(all for all, _ in found)],
            "of that its own, not files": [max(own for _, own in found)],
            "growth of its own, from a tenth of the run to its end": [
                median([own for _, own in late]) - median([own for _, own in early])],
        }
        bench.row(
            "memory", f"worker of stage {stage}, {items:,} items in batches of 1,000", "MB", values,
            [at_most(30, "resident, all")])


def children(pid):
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()] or descendants(pid)
    except OSError:
        return []


def descendants(pid):
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "stat").read_text().rsplit(")", 1)[1].split()[1] == str(pid):
                    found.append(int(entry.name))
            except OSError:
                pass
    return found


def command(pid):
    """The stage of a worker, by its command line."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return None
    return words[2].decode() if len(words) > 2 and words[1] == b"worker" else None
