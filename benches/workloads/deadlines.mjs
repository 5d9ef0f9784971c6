// Deadlines in bulk: a million entries that are put off, and the memory of each. Prints a line of JSON.
//
//   deadlines.mjs [ioloop]             DeadlineQueue, by handles
//   deadlines.mjs set                  DeadlineSet, by keys
//   deadlines.mjs runtime              timeout.refresh() of the runtime
//   deadlines.mjs keyed                the same, of a timeout that a Map has by its key
//   deadlines.mjs FILE                 the module of @isaacs/ttlcache
//
// Times are CPU time of the process. Bytes are beyond the reference to the value, and of keyed ones
// beyond a Map of the keys, which is measured alike. `lookUp` is a bare Map.get of the same keys in the
// same process: the part of a touch by key that no set of this kind saves.
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
const keyed = api.isKeyed ? mapOfKeys() : null;
const bytes = resident - (keyed?.bytes ?? 0);
const touch = median(() => api.touchAll(inOrder));
const touchAnywhere = median(() => api.touchAll(order));
const lookUp = keyed === null ? 0 : median(() => lookUpAll(keyed.index, inOrder));
const lookUpAnywhere = keyed === null ? 0 : median(() => lookUpAll(keyed.index, order));
const remove = timed(() => {
  for (let index = 0; index < COUNT; index += 1) api.remove(order[index]);
});
const found = { add, touch, touchAnywhere, lookUp, lookUpAnywhere, remove, bytes };
console.log(JSON.stringify({ ...found, map: keyed?.bytes ?? 0 }));
process.exit();

/** @param {string} name */
async function apiOf(name) {
  if (name === 'runtime') return runtime();
  if (name === 'keyed') return runtimeByKeys();
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

function runtimeByKeys() {
  const { setTimeout, clearTimeout } = globalThis;
  const callback = () => {};
  const timeouts = new Map();
  return {
    isKeyed: true,
    add: (index) => timeouts.set(keys[index], setTimeout(callback, DURATION * 1e3)),
    touchAll: (indices) => {
      for (const index of indices) timeouts.get(keys[index])?.refresh();
    },
    remove: (index) => {
      clearTimeout(timeouts.get(keys[index]));
      timeouts.delete(keys[index]);
    },
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

/** A Map of the keys, and the bytes of each of its entries. */
function mapOfKeys() {
  globalThis.gc?.();
  const { heapUsed } = process.memoryUsage();
  const index = new Map(keys.map((key, at) => [key, at]));
  globalThis.gc?.();
  return { index, bytes: (process.memoryUsage().heapUsed - heapUsed) / index.size };
}

/** @param {Map<object, number>} index @param {Int32Array} indices */
function lookUpAll(index, indices) {
  let sum = 0;
  for (const at of indices) sum += index.get(keys[at]) ?? 0;
  if (sum !== (COUNT * (COUNT - 1)) / 2) throw new Error('a key is missing');
}

/** Resident memory without garbage. */
function memory() {
  const collect = globalThis.Bun ? () => globalThis.Bun.gc(true) : globalThis.gc;
  collect?.();
  collect?.();
  return process.memoryUsage.rss();
}
