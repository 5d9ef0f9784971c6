// A fixed amount of work of a loop, for the counts of `npm run bench:observe`:
//
//   node observed.mjs empty|<connections> off|histograms|watchdog|all <amount>
//
// `empty` is so many turns of one callback. A number is an echo server with as many connections and
// so many rounds. A round is a message of every connection, with a timeout that is cancelled and a
// callback. The server then blocks until standard input has a byte, which means that all messages
// of the next round are there: each run has the same turns.
import { readSync } from 'node:fs';
import { IOLoop, TCPServer } from 'ioloop';

const [workload = 'empty', mode = 'off', amount = '1000'] = process.argv.slice(2);
const loop = IOLoop.current();
if (mode === 'histograms' || mode === 'all') loop.enableHistograms();
if (mode === 'watchdog' || mode === 'all') loop.setBlockingLogThreshold(3600);

/** @param {number} left */
function empty(left) {
  if (left === 0) loop.stop();
  else loop.addCallback(empty, left - 1);
}

/** @param {number} connections @param {number} rounds */
function echo(connections, rounds) {
  const byte = new Uint8Array(1);
  let messages = 0;
  const answered = () => {
    messages += 1;
    if (messages === connections * rounds) loop.stop();
    else if (messages % connections === 0) readSync(0, byte);
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

if (workload === 'empty') loop.addCallback(empty, Number(amount));
else echo(Number(workload), Number(amount));
await loop.start();
console.log(JSON.stringify({ turns: loop.metrics().turns }));
process.exit();
