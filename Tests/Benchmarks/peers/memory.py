#!/usr/bin/env python3
"""Three processes that pass items on by Python's `multiprocessing.Queue`, in memory: nothing survives.

    memory.py ITEMS CHUNK

CHUNK is how many items go at once; 1 is item by item. It prints the seconds from the first item's put to the last one's
arrival; the processes are there before.
"""

import multiprocessing
import sys
import time

PAYLOAD = "x" * 200


def produce(out, items, chunk, start):
    start.wait()
    if chunk == 1:
        for _ in range(items):
            out.put(PAYLOAD)
    else:
        # Texts of their own: of one that comes again in a chunk only a reference would be written.
        values = [f"{index:0200d}" for index in range(chunk)]
        for _ in range(items // chunk):
            out.put(values)
    out.put(None)


def transform(source, out):
    while (value := source.get()) is not None:
        out.put(value)
    out.put(None)


def consume(source, chunk, count):
    taken = 0
    while (value := source.get()) is not None:
        taken += 1 if chunk == 1 else len(value)
    count.put(taken)


def main():
    items, chunk = int(sys.argv[1]), int(sys.argv[2])
    context = multiprocessing.get_context("fork")
    first, second, count = context.Queue(), context.Queue(), context.Queue()
    start = context.Event()
    processes = [
        context.Process(target=produce, args=(first, items, chunk, start)),
        context.Process(target=transform, args=(first, second)),
        context.Process(target=consume, args=(second, chunk, count)),
    ]
    for process in processes:
        process.start()
    time.sleep(0.2)
    begin = time.perf_counter()
    start.set()
    taken = count.get()
    seconds = time.perf_counter() - begin
    for process in processes:
        process.join()
    if taken != items:
        sys.exit(f"{taken} of {items} items arrived")
    print("pipeline", seconds)


if __name__ == "__main__":
    main()
