// A child of `npm run test:watchdog`: a loop that is busy all the time, and never blocked. Connections
// echo, callbacks compute for 5 to 10 ms back to back, timers fire, Node reads files and collects
// garbage. Ends with the number of reports.
//
//   node healthy.mjs seconds threshold
import { readFile } from 'node:fs/promises';
import { setInterval as hostInterval } from 'node:timers';
import { IOLoop, TCPClient, TCPServer } from '../../dist/index.js';

const [seconds = 0, threshold = 0] = process.argv.slice(2).map(Number);
const CONNECTIONS = 20;
/** Objects that stay alive, for the garbage collector. */
const HEAP = 200_000;

const loop = new IOLoop();
let reports = 0;
loop.setBlockingSignalThreshold(threshold, (report) => {
  reports += 1;
  console.log(`report ${JSON.stringify(report)}`);
});

const server = new TCPServer({
  loop,
  handleStream: async (stream) => {
    for await (const data of stream) await stream.write(data);
  },
});
server.listen(0, '127.0.0.1');

async function chat() {
  const stream = await new TCPClient().connect('127.0.0.1', server.port, { loop });
  const message = Buffer.alloc(512, 'x');
  while (loop.running) {
    await stream.write(message);
    await stream.readBytes(message.length);
  }
}

/** @type {object[]} */
const heap = [];
function compute() {
  const end = performance.now() + 5 + 5 * Math.random();
  while (performance.now() < end) {
    heap[Math.floor(HEAP * Math.random())] = { text: `${Math.random()}`, list: [1, 2, 3] };
  }
  loop.addCallback(compute);
}

const reading = hostInterval(() => void readFile(new URL(import.meta.url)), 20);
loop.addCallback(compute);
for (let timers = 0; timers < 100; timers += 1) {
  const again = () => loop.callLater(0.01 + Math.random(), again);
  again();
}
loop.addCallback(() => {
  for (let count = 0; count < CONNECTIONS; count += 1) void chat().catch(() => {});
});
loop.callLater(seconds, () => loop.stop());
await loop.start();
clearInterval(reading);
const { turns } = loop.metrics();
console.log(`result ${JSON.stringify({ reports, turns })}`);
process.exit(0);
