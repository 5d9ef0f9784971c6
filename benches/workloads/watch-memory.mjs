// Memory of the watch of the main thread: `node --expose-gc watch-memory.mjs`. Prints a line of JSON: the
// resident megabytes of the process without it, and those that the inspector's worker adds.
import { setTimeout as sleep } from 'node:timers/promises';
import { IOLoop } from 'ioloop';

/** Milliseconds in which the worker starts, and its heap comes to rest. */
const REST = 2000;

const loop = IOLoop.current();
const running = loop.start();
const before = await resident();
loop.setBlockingLogThreshold(60);
const after = await resident();
loop.stop();
await running;
console.log(JSON.stringify({ before, watch: after - before }));

async function resident() {
  await sleep(REST);
  globalThis.gc();
  return process.memoryUsage.rss() / 1e6;
}
