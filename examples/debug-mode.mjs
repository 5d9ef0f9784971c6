// Debug mode finds four faults of this program. Run it with `node examples/debug-mode.mjs`; with
// `IOLOOP_DEBUG=0` nothing but the failure is reported, and that without its place.
import { IOLoop, IOStream, Socket } from 'ioloop';

const debug = process.env.IOLOOP_DEBUG !== '0';
const loop = new IOLoop({ debug });
const [near, far] = Socket.pair();
const stream = new IOStream(near, { loop });
const peer = new IOStream(far, { loop });

/** @param {string} line */
function parse(line) {
  // 1. A failure: where was this function handed to the loop?
  return JSON.parse(line);
}

function search() {
  // 2. Slow code: nothing else runs on the thread meanwhile.
  const end = performance.now() + 150;
  while (performance.now() < end);
}

await loop.runSync(async () => {
  loop.addCallback(parse, 'not JSON');
  loop.addCallback(search);
  await peer.write('a header, and the body');
  // 3. A read that nothing awaits: its bytes are lost. ("a header," has arrived.)
  await stream.peek(9);
  stream.readUntil(',');
  // 4. A write that nothing awaits, to a peer that is gone.
  peer.close();
  stream.write('an answer');
  await new Promise((resolve) => loop.callLater(0.05, () => resolve(null)));
});
stream.close();
loop.close();
