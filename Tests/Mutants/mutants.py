#!/usr/bin/env python3
"""Breaks what Leat promises, one rule at a time, and tells which tests notice.

Usage: mutants.py [NAME…]        all of them, or those that are named; --list names them

Each mutant is the working tree with a few lines changed, in a copy of its own (.build-mutants), built, and held against
a suite of those that `make test` runs. One that survives means that a test is blind; the exit status is then 1.
Lines that are not found any more mean that the mutant has to follow the code: exit status 2, before anything is built.
"""

import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / ".build-mutants" / "tree"
BUILD = ROOT / ".build-mutants" / "build"
TIMED_OUT = "ended after 900 s"
SQL = "Sources/LeatSQLite/Transaction/"

# What every store must do, each demand a sentence.
STORES = "LeatSQLiteTests.ConformanceTests/inFile"


class Mutant:
    def __init__(self, name, invariant, breaks, edits, tests):
        self.name, self.invariant, self.breaks, self.edits, self.tests = name, invariant, breaks, edits, tests


MUTANTS = [
    # The hot SQL.
    Mutant(
        "no-lease-check", 2, "an acknowledgement is taken whoever holds the lease",
        [(SQL + "Transaction+Committing.swift",
          "        guard let held else {\n            throw LeatError(\n                .leaseLost,\n                \"Lease \\(lease) on",
          "        guard let held else {\n            if lease.rawValue > 0 {\n"
          "                return HeldLease(\n"
          "                    id: lease, queue: queue, lo: nil, hi: nil, items: 0, taken: 0, suspect: 0, claims: 0, worker: worker)\n"
          "            }\n"
          "            throw LeatError(\n                .leaseLost,\n                \"Lease \\(lease) on")],
        STORES),
    Mutant(
        "acknowledge-outside", 1, "outputs are put in a transaction, and their inputs acknowledged in the next",
        [("Sources/LeatSQLite/SQLiteStore+Store.swift",
          "            try await write(countingAsWork: true, sharing: .allowed, surviving: durability(of: step.stage)) {\n"
          "                try $0.commit(step, next: next)\n",
          "            let outputs = step.outputs\n"
          "            try await write { try $0.put(outputs, from: $0.stage(step.stage)) }\n"
          "            var rest = step\n"
          "            rest.outputs = []\n"
          "            let step = rest\n"
          "            return try await write(countingAsWork: true, sharing: .allowed, surviving: durability(of: step.stage)) {\n"
          "                try $0.commit(step, next: next)\n")],
        STORES),
    Mutant(
        "attempts-at-failure", 3, "only a failure that is told counts as an attempt, a death does not",
        [(SQL + "Transaction+Workers.swift",
          "            values.attempts += 1\n            settled.failures = 1\n", "            settled.failures = 1\n")],
        STORES),
    Mutant(
        "insert-after-close", 5, "a closed queue takes more items",
        [(SQL + "Transaction+Completion.swift",
          "BEFORE INSERT ON q_\\(queue)\n", "BEFORE INSERT ON q_\\(queue) WHEN NEW.id = 0\n")],
        STORES),
    Mutant(
        "complete-before-last", 5, "a stage is complete while its last batch is still in a worker's hands",
        [(SQL + "Transaction+Completion.swift",
          "            AND NOT EXISTS (SELECT 1 FROM leat_leases WHERE queue = ?1)\n", "")],
        STORES),
    # Other invariants, one each.
    Mutant(
        "cursor-first", 1, "a producer's cursor is saved before the items that it follows",
        [("Sources/LeatSQLite/SQLiteStore+Store.swift",
          "    public func emit(_ emission: Emission) async throws -> QueueName? {\n"
          "        try await countingRefusals",
          "    public func emit(_ emission: Emission) async throws -> QueueName? {\n"
          "        let cursor = Emission(emission.hold, outputs: [], cursor: emission.cursor, isLast: false)\n"
          "        try await write { try $0.emit(cursor) }\n"
          "        return try await countingRefusals")],
        STORES),
    Mutant(
        "innocent-charged", 3, "an item that was alone in its batch is charged with a death without suspicion",
        [(SQL + "Transaction+Committing.swift",
          "{ suspect > 0 && taken == 1 }", "{ taken == 1 }")],
        STORES),
    Mutant(
        "closed-by-one", 5, "a queue closes when the first of its producers has ended",
        [(SQL + "Transaction+Completion.swift",
          "WHERE e.queue = q.name AND NOT EXISTS (\n", "WHERE e.queue = q.name AND p.stage = 'none' AND NOT EXISTS (\n")],
        STORES),
    Mutant(
        "unproved", 6, "what is done is not counted apart from its rows",
        [(SQL + "Transaction+Committing.swift",
          "            acknowledged = acknowledged + ?2, failures = failures + ?3, crashes = 0, kills = 0,\n            settled = settled + ?2,",
          "            failures = failures + ?3, crashes = 0, kills = 0,\n            settled = settled + ?2,")],
        STORES),
    Mutant(
        "leases-run-out", 8, "a transaction that lasted longer than a heartbeat gives its time to nobody",
        [(SQL + "Transaction.swift", "        guard wasLong else { return }\n", "        guard wasLong, began < 0 else { return }\n")],
        "LeatSQLiteTests.InvariantTests"),
    Mutant(
        "stock-checkpoint", 10, "the log is checkpointed without a commit of one's own first",
        [("Sources/LeatSQLite/Checkpointer.swift",
          "        try database.execute(\n            sql: \"UPDATE leat_checkpoint SET begun_at = ?, count = count + 1\", arguments: [time.wallClock])\n",
          "")],
        "FaultTests.Faults/LogResets"),
]


