// Callbacks of ioloop, of the runtime (setImmediate), or of a plain array: a batch is queued and
// run; and a chain, each queued by the one before. Prints nanoseconds for each as a line of JSON.
//
//   callbacks.mjs ioloop|runtime|array
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { performance } from 'node:perf_hooks';
import process from 'node:process';

/** The minimum with the guarantees of a callback: its context, and callbacks that it adds run later. */
class PlainQueue {
  queue = [];

  add(callback, a, b) {
    if (this.queue.length === 0) setImmediate(() => this.drain());
    this.queue.push({ callback, a, b, resource: new AsyncResource('Callback') });
  }

  drain() {
    const { queue } = this;
    this.queue = [];
    for (const { callback, a, b, resource } of queue)
      resource.runInAsyncScope(callback, null, a, b);
  }

  run(round) {
    return new Promise((resolve) => round(resolve));
  }
}

const BATCH = 200_000;
const CHAIN = 50_000;
const ROUNDS = 9;
const api = await { ioloop, runtime, array: () => new PlainQueue() }[process.argv[2]]();

// The storage comes last: once one exists, contexts are tracked.
const result = {
  batch: await time(batch, BATCH),
  chain: await time(chain, CHAIN),
  args: await time(batchWithArguments, BATCH),
  storage: await new AsyncLocalStorage().run({}, () => time(batch, BATCH)),
};
console.log(JSON.stringify(result));
setImmediate(() => process.exit());

/** Median nanoseconds for each callback. */
async function time(round, count) {
  const rounds = [];
  for (let index = 0; index < ROUNDS; index += 1) {
    const start = performance.now();
    await api.run((done) => round(count, done));
    rounds.push(((performance.now() - start) * 1e6) / count);
  }
  rounds.sort((a, b) => a - b);
  return rounds[ROUNDS >> 1];
}

function batch(count, done) {
  let left = count;
  const callback = () => {
    left -= 1;
    if (left === 0) done();
  };
  for (let index = 0; index < count; index += 1) api.add(callback);
}

function batchWithArguments(count, done) {
  let sum = 0;
  const callback = (index, step) => {
    sum += step;
    if (sum === count && index === count - 1) done();
  };
  for (let index = 0; index < count; index += 1) api.add(callback, index, 1);
}

function chain(count, done) {
  let left = count;
  const callback = () => {
    left -= 1;
    if (left === 0) done();
    else api.add(callback);
  };
  api.add(callback);
}

async function ioloop() {
  const { IOLoop } = await import('ioloop');
  const loop = new IOLoop();
  return {
    add: (callback, a, b) =>
      a === undefined ? loop.addCallback(callback) : loop.addCallback(callback, a, b),
    run: (round) => {
      round(() => loop.stop());
      return loop.start();
    },
  };
}

function runtime() {
  return {
    add: (callback, a, b) =>
      a === undefined ? setImmediate(callback) : setImmediate(callback, a, b),
    run: (round) => new Promise((resolve) => round(resolve)),
  };
}
