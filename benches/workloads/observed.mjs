// A fixed amount of work of a loop, for the counts of `npm run bench:observe`:
//
//   node observed.mjs empty|<connections> off|histograms|watchdog|all <warm-up> <amount>
//
// `empty` is so many turns of one callback. A number is an echo server with as many connections and
// so many rounds. A round is a message of every connection, with a timeout that is cancelled and a
// callback. The server then blocks until standard input has a byte, which means that all messages
// of the next round are there: each run has the same turns.
//
// After the warm-up the program prints its turns, and blocks until standard input has a byte more: the
// counts begin there.
import { readSync } from 'node:fs';
import { IOLoop, TCPServer } from 'ioloop';

const [workload = 'empty', mode = 'off', ...amounts] = process.argv.slice(2);
const [warmUp = 0, amount = 0] = amounts.map(Number);
const loop = IOLoop.current();
if (mode === 'histograms' || mode === 'all') loop.enableHistograms();
if (mode === 'watchdog' || mode === 'all') loop.setBlockingLogThreshold(3600);

const byte = new Uint8Array(1);

/** So many turns or rounds are done. @param {number} done */
function pass(done) {
  if (done === warmUp + amount) loop.stop();
  if (done !== warmUp) return;
  console.log(JSON.stringify({ warm: loop.metrics().turns }));
  readSync(0, byte);
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
    readSync(0, byte);
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
console.log(JSON.stringify({ turns: loop.metrics().turns }));
process.exit();
