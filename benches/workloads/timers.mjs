// Timers of ioloop or of the current runtime. Prints a line of JSON.
//
//   timers.mjs ioloop|runtime pending COUNT random|equal|far   schedule, cancel, move, beside many
//   timers.mjs ioloop|runtime fire COUNT                       all fire within 50 ms
import { performance } from 'node:perf_hooks';
import process from 'node:process';

const PAIRS = 100_000;
const ROUNDS = 5;
const WARM_UPS = 2;
const SPAN = 50;
const [whose, what, number, deadlines] = process.argv.slice(2);
const COUNT = Number(number);
const callback = () => {};
const api = whose === 'ioloop' ? await ioloop() : runtime();

const result = what === 'fire' ? await fire() : pending(delaysOf(deadlines));
console.log(JSON.stringify(result));
process.exit();

/** Delays are in milliseconds. @param {(index: number) => number} delay */
function pending(delay) {
  // Grow the young generation to its full size first, since it is not memory of the timers.
  for (let round = 0; round < 3; round += 1) Array.from({ length: COUNT }, () => ({ callback }));
  const before = memory();
  const begun = performance.now();
  const resident = Array.from({ length: COUNT }, (_, index) =>
    api.schedule(600_000 + delay(index)),
  );
  const insertAll = ((performance.now() - begun) * 1e6) / COUNT;
  // Without the array of handles, which belongs to the benchmark.
  const bytes = (memory() - before) / COUNT - 8;
  const atOnce = time((index) => api.cancel(api.schedule(1_000 + delay(index))));
  // A timeout that is put off, as by each message of a connection.
  const move = time((index) => {
    const at = index % COUNT;
    resident[at] = api.move(resident[at], 700_000 + delay(index));
  });
  const start = performance.now();
  for (const timer of resident) api.cancel(timer);
  const cancelAll = ((performance.now() - start) * 1e6) / COUNT;
  return { all: insertAll + cancelAll, atOnce, move, bytes };
}

/** Median nanoseconds of a step. @param {(index: number) => void} step */
function time(step) {
  const rounds = Array.from({ length: ROUNDS }, () => {
    const start = performance.now();
    for (let index = 0; index < PAIRS; index += 1) step(index);
    return ((performance.now() - start) * 1e6) / PAIRS;
  });
  return rounds.toSorted((a, b) => a - b)[ROUNDS >> 1];
}

/** In rounds: the code is compiled by the last. */
async function fire() {
  api.start?.();
  for (let round = 0; round < WARM_UPS; round += 1) {
    await counted(COUNT / 2);
    await timed(COUNT / 4);
  }
  return { cpu: await counted(COUNT), ...(await timed(COUNT)) };
}

/** CPU microseconds per timer, with an empty callback. */
async function counted(count) {
  let left = count;
  let isDone = () => {};
  const done = new Promise((resolve) => (isDone = () => resolve(null)));
  const onTime = () => {
    left -= 1;
    if (left === 0) isDone();
  };
  scheduleAll(count, (delay) => api.scheduleCall(delay, onTime));
  const before = process.cpuUsage();
  await done;
  const { user, system } = process.cpuUsage(before);
  return (user + system) / count;
}

/** The lateness of each timer in milliseconds: each callback reads the clock. */
async function timed(count) {
  const late = new Float64Array(count);
  let fired = 0;
  let isDone = () => {};
  const done = new Promise((resolve) => (isDone = () => resolve(null)));
  const onTime = (deadline) => {
    late[fired] = performance.now() - deadline;
    fired += 1;
    if (fired === count) isDone();
  };
  scheduleAll(count, (delay, deadline) => api.scheduleWith(delay, onTime, deadline));
  await done;
  late.sort();
  const at = (part) => late[Math.min(count - 1, Math.floor(count * part))];
  return { late50: at(0.5), late99: at(0.99), early: Math.max(0, -late[0]) };
}

/** Far enough that all timers exist and the garbage is collected when the first is due. */
function scheduleAll(count, schedule) {
  const delay = delaysOf('random');
  const first = performance.now() + 100 + count / 250;
  for (let index = 0; index < count; index += 1) {
    const deadline = first + (delay(index) * SPAN) / 1e6;
    schedule(deadline - performance.now(), deadline);
  }
  globalThis.gc?.();
}

/** @param {string} kind @returns {(index: number) => number} Below a million. */
function delaysOf(kind) {
  // 7919 is prime: a permutation of the first million numbers.
  if (kind === 'random') return (index) => (index * 7919) % 1_000_000;
  if (kind === 'equal') return () => 1_000;
  // Days. No runtime supports more than 24.8.
  return (index) => 86_400_000 + ((index * 7919) % 1_000_000) * 1_000;
}

async function ioloop() {
  const { IOLoop } = await import('ioloop');
  const loop = new IOLoop();
  return {
    schedule: (delay) => loop.callLater(delay / 1e3, callback),
    scheduleCall: (delay, work) => loop.callLater(delay / 1e3, work),
    scheduleWith: (delay, work, argument) => loop.callLater(delay / 1e3, work, argument),
    cancel: (timer) => loop.removeTimeout(timer),
    move: (timer) => {
      timer.refresh();
      return timer;
    },
    start: () => void loop.start(),
  };
}

function runtime() {
  const { setTimeout, clearTimeout } = globalThis;
  return {
    schedule: (delay) => setTimeout(callback, delay),
    scheduleCall: (delay, work) => setTimeout(work, delay),
    scheduleWith: (delay, work, argument) => setTimeout(work, delay, argument),
    cancel: (timer) => clearTimeout(timer),
    // Node and Bun have refresh(), which keeps the delay.
    move: (timer, delay) => {
      if (timer.refresh) return timer.refresh();
      clearTimeout(timer);
      return setTimeout(callback, delay);
    },
  };
}

/** Resident memory without garbage. Includes the core's memory, which is outside of the JavaScript heap. */
function memory() {
  const collect = globalThis.Bun ? () => globalThis.Bun.gc(true) : globalThis.gc;
  collect?.();
  collect?.();
  return process.memoryUsage.rss();
}
