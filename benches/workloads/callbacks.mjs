// Callbacks: a batch is queued and run; and a chain, each queued by the one before.
//
//   node callbacks.mjs ioloop|node
import { performance } from 'node:perf_hooks';
import { IOLoop } from 'ioloop';

const BATCH = 200_000;
const CHAIN = 100_000;
const ROUNDS = 9;
const api = process.argv[2] === 'node' ? node() : ioloop();

const result = { batch: await time(batch, BATCH), chain: await time(chain, CHAIN) };
console.log(JSON.stringify(result));

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

function chain(count, done) {
  let left = count;
  const callback = () => {
    left -= 1;
    if (left === 0) done();
    else api.add(callback);
  };
  api.add(callback);
}

function ioloop() {
  const loop = new IOLoop();
  return {
    add: (callback) => loop.addCallback(callback),
    run: (round) => {
      round(() => loop.stop());
      return loop.start();
    },
  };
}

function node() {
  return {
    add: (callback) => setImmediate(callback),
    run: (round) => new Promise((resolve) => round(resolve)),
  };
}
