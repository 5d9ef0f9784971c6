// The server of `npm run test:workers`: an echo server on two workers, ordered about by its parent.
//
//   node server.mjs '{ "runtime": …, "balance": … }'      over a channel of child_process.fork()
//
// A line is echoed. `wait` is answered when the worker is to end; `exit` and `throw` end it.
import { defineWorker, serveWorkers, taskId, TCPServer } from 'ioloop';

export default defineWorker(({ listen, signal }) => {
  listen(new TCPServer({ handleStream: (stream) => echo(stream, signal), maxConnections: 20_000 }));
});

/** @param {import('ioloop').IOStream} stream @param {AbortSignal} signal */
async function echo(stream, signal) {
  // A connection that was accepted gets its first answer; afterwards it may be ended while it is idle.
  let line = String(await stream.readUntil('\n'));
  for (;;) {
    if (line === 'exit\n') process.exit(9);
    if (line === 'throw\n') return setImmediate(fail);
    if (line === 'wait\n') await aborted(signal);
    await stream.write(line);
    if (signal.aborted) return stream.end();
    line = await stream.readUntil('\n', { signal }).then(String);
  }
}

function fail() {
  throw new Error('thrown on request');
}

/** @param {AbortSignal} signal */
function aborted(signal) {
  if (signal.aborted) return null;
  return new Promise((resolve) => {
    signal.addEventListener('abort', resolve, { once: true });
  });
}

async function main() {
  const options = JSON.parse(process.argv[2] ?? '{}');
  const listen = { port: 0, address: '127.0.0.1', backlog: 4096 };
  const group = serveWorkers(import.meta.url, { workers: 2, listen, drain: 30, ...options });
  let exits = 0;
  group.on('exit', () => {
    exits += 1;
  });
  process.on('message', async (/** @type {any} */ order) => {
    if (order.kill !== undefined) group.kill(order.kill);
    if (order.restart === true) await group.restart();
    const loads = (await group.metrics()).map(({ connections }) => connections);
    const ready = group.workers.filter(({ state }) => state === 'ready').length;
    process.send?.({ loads, ready, exits });
  });
  // The group keeps the process alive, and its end ends it.
  process.channel?.unref();
  await group.ready;
  process.send?.({ port: group.port });
}

if (taskId() === null) await main();
