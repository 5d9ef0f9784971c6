"""Timers of asyncio or uvloop: the same work as benches/workloads/timers.mjs.

    asyncio-timers.py asyncio|uvloop pending COUNT DEADLINES
    asyncio-timers.py asyncio|uvloop fire COUNT
"""

import asyncio
import gc
import json
import statistics
import sys
import time

PAIRS = 50_000
ROUNDS = 5
SPAN = 0.05
NAME, WHAT, COUNT = sys.argv[1], sys.argv[2], int(sys.argv[3])


def callback():
    pass


def delay(index):
    """In seconds, below 1,000."""
    return index * 7919 % 1_000_000 / 1e3


def resident_memory():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


async def pending():
    loop = asyncio.get_running_loop()
    before = resident_memory()
    start = time.perf_counter_ns()
    resident = [loop.call_later(600 + delay(index), callback) for index in range(COUNT)]
    insert_all = (time.perf_counter_ns() - start) / COUNT
    size = (resident_memory() - before) / COUNT - 8
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        for index in range(PAIRS):
            loop.call_later(1 + delay(index), callback).cancel()
        rounds.append((time.perf_counter_ns() - start) / PAIRS)
    start = time.perf_counter_ns()
    for timer in resident:
        timer.cancel()
    cancel_all = (time.perf_counter_ns() - start) / COUNT
    return {"all": insert_all + cancel_all, "atOnce": statistics.median(rounds), "bytes": size}


async def fire():
    return {"cpu": await counted(), **await timed()}


async def counted():
    """CPU microseconds for each timer; the callback does nothing that would cost its own."""
    left = COUNT
    done = asyncio.Event()

    def on_time():
        nonlocal left
        left -= 1
        if left == 0:
            done.set()

    schedule_all(lambda loop, delay, deadline: loop.call_later(delay, on_time))
    before = time.process_time_ns()
    await done.wait()
    return (time.process_time_ns() - before) / 1e3 / COUNT


async def timed():
    """How late they are, in milliseconds."""
    loop = asyncio.get_running_loop()
    late = []
    done = asyncio.Event()

    def on_time(deadline):
        late.append(loop.time() - deadline)
        if len(late) == COUNT:
            done.set()

    schedule_all(lambda loop, delay, deadline: loop.call_later(delay, on_time, deadline))
    await done.wait()
    late.sort()
    at = lambda part: late[int(COUNT * part)] * 1e3
    return {"late50": at(0.5), "late99": at(0.99), "early": max(0, -late[0] * 1e3)}


def schedule_all(schedule):
    loop = asyncio.get_running_loop()
    first = loop.time() + 3
    for index in range(COUNT):
        deadline = first + delay(index) / 1e3 * SPAN
        schedule(loop, deadline - loop.time(), deadline)


main = fire if WHAT == "fire" else pending
if NAME == "uvloop":
    import uvloop

    print(json.dumps(uvloop.run(main())))
else:
    print(json.dumps(asyncio.run(main())))
