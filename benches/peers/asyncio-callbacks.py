"""Callbacks of asyncio or uvloop: the same work as benches/workloads/callbacks.mjs.

    asyncio-callbacks.py asyncio|uvloop
"""

import asyncio
import json
import statistics
import sys
import time

BATCH = 200_000
CHAIN = 100_000
ROUNDS = 5


async def timed(begin, count):
    rounds = []
    for _ in range(ROUNDS):
        done = asyncio.Event()
        start = time.perf_counter_ns()
        begin(count, done)
        await done.wait()
        rounds.append((time.perf_counter_ns() - start) / count)
    return statistics.median(rounds)


def batch(count, done):
    loop = asyncio.get_running_loop()
    left = count

    def callback():
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    for _ in range(count):
        loop.call_soon(callback)


def chain(count, done):
    loop = asyncio.get_running_loop()
    left = count

    def callback():
        nonlocal left
        left -= 1
        if left == 0:
            done.set()
        else:
            loop.call_soon(callback)

    loop.call_soon(callback)


async def main():
    return {"batch": await timed(batch, BATCH), "chain": await timed(chain, CHAIN)}


if sys.argv[1] == "uvloop":
    import uvloop

    print(json.dumps(uvloop.run(main())))
else:
    print(json.dumps(asyncio.run(main())))
