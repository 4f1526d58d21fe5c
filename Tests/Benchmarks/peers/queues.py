#!/usr/bin/env python3
"""The peers on SQLite, each used as its documentation says: put, then claim and acknowledge.

    queues.py PEER DATABASE ITEMS BATCH SYNCHRONOUS [put]

SYNCHRONOUS is `default` (the peer's own), `normal` or `full`. It prints `synchronous LEVEL`, and `put` and `take` with
seconds. No peer claims more than one item at a time; BATCH is for what puts several (litequeue, in a transaction).
With `put` nothing is taken.
"""

import os
import sys
import time

PAYLOAD = "x" * 200
LEVELS = {"normal": 1, "full": 2}


class Litequeue:
    """https://github.com/litements/litequeue: put, pop, done."""

    def __init__(self, path, level):
        from litequeue import LiteQueue

        self.queue = LiteQueue(path)
        self.connection = self.queue.conn
        if level:
            self.connection.execute(f"PRAGMA synchronous = {level}")

    def put(self, items):
        for _ in range(items):
            self.queue.put(PAYLOAD)

    def put_batches(self, items, batch):
        for _ in range(items // batch):
            with self.queue.transaction():
                for _ in range(batch):
                    self.queue.put(PAYLOAD)

    def take(self, items):
        for _ in range(items):
            message = self.queue.pop()
            self.queue.done(message.message_id)


class PersistQueue:
    """https://github.com/peter-wangxu/persist-queue: SQLiteAckQueue's put, get, ack."""

    def __init__(self, path, level):
        from persistqueue import SQLiteAckQueue

        # A folder. The one connection is shared by threads, as its documentation has it.
        self.queue = SQLiteAckQueue(path, auto_commit=True, multithreading=True)
        self.connection = self.queue._putter
        if level:
            self.connection.execute(f"PRAGMA synchronous = {level}")

    def put(self, items):
        for _ in range(items):
            self.queue.put(PAYLOAD)

    def take(self, items):
        for _ in range(items):
            self.queue.ack(self.queue.get(block=False))


class Huey:
    """https://github.com/coleifer/huey: SqliteStorage's enqueue and dequeue, which has no acknowledgement: it deletes."""

    def __init__(self, path, level):
        from huey import SqliteHuey

        self.storage = SqliteHuey(filename=path).storage
        self.connection = self.storage.conn
        if level:
            self.connection.execute(f"PRAGMA synchronous = {level}")

    def put(self, items):
        payload = PAYLOAD.encode()
        for _ in range(items):
            self.storage.enqueue(payload)

    def take(self, items):
        for _ in range(items):
            assert self.storage.dequeue() is not None


PEERS = {"litequeue": Litequeue, "persist-queue": PersistQueue, "huey": Huey}


def main():
    name, path, items, batch, synchronous, *phases = sys.argv[1:]
    items, batch = int(items), int(batch)
    peer = PEERS[name](path, LEVELS.get(synchronous))
    print("synchronous", peer.connection.execute("PRAGMA synchronous").fetchone()[0])
    begin = time.perf_counter()
    if batch == 1:
        peer.put(items)
    elif hasattr(peer, "put_batches"):
        peer.put_batches(items, batch)
    else:
        sys.exit(f"{name} puts one item at a time")
    print("put", time.perf_counter() - begin)
    if "put" not in phases:
        begin = time.perf_counter()
        peer.take(items)
        print("take", time.perf_counter() - begin)
    sys.stdout.flush()
    # The end of the program is not part of it.
    os._exit(0)


if __name__ == "__main__":
    main()
