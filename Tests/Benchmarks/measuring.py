"""Runs programs in turn, and keeps what they print: the same work by several, one after the other, several times over."""

import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEERS = Path(__file__).resolve().parent / "peers"


class Bench:
    """Where the programs are, and a folder for databases on the file system that is measured."""

    def __init__(self, programs, python, runs, folder, scale):
        self.programs = Path(programs)
        self.python = python
        self.runs = runs
        self.scale = scale
        self.folder = Path(tempfile.mkdtemp(prefix="leat-bench-", dir=folder))
        self.rows = []

    # What is measured.

    def items(self, count):
        """So many items, or fewer when the whole is to be short; whole thousands."""
        return max(1000, int(count * self.scale) // 1000 * 1000)

    def row(self, part, what, unit, values, target=None, note=None):
        """Keeps the figures of one measurement: for each contender those of all runs."""
        entry = {"part": part, "what": what, "unit": unit, "values": values, "targets": target or [], "note": note}
        self.rows.append(entry)
        print_row(entry)
        return entry

    def interleaved(self, contenders, runs=None):
        """Calls each contender in turn, so that a busy minute of the machine is everybody's."""
        values = {name: [] for name in contenders}
        for _ in range(runs or self.runs):
            for name, measure in contenders.items():
                values[name].append(measure())
        return values

    # How.

    def clear(self):
        for entry in self.folder.iterdir():
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        # What the disk has still to do for one that was measured is not the next one's.
        os.sync()

    def path(self, name):
        return str(self.folder / name)

    def program(self, name):
        return str(self.programs / name)

    def run(self, command, environment=None):
        """What a program prints: its lines' words."""
        whole = {**os.environ, **(environment or {})}
        done = subprocess.run(command, env=whole, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return [line.split() for line in done.stdout.splitlines() if line.strip()]

    def store(self, *words):
        return self.run([self.program("leat-bench-store"), *map(str, words)])

    def peer(self, *words):
        return self.run([self.python, str(PEERS / "queues.py"), *map(str, words)])

    def seconds(self, command, environment=None):
        """From the start of a program to its end."""
        begin = time.perf_counter()
        self.run(command, environment)
        return time.perf_counter() - begin


def value(lines, name):
    """The figure that a program has printed beside a word."""
    for words in lines:
        if words[0] == name:
            return float(words[1])
    raise SystemExit(f"nothing says '{name}': {lines}")


def median(values):
    return statistics.median(values)


def ratios(values, one, other):
    """Of medians, and the least and greatest of the runs."""
    each = [a / b for a, b in zip(values[one], values[other])]
    return median(values[one]) / median(values[other]), min(each), max(each)


def at_least(limit, one, other):
    """A target: of two contenders' medians."""
    return {"kind": "ratio", "of": one, "to": other, "at": "least", "limit": limit}


def at_most(limit, one, other=None):
    return {"kind": "ratio" if other else "value", "of": one, "to": other, "at": "most", "limit": limit}


def judge(entry, target):
    """What came out for a target, and whether it is met."""
    values = entry["values"]
    if target["kind"] == "ratio":
        result = ratios(values, target["of"], target["to"])
    else:
        found = values[target["of"]]
        result = median(found), min(found), max(found)
    met = result[0] >= target["limit"] if target["at"] == "least" else result[0] <= target["limit"]
    return result, met


def figure(number, unit):
    if unit == "items/s":
        return f"{number:,.0f}"
    if unit == "bytes" or unit == "":
        return f"{number:,.2f}".rstrip("0").rstrip(".")
    return f"{number:,.3g}" if number < 100 else f"{number:,.0f}"


def print_row(entry):
    print(f"\n{entry['part']}: {entry['what']}")
    for name, found in entry["values"].items():
        spread = f"({figure(min(found), entry['unit'])}–{figure(max(found), entry['unit'])})" if len(found) > 1 else ""
        print(f"  {name:<34} {figure(median(found), entry['unit']):>12} {entry['unit']} {spread}")
    for target in entry["targets"]:
        result, met = judge(entry, target)
        between = f"{target['of']} / {target['to']}" if target["to"] else target["of"]
        print(
            f"  {'✓' if met else '✗'} {between}: {result[0]:.3g} ({result[1]:.3g}–{result[2]:.3g}), "
            f"at {target['at']} {target['limit']}")
    if entry["note"]:
        print(f"  {entry['note']}")
    sys.stdout.flush()


def status(pid, name):
    """A figure of /proc/PID/status in kB, if the process is there."""
    try:
        found = re.search(rf"^{name}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text(), re.M)
    except OSError:
        return None
    return int(found.group(1)) if found else None
