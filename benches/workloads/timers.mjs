// Timers: schedule and cancel at once while many others are pending, and what those cost. Delays are
// in an order that looks random.
//
//   node --expose-gc timers.mjs ioloop|node [pending]
import { performance } from 'node:perf_hooks';
import { IOLoop } from 'ioloop';

const RESIDENT = Number(process.argv[3] ?? 1_000_000);
const PAIRS = 500_000;
const ROUNDS = 7;
const callback = () => {};
const api = process.argv[2] === 'node' ? node() : ioloop();

// The heap's young generation grows to its full size first: that is not the timers' either.
for (let round = 0; round < 3; round += 1) Array.from({ length: RESIDENT }, () => ({ callback }));
const before = memory();
const begun = performance.now();
const resident = Array.from({ length: RESIDENT }, (_, index) =>
  api.schedule(600_000 + shuffled(index)),
);
const insertAll = ((performance.now() - begun) * 1e6) / RESIDENT;
// The array that keeps the handles is the benchmark's, not the timers'.
const bytes = (memory() - before) / RESIDENT - 8;

const rounds = [];
for (let round = 0; round < ROUNDS; round += 1) {
  const start = performance.now();
  for (let index = 0; index < PAIRS; index += 1) {
    api.cancel(api.schedule(1_000 + shuffled(index)));
  }
  rounds.push(((performance.now() - start) * 1e6) / PAIRS);
}
const start = performance.now();
for (const timer of resident) api.cancel(timer);
const cancelAll = ((performance.now() - start) * 1e6) / RESIDENT;
rounds.sort((a, b) => a - b);
const all = insertAll + cancelAll;
console.log(JSON.stringify({ all, atOnce: rounds[ROUNDS >> 1], bytes }));
process.exit();

function shuffled(index) {
  // 7919 is prime: a permutation of the first million numbers.
  return (index * 7919) % 1_000_000;
}

/** Delays are in milliseconds. */
function ioloop() {
  const loop = new IOLoop();
  return {
    schedule: (delay) => loop.callLater(delay / 1e3, callback),
    cancel: (timer) => loop.removeTimeout(timer),
  };
}

function node() {
  return {
    schedule: (delay) => setTimeout(callback, delay),
    cancel: (timer) => clearTimeout(timer),
  };
}

/** Resident memory, garbage not counted: what the core holds is outside of the JavaScript heap. */
function memory() {
  globalThis.gc();
  globalThis.gc();
  return process.memoryUsage.rss();
}