def fail(status, sentence):
    print(sentence, file=sys.stderr)
    sys.exit(status)


def edited(mutant):
    """What each of its files would hold, or an end to everything: lines that are gone prove nothing."""
    texts = {}
    for path, old, new in mutant.edits:
        text = texts.get(path) or (ROOT / path).read_text()
        if text.count(old) != 1:
            fail(2, f"Mutant '{mutant.name}' was to change a place of {path} that is there {text.count(old)} times: "
                    "follow the code in Tests/Mutants/mutants.py.")
        texts[path] = text.replace(old, new)
    return texts


def copy_tree():
    """Files that are the same keep their times, so that only what a mutant changes is built again."""
    names = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    names = [name for name in names if (ROOT / name).is_file() or (ROOT / name).is_symlink()]
    for old in COPY.rglob("*"):
        if old.is_file() and str(old.relative_to(COPY)) not in names and old.name != "Package.resolved":
            old.unlink()
    for name in names:
        if (ROOT / name).is_symlink():
            (COPY / name).parent.mkdir(parents=True, exist_ok=True)
            (COPY / name).unlink(missing_ok=True)
            (COPY / name).symlink_to((ROOT / name).readlink())
            continue
        put(name, (ROOT / name).read_bytes())
        shutil.copymode(ROOT / name, COPY / name)


def put(name, content):
    target = COPY / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_bytes() != content:
        target.write_bytes(content)


def run(*command, seconds=None):
    """Runs to the end, or kills it with all that it has started."""
    process = subprocess.Popen(
        command, cwd=COPY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
        start_new_session=True)
    try:
        output = process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output = process.communicate()[0] + f"\n{TIMED_OUT}"
    return subprocess.CompletedProcess(command, process.returncode, output)


def build():
    return run("swift", "build", "--build-tests", "--scratch-path", str(BUILD))


def test(filter):
    """A mutant may well hang a test that has no limit of its own."""
    return run("swift", "test", "--skip-build", "--scratch-path", str(BUILD), "--filter", filter, seconds=900)


def failed(output):
    """The tests that failed, by the names that they show."""
    demands = re.findall(r"recorded an issue with \d+ arguments? \w+ → (.+?) at \w+\.swift", output)
    names = re.findall(r'✘ Test "?(.+?)"? failed after', output)
    return list(dict.fromkeys(demands + names))


def main():
    arguments = sys.argv[1:]
    if arguments == ["--list"]:
        for mutant in MUTANTS:
            print(f"{mutant.name:22} invariant {mutant.invariant:2}  {mutant.breaks}")
        return
    unknown = set(arguments) - {mutant.name for mutant in MUTANTS}
    if unknown:
        fail(2, f"There is no mutant {', '.join(sorted(unknown))}; --list names those that there are.")
    mutants = [mutant for mutant in MUTANTS if not arguments or mutant.name in arguments]
    changes = {mutant.name: edited(mutant) for mutant in mutants}

    copy_tree()
    result = build()
    if result.returncode != 0:
        fail(2, f"What is to be changed does not build:\n{result.stdout[-4000:]}")
    # A test that fails anyway would catch everything.
    for tests in sorted({mutant.tests for mutant in mutants}):
        result = test(tests)
        if result.returncode != 0:
            fail(2, f"The tests fail without any change: {failed(result.stdout)}\n{result.stdout[-2000:]}")

    rows = []
    for mutant in mutants:
        began = time.monotonic()
        for path, text in changes[mutant.name].items():
            put(path, text.encode())
        result = build()
        if result.returncode != 0:
            fail(2, f"Mutant '{mutant.name}' does not build:\n{result.stdout[-4000:]}")
        result = test(mutant.tests)
        caught = failed(result.stdout)
        for path in changes[mutant.name]:
            put(path, (ROOT / path).read_bytes())
        # Another end of the command says nothing of the tests.
        ended = next((word for word in (TIMED_OUT, "unexpected signal") if word in result.stdout), None)
        if result.returncode != 0 and not caught and not ended:
            fail(2, f"The tests of mutant '{mutant.name}' did not run:\n{result.stdout[-4000:]}")
        if result.returncode == 0:
            told = "SURVIVED"
        else:
            told = f"caught by {len(caught)}: {caught[0]}" if caught else f"caught: {ended}"
        rows.append((mutant, result.returncode != 0))
        print(f"{mutant.name:22} invariant {mutant.invariant:2}  {mutant.breaks}\n    {told} "
              f"({time.monotonic() - began:.0f} s)", flush=True)
    survived = [mutant.name for mutant, is_caught in rows if not is_caught]
    print(f"\n{len(rows) - len(survived)} of {len(rows)} caught")
    if survived:
        fail(1, f"No test notices: {', '.join(survived)}")


main()
