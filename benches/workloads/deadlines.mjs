// Deadlines in bulk: a million entries that are put off, and the memory of each. Prints a line of JSON.
//
//   deadlines.mjs [ioloop]             DeadlineQueue, by handles
//   deadlines.mjs set                  DeadlineSet, by keys
//   deadlines.mjs runtime              timeout.refresh() of the runtime
//   deadlines.mjs FILE                 the module of @isaacs/ttlcache
//
// Times are CPU time of the process. Bytes are beyond the reference to the value, and of keyed ones
// beyond a Map of the keys, which is measured alike.
import process from 'node:process';

const COUNT = 1_000_000;
const ROUNDS = 5;
const DURATION = 600;
const [whose = 'ioloop'] = process.argv.slice(2);
const keys = Array.from({ length: COUNT }, (_, index) => ({ index }));
// 7919 is prime: a permutation of the million.
const order = Int32Array.from(keys, (_, index) => (index * 7919) % COUNT);
const inOrder = order.map((_, index) => index);
// Written to now: memory of the benchmark.
const handles = new Float64Array(COUNT).fill(1);
/** @type {any[]} */
const timers = whose === 'runtime' ? Array.from({ length: COUNT }, () => null) : [];

const api = await apiOf(whose);
const before = memory();
const add = timed(() => {
  for (let index = 0; index < COUNT; index += 1) api.add(index);
});
const resident = (memory() - before) / COUNT - (api.reference ?? 0);
const map = api.isKeyed ? mapBytes() : 0;
const bytes = resident - map;
const touch = median(() => api.touchAll(inOrder));
const touchAnywhere = median(() => api.touchAll(order));
const remove = timed(() => {
  for (let index = 0; index < COUNT; index += 1) api.remove(order[index]);
});
console.log(JSON.stringify({ add, touch, touchAnywhere, remove, bytes, map }));
process.exit();

/** @param {string} name */
async function apiOf(name) {
  if (name === 'runtime') return runtime();
  if (name !== 'ioloop' && name !== 'set') return ttlCache(name);
  const { DeadlineQueue, DeadlineSet, IOLoop } = await import('ioloop');
  const loop = new IOLoop();
  if (name === 'set') {
    const set = new DeadlineSet(loop, { onExpire() {} });
    return {
      isKeyed: true,
      reference: 8,
      add: (index) => set.set(keys[index], DURATION),
      touchAll: (indices) => {
        for (const index of indices) set.touch(keys[index]);
      },
      remove: (index) => set.delete(keys[index]),
    };
  }
  const queue = new DeadlineQueue(loop, { onExpire() {} });
  return {
    reference: 8,
    add: (index) => (handles[index] = queue.add(keys[index], DURATION)),
    // In a loop of its own: a call of a closure costs as much as a touch.
    touchAll: (indices) => {
      for (const index of indices) queue.touch(handles[index]);
    },
    remove: (index) => queue.delete(handles[index]),
  };
}

function runtime() {
  const { setTimeout, clearTimeout } = globalThis;
  const callback = () => {};
  return {
    add: (index) => (timers[index] = setTimeout(callback, DURATION * 1e3)),
    touchAll: (indices) => {
      for (const index of indices) timers[index].refresh();
    },
    remove: (index) => clearTimeout(timers[index]),
  };
}

/** @param {string} file */
async function ttlCache(file) {
  const { TTLCache } = await import(file);
  const cache = new TTLCache({ ttl: DURATION * 1e3, max: 2 * COUNT });
  return {
    isKeyed: true,
    add: (index) => cache.set(keys[index], index),
    touchAll: (indices) => {
      for (const index of indices) cache.setTTL(keys[index], DURATION * 1e3);
    },
    remove: (index) => cache.delete(keys[index]),
  };
}

/** CPU nanoseconds of each entry. @param {() => void} pass */
function timed(pass) {
  const start = process.cpuUsage();
  pass();
  const { user, system } = process.cpuUsage(start);
  return ((user + system) * 1e3) / COUNT;
}

/** @param {() => void} pass */
function median(pass) {
  const rounds = Array.from({ length: ROUNDS }, () => timed(pass));
  return rounds.toSorted((a, b) => a - b)[ROUNDS >> 1];
}

/** Bytes of each entry of a Map of the keys. */
function mapBytes() {
  globalThis.gc?.();
  const { heapUsed } = process.memoryUsage();
  const index = new Map(keys.map((key, at) => [key, at]));
  globalThis.gc?.();
  return (process.memoryUsage().heapUsed - heapUsed) / index.size;
}

/** Resident memory without garbage. */
function memory() {
  const collect = globalThis.Bun ? () => globalThis.Bun.gc(true) : globalThis.gc;
  collect?.();
  collect?.();
  return process.memoryUsage.rss();
}
