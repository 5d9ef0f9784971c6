// `npm run test:connections [--quick]`: connections of a protocol that come and go, over TCP, Unix sockets
// and TLS: ended by the client, ended by the server, closed, reset, reset with unread bytes, turned into
// streams and back; and while descriptors run out. Afterwards each was closed once, and no descriptor, no
// connection and no memory is left. Prints a table; exit code 1 on a failure.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bindUnixSocket, IOLoop, IOStream, Socket, TCPServer } from 'ioloop';

const isQuick = process.argv.includes('--quick');
/** Connections at a time. */
const WIDTH = 64;
/** Descriptors of the process in which they run out. */
const FEW = 120;
/** Bytes in use that may be left: compiled code, buffers that are kept. */
const MOST_GROWTH = 4 * 1024 * 1024;

const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
/** @param {string} name */
const fixture = (name) => readFileSync(new URL(`../__test__/fixtures/${name}`, import.meta.url));
const tls = { cert: fixture('server.pem'), key: fixture('server.key') };
const clientTls = { hostname: 'localhost', tls: { ca: fixture('ca.pem') } };

/**
 * @typedef {object} Kind
 * @property {number} cycles What is left of a connection would be 40 bytes for each of 100,000. A handshake
 * takes a millisecond: over TLS it is 400 bytes for each of 10,000, and a socket of `node:tls` has more.
 * @property {object} [options] Of the server.
 * @property {(server: TCPServer) => void} listen
 * @property {(address: import('ioloop').Address) => Promise<IOStream>} connect
 */

/** @param {TCPServer} server */
const listenOnTcp = (server) => void server.listen(0, '127.0.0.1', { backlog: 1024 });

/** @type {Record<string, Kind>} */
const KINDS = {
  TCP: {
    cycles: 100_000,
    listen: listenOnTcp,
    connect: (address) => new IOStream(Socket.tcp()).connect(address),
  },
  'Unix sockets': {
    cycles: 100_000,
    listen: (server) => server.addSocket(bindUnixSocket(join(folder, 'socket'))),
    connect: (address) => new IOStream(Socket.unix()).connect(address),
  },
  TLS: {
    cycles: 10_000,
    options: { tls },
    listen: listenOnTcp,
    connect: async (address) => {
      const plain = await new IOStream(Socket.tcp()).connect(address);
      return await plain.startTls(clientTls);
    },
  },
};

const loop = IOLoop.current();
let failed = false;
// With its first stream, such as a pipe for the output, libuv opens a descriptor for itself.
const { stdout } = process;

/** How the n-th connection goes on: the client's part, and what it writes. */
const WAYS = {
  'client ends': 'x',
  'server ends': 'e',
  'client closes': 'x',
  reset: 'x',
  'reset unread': 'x',
  'to a stream': 's',
  'to a streaming read': 'r',
  'to a stream and back': 'b',
};
const WAY_NAMES = Object.keys(WAYS);

/** @param {string} name @param {boolean} isGood @param {string} shown */
function row(name, isGood, shown) {
  failed ||= !isGood;
  stdout.write(`${isGood ? 'ok  ' : 'FAIL'}  ${name.padEnd(44)} ${shown}\n`);
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
      const [how] = String(chunk);
      if (how === 'e') c.end();
      else if (how === 's' || how === 'r' || how === 'b') goOn(c, how);
      else c.write(chunk);
    },
    close(c, error) {
      if (c.state.isClosed) counts.twice += 1;
      c.state.isClosed = true;
      counts.close += 1;
      if (error !== null) counts.errors += 1;
    },
  };
  /** @param {import('ioloop').Connection<{ isClosed: boolean }>} c @param {string} how */
  const goOn = (c, how) => {
    counts.streams += 1;
    if (how === 'r') c.unread(1);
    const stream = c.toStream();
    if (how === 's') void stream.write(how).then(() => stream.end());
    else if (how === 'b') stream.setProtocol(protocol).write(how);
    else {
      const streamingCallback = (/** @type {Buffer} */ bytes) => void stream.send(bytes);
      stream.readUntilClose({ streamingCallback }).catch(() => {});
    }
  };
  return { counts, protocol };
}

/** One connection, in one of the ways. @param {Kind} kind @param {TCPServer} server @param {number} n */
async function cycle(kind, server, n) {
  const how = /** @type {keyof typeof WAYS} */ (WAY_NAMES[n % WAY_NAMES.length]);
  const [address] = server.addresses;
  const stream = await kind.connect(/** @type {import('ioloop').Address} */ (address));
  try {
    await stream.write(WAYS[how]);
    if (how === 'server ends') await stream.readUntilClose();
    else if (how !== 'reset unread') await stream.readBytes(1);
    if (how.startsWith('reset')) stream.socket?.setOption('linger', 0);
    if (how === 'client ends') await stream.end();
  } finally {
    stream.close();
  }
}

/** @param {Kind} kind @param {TCPServer} server @param {number} count */
async function cycles(kind, server, count) {
  let next = 0;
  const lane = async () => {
    while (next < count) {
      next += 1;
      await cycle(kind, server, next).catch(() => {});
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

/** @param {string} name @param {Kind} kind */
async function comeAndGo(name, kind) {
  const count = isQuick ? kind.cycles / 10 : kind.cycles;
  const { counts, protocol } = counting();
  const server = new TCPServer({ protocol, ...kind.options });
  kind.listen(server);
  await cycles(kind, server, Math.min(count, 10_000));
  await settled(() => server.connections === 0);
  globalThis.gc?.();
  const before = { files: descriptors(), memory: used(), opened: counts.open };
  await cycles(kind, server, count);
  await settled(() => server.connections === 0);
  await settled(() => counts.open === counts.close + counts.streams);
  // Close callbacks of the clients, too.
  await settled(() => descriptors() === before.files);
  globalThis.gc?.();
  const grown = used() - before.memory;
  const opened = counts.open - before.opened;
  row(`${name}: ${count} connections come and go`, opened >= count, `${opened} opened`);
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
  for (const [name, kind] of Object.entries(KINDS)) await comeAndGo(name, kind);
  const own = fileURLToPath(import.meta.url);
  const command = `ulimit -n ${FEW}; exec "$0" --no-warnings "$1" --run-out`;
  const { status } = spawnSync('sh', ['-c', command, process.execPath, own], { stdio: 'inherit' });
  failed ||= status !== 0;
}
loop.stop();
rmSync(folder, { recursive: true });
process.exitCode = failed ? 1 : 0;
