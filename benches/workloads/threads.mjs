// Calls between two threads: an ioloop and its remote, or a MessagePort. The main thread is called by
// a worker, which measures. Prints a line of JSON: microseconds a round trip, posts a second, and the
// microseconds of CPU (of both threads) for each.
//
//   threads.mjs ioloop|port [divisor]
/* oxlint-disable unicorn/require-post-message-target-origin -- ports have no origin */
import { once } from 'node:events';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { isMainThread, MessageChannel, parentPort, Worker, workerData } from 'node:worker_threads';

const [, , peer, divisor = '1'] = process.argv;
const ROUND_TRIPS = 20_000 / Number(divisor);
const WINDOW = 64;
/** The call of a port that returns the number of posts. */
const COUNT = 'count';
/** Posts after which a sender asks for the count. Two batches wait at most. */
const BATCH = 16_384;
const POSTS = 1_000_000 / Number(divisor);
/** What is posted, by the value that it gives. */
const PAYLOADS = {
  number: (index) => index,
  string: () => 'a message of 24 letters.',
  object: (index) => ({ id: index, name: 'message', tags: ['a', 'b'], at: { x: 1, y: 2.5 } }),
};

if (isMainThread) await main();
else await work();

async function main() {
  const { data, transferList = [], run } = await { ioloop: ownLoop, port: ownPort }[peer]();
  const worker = new Worker(new URL(import.meta.url), {
    argv: process.argv.slice(2),
    workerData: data,
    transferList,
  });
  const [[result]] = await Promise.all([once(worker, 'message'), run()]);
  console.log(JSON.stringify(result));
}

/** The owner of a loop. */
async function ownLoop() {
  const { IOLoop } = await import('ioloop');
  const loop = new IOLoop();
  let count = 0;
  loop.expose({ echo: (value) => value, post: () => void (count += 1), count: () => count });
  return { data: loop.remote(), run: () => loop.start() };
}

/** The owner of a port. */
async function ownPort() {
  const { port1, port2 } = new MessageChannel();
  let count = 0;
  port1.on('message', (message) => {
    if (!Array.isArray(message)) {
      count += 1;
      return;
    }
    const [id, value] = message;
    port1.postMessage([id, value === COUNT ? count : value]);
  });
  return { data: port2, transferList: [port2], run: () => once(port1, 'close') };
}

async function work() {
  const api = await { ioloop: remote, port }[peer]();
  const result = {};
  // Until both sides run compiled code.
  await roundTrips(api, ROUND_TRIPS, 1);
  const one = await timed(() => roundTrips(api, ROUND_TRIPS, 1), ROUND_TRIPS);
  const many = await timed(() => roundTrips(api, ROUND_TRIPS, WINDOW), ROUND_TRIPS);
  result.trip = one.us;
  result.tripCpu = one.cpu;
  result.trips = many.us;
  result.tripsCpu = many.cpu;
  for (const [name, payload] of Object.entries(PAYLOADS)) {
    await posts(api, POSTS / 10, payload);
    const { us, cpu } = await timed(() => posts(api, POSTS, payload), POSTS);
    result[name] = 1e6 / us;
    result[`${name}Cpu`] = cpu;
  }
  api.end(result);
}

/** Microseconds, and microseconds of CPU, for each of `count`. */
async function timed(action, count) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await action();
  const us = ((performance.now() - start) * 1e3) / count;
  const { user, system } = process.cpuUsage(cpu);
  return { us, cpu: (user + system) / count };
}

async function roundTrips({ call }, count, window) {
  let left = count;
  const lane = async () => {
    while (left > 0) {
      left -= 1;
      await call(left);
    }
  };
  await Promise.all(Array.from({ length: window }, lane));
}

async function posts({ post, counted }, count, payload) {
  const before = await counted();
  let last = before;
  for (let index = 0; index < count; index += 1) {
    // A sender that does not look after its receiver fills the memory, or the inbox.
    if (index % BATCH === 0) {
      const next = counted();
      await last;
      last = next;
    }
    post(payload(index));
  }
  const after = await counted();
  if (after - before !== count) throw new Error(`${after - before} of ${count} posts arrived`);
}

async function remote() {
  const { IOLoop } = await import('ioloop');
  const loop = IOLoop.fromRemote(workerData);
  return {
    call: (value) => loop.call('echo', value),
    post(value) {
      try {
        loop.addCallback('post', value);
        return true;
      } catch (error) {
        if (error.code !== 'ERR_IOLOOP_INBOX_FULL') throw error;
        return false;
      }
    },
    async counted() {
      for (;;) {
        try {
          return await loop.call('count');
        } catch (error) {
          if (error.code !== 'ERR_IOLOOP_INBOX_FULL') throw error;
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
      }
    },
    end(result) {
      loop.stop();
      parentPort.postMessage(result);
    },
  };
}

async function port() {
  const waiting = new Map();
  let last = 0;
  workerData.on('message', ([id, value]) => {
    waiting.get(id)(value);
    waiting.delete(id);
  });
  const call = (value) =>
    new Promise((resolve) => {
      last += 1;
      waiting.set(last, resolve);
      workerData.postMessage([last, value]);
    });
  return {
    call,
    post(value) {
      workerData.postMessage(value);
      return true;
    },
    counted: () => call(COUNT),
    end(result) {
      parentPort.postMessage(result);
      workerData.close();
    },
  };
}
