// A fixed amount of work of a loop, for the counts of `npm run bench:observe`:
//
//   node observed.mjs empty|<connections> off|histograms|watchdog|all <warm-up> <window> <windows>
//
// `empty` is turns of one callback. A number is an echo server with as many connections, and rounds. A
// round is a message of every connection, with a timeout that is cancelled and a callback. The server
// then blocks until standard input has an "x", which means that all messages of the next round are
// there: each run has the same turns.
//
// The warm-up and each window are so many turns or rounds. After each the program prints "end" and blocks
// until standard input has a "p", then prints its turns until now and blocks again: what is counted
// from one to the other is the turns and nothing else.
import { readSync } from 'node:fs';
import { IOLoop, TCPServer } from 'ioloop';

const [workload = 'empty', mode = 'off', ...amounts] = process.argv.slice(2);
const [warmUp = 0, window = 0, windows = 0] = amounts.map(Number);
const loop = IOLoop.current();
if (mode === 'histograms' || mode === 'all') loop.enableHistograms();
if (mode === 'watchdog' || mode === 'all') loop.setBlockingLogThreshold(3600);

const byte = new Uint8Array(1);
/** The bytes that were read and not yet waited for. */
const unused = { x: 0, p: 0 };

/** Blocks until standard input has had another such byte. @param {'x' | 'p'} kind */
function blockFor(kind) {
  while (unused[kind] === 0) {
    // The benchmark has ended.
    if (readSync(0, byte) === 0) process.exit(1);
    unused[byte[0] === 0x78 ? 'x' : 'p'] += 1;
  }
  unused[kind] -= 1;
}

/** At which the next pause is, in turns or rounds. */
let next = warmUp;

/** So many turns or rounds are done. @param {number} done */
function pass(done) {
  if (done < next) return;
  next += window;
  console.log('"end"');
  blockFor('p');
  console.log(JSON.stringify({ turns: loop.metrics().turns }));
  blockFor('p');
  if (done === warmUp + window * windows) loop.stop();
}

let turns = 0;
function empty() {
  pass((turns += 1));
  loop.addCallback(empty);
}

/** @param {number} connections */
function echo(connections) {
  let messages = 0;
  const answered = () => {
    messages += 1;
    if (messages % connections !== 0) return;
    pass(messages / connections);
    blockFor('x');
  };
  const server = new TCPServer({
    handleStream: async (stream) => {
      stream.setNodelay(true);
      for await (const chunk of stream) {
        const timeout = loop.callLater(30, () => stream.close());
        loop.addCallback(answered);
        void stream.write(chunk);
        loop.removeTimeout(timeout);
      }
    },
  });
  server.listen(0, '127.0.0.1');
  console.log(JSON.stringify({ port: server.port }));
}

if (workload === 'empty') loop.addCallback(empty);
else echo(Number(workload));
await loop.start();
process.exit();
