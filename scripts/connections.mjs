// `npm run test:connections [--quick]`: connections of a protocol that come and go, 100,000 or 10,000 of
// them: ended by the client, ended by the server, closed, reset, reset with unread bytes, turned into
// streams, and while descriptors run out. Afterwards each was closed once, and no descriptor, no
// connection and no memory is left. Prints a table; exit code 1 on a failure.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { IOLoop, IOStream, Socket, TCPServer } from 'ioloop';

const isQuick = process.argv.includes('--quick');
const CYCLES = isQuick ? 10_000 : 100_000;
/** Connections at a time. */
const WIDTH = 64;
/** Descriptors of the process in which they run out. */
const FEW = 120;
/** Bytes in use that may be left: compiled code, buffers that are kept. 40 bytes for each connection. */
const MOST_GROWTH = 4 * 1024 * 1024;

const loop = IOLoop.current();
let failed = false;

/** How the n-th connection goes on: the client's part. */
const ENDS = [
  'client ends',
  'server ends',
  'client closes',
  'reset',
  'reset unread',
  'to a stream',
];

/** @param {string} name @param {boolean} isGood @param {string} shown */
function row(name, isGood, shown) {
  failed ||= !isGood;
  console.log(`${isGood ? 'ok  ' : 'FAIL'}  ${name.padEnd(44)} ${shown}`);
}

/** Not resident: V8 keeps the pages of a busy heap. */
function used() {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

const descriptors = () => readdirSync('/proc/self/fd').length;

/** Counts of the functions of a protocol, and the protocol. */
function counting() {
  const counts = { open: 0, close: 0, twice: 0, streams: 0, errors: 0 };
  /** @type {import('ioloop').Protocol<{ isClosed: boolean }>} */
  const protocol = {
    state: () => ({ isClosed: false }),
    open: () => void (counts.open += 1),
    data(c, chunk) {
      if (chunk[0] === 0x65) c.end();
      else if (chunk[0] === 0x73) {
        counts.streams += 1;
        const stream = c.toStream();
        void stream.write(chunk).then(() => stream.end());
      } else c.write(chunk);
    },
    close(c, error) {
      if (c.state.isClosed) counts.twice += 1;
      c.state.isClosed = true;
      counts.close += 1;
      if (error !== null) counts.errors += 1;
    },
  };
  return { counts, protocol };
}

/** One connection, in one of the ways. @param {number} port @param {number} n */
async function cycle(port, n) {
  const how = ENDS[n % ENDS.length];
  const stream = new IOStream(Socket.tcp());
  try {
    await stream.connect({ host: '127.0.0.1', port });
    if (how === 'server ends') await stream.write('end');
    else if (how === 'to a stream') await stream.write('s');
    else await stream.write('x');
    if (how === 'server ends') await stream.readUntilClose();
    else if (how !== 'reset unread') await stream.readBytes(1);
    if (how.startsWith('reset')) stream.socket?.setOption('linger', 0);
    if (how === 'client ends') await stream.end();
  } finally {
    stream.close();
  }
}

/** @param {number} port @param {number} count */
async function cycles(port, count) {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      next += 1;
      await cycle(port, next).catch(() => {});
    }
  };
  await Promise.all(Array.from({ length: WIDTH }, lane));
}

/** @param {() => boolean} isDone */
async function settled(isDone) {
  for (let tries = 0; tries < 1000 && !isDone(); tries += 1) {
    await new Promise((resolve) => void setTimeout(resolve, 10));
  }
}

async function comeAndGo() {
  const { counts, protocol } = counting();
  const server = new TCPServer({ protocol });
  server.listen(0, '127.0.0.1', { backlog: 1024 });
  await cycles(server.port, CYCLES / 10);
  await settled(() => server.connections === 0);
  globalThis.gc?.();
  const before = { files: descriptors(), memory: used() };
  await cycles(server.port, CYCLES);
  await settled(() => server.connections === 0);
  await settled(() => counts.open === counts.close + counts.streams);
  // Close callbacks of the clients, too.
  await settled(() => descriptors() === before.files);
  globalThis.gc?.();
  const grown = used() - before.memory;
  row(`${CYCLES} connections come and go`, counts.open >= CYCLES, `${counts.open} opened`);
  const isOnce = counts.twice === 0 && counts.open === counts.close + counts.streams;
  row(
    'each is closed once',
    isOnce,
    `${counts.close} closed, ${counts.streams} turned into streams`,
  );
  row('no connection is left', server.connections === 0, `${server.connections} open`);
  row('no descriptor is left', descriptors() === before.files, `${descriptors()} open`);
  row('no memory is left', grown < MOST_GROWTH, `${(grown / 2 ** 20).toFixed(1)} MiB more`);
  await server.stop();
}

/** In a process with few descriptors: clients and server share them. */
async function runOut() {
  const { counts, protocol } = counting();
  const server = new TCPServer({ protocol });
  server.listen(0, '127.0.0.1', { backlog: 1024 });
  const before = descriptors();
  const held = [];
  for (;;) {
    try {
      held.push(Socket.tcp());
    } catch {
      break;
    }
  }
  // Room for clients, and for few connections.
  for (let n = 0; n < 40; n += 1) held.pop()?.close();
  const clients = Array.from({ length: 36 }, () => new IOStream(Socket.tcp()));
  for (const client of clients) {
    void client.connect({ host: '127.0.0.1', port: server.port }).then(() => client.write('x'));
  }
  await settled(() => server.acceptPaused);
  const wasPaused = server.acceptPaused;
  for (const socket of held) socket.close();
  await Promise.all(clients.map((client) => client.readBytes(1)));
  for (const client of clients) client.close();
  await settled(() => counts.close === clients.length);
  row('accepting pauses without descriptors', wasPaused, `${clients.length} connections`);
  const isOnce = counts.open === clients.length && counts.close === clients.length;
  row(
    'all are served once there are some',
    isOnce,
    `${counts.open} opened, ${counts.close} closed`,
  );
  row('no descriptor is left', descriptors() === before, `${descriptors()} open`);
  await server.stop();
}

void loop.start();
if (process.argv.includes('--run-out')) {
  process.on('warning', () => {});
  await runOut();
} else {
  await comeAndGo();
  const own = fileURLToPath(import.meta.url);
  const command = `ulimit -n ${FEW}; exec "$0" --no-warnings "$1" --run-out`;
  const { status } = spawnSync('sh', ['-c', command, process.execPath, own], { stdio: 'inherit' });
  failed ||= status !== 0;
}
loop.stop();
process.exitCode = failed ? 1 : 0;
