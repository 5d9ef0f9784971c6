// Memory of an idle TLS connection on a server: `node --expose-gc idle-tls.mjs [connections]`. Prints
// JSON: resident and heap bytes of each. The clients are in a process of their own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';

const own = fileURLToPath(import.meta.url);
const [connections = '3000'] = process.argv.slice(2);

/** Connections before the first measurement. */
const FIRST = 200;
const AT_ONCE = 20;

if (process.send === undefined) await serve(Number(connections));
else process.on('message', connectMore);

/** @param {number} total */
async function serve(total) {
  const { IOLoop, TCPServer } = await import('ioloop');
  const server = new TCPServer({
    tls: { cert: fixture('server.pem'), key: fixture('server.key') },
    // A read waits, as in most servers.
    handleStream: (stream) => stream.readBytes(1),
  });
  server.listen(0, '127.0.0.1', { backlog: 1024 });
  IOLoop.current().start();
  const clients = fork(own, { execArgv: [] });
  const open = async (count) => {
    clients.send({ port: server.port, count });
    await once(clients, 'message');
    await sleep(1000);
    globalThis.gc();
    return process.memoryUsage();
  };
  const before = await open(FIRST);
  const after = await open(total - FIRST);
  const each = (name) => Math.round((after[name] - before[name]) / (total - FIRST));
  console.log(JSON.stringify({ connections: total, rss: each('rss'), heapUsed: each('heapUsed') }));
  clients.kill();
  process.exit();
}

/** @param {{ port: number, count: number }} order */
async function connectMore({ port, count }) {
  const options = { port, host: '127.0.0.1', servername: 'localhost', ca: fixture('ca.pem') };
  for (let made = 0; made < count; made += AT_ONCE) {
    const batch = Array.from({ length: Math.min(AT_ONCE, count - made) }, () =>
      once(connect(options), 'secureConnect'),
    );
    await Promise.all(batch);
  }
  process.send?.('done');
}

/** @param {string} name */
function fixture(name) {
  return readFileSync(new URL(`../../__test__/fixtures/${name}`, import.meta.url));
}
