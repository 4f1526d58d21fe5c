#!/usr/bin/env python3
"""Measures Leat, and the same by others, in one run on one file system: `make bench`.

    bench.py PROGRAMS [--parts NAME…] [--runs N] [--scale SHARE] [--folder PATH] [--json FILE] [--python PATH]

It prints each figure as the median of all runs with the least and the greatest, and beside it whether it reaches what is
aimed at. Nothing here is a test: machines differ, and so do minutes.
"""

import argparse
import json
import os
import platform
import shutil
import sys

import parts_processes
import parts_store
import report
from measuring import Bench

PARTS = {
    "path": parts_store.path,
    "pipeline": parts_processes.pipeline,
    "peers": parts_store.peers,
    "tasks": parts_store.tasks,
    "depth": parts_store.depth,
    "pickup": parts_processes.pickup,
    "fairness": parts_processes.fairness,
    "restart": parts_processes.restart,
    "memory": parts_processes.memory,
    "coder": parts_store.coder,
    "rows": parts_store.rows,
    "bytes": parts_store.bytes_an_item,
    "syncs": parts_store.syncs,
}


def machine(folder):
    """What the figures depend on, without naming the machine."""
    processor = next(
        (line.split(":", 1)[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine()) if os.path.exists("/proc/cpuinfo") else platform.machine()
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processors": os.cpu_count(),
        "processor": processor,
        "file system": report.file_system(folder),
    }


def main():
    parser = argparse.ArgumentParser(description="Measures Leat beside others.")
    parser.add_argument("programs", help="where the release build's programs are")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1, help="1: whole; less for a quick look")
    parser.add_argument("--folder", help="on the file system that is to be measured")
    parser.add_argument("--json", help="where the figures go")
    parser.add_argument("--python", default=sys.executable, help="one that has the peers")
    arguments = parser.parse_args()

    folder = arguments.folder or os.getcwd()
    bench = Bench(arguments.programs, arguments.python, arguments.runs, folder, arguments.scale)
    try:
        for name in arguments.parts or PARTS:
            PARTS[name](bench)
    finally:
        shutil.rmtree(bench.folder)
    result = {
        "machine": machine(folder), "runs": arguments.runs, "scale": arguments.scale, "rows": bench.rows}
    report.print_table(result)
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(result, file, indent=1, ensure_ascii=False)
            file.write("\n")


if __name__ == "__main__":
    main()
