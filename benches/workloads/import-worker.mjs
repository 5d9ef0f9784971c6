/* oxlint-disable unicorn/require-post-message-target-origin -- ports have no origin */
// The time of importing the package in a worker. Prints a line of JSON.
import { performance } from 'node:perf_hooks';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';

if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  worker.once('message', (milliseconds) => console.log(JSON.stringify({ milliseconds })));
} else {
  const start = performance.now();
  await import('ioloop');
  parentPort.postMessage(performance.now() - start);
}
