/** addAcceptHandler and the sockets that are bound for it. */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { addAcceptHandler, bindSockets, bindUnixSocket, Socket, type Address } from 'ioloop';
import { runChild } from './helpers/child.js';
import { failing, runFailing, served } from './helpers/faults.js';
import { portOf } from '#internal';
import { countTurns, onLoop, takeReports, withLoop } from './helpers/loop.js';
import { testOwnWith } from './helpers/sockets-of.js';

function folder(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ioloop-'));
  t.teardown(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

function bound(t: ExecutionContext, backlog = 1024): Socket {
  const [socket] = bindSockets(0, '127.0.0.1', { backlog });
  if (socket === undefined) throw new Error('nothing bound');
  t.teardown(() => {
    socket.close();
  });
  return socket;
}

function connectMany(t: ExecutionContext, address: Address, count: number): Socket[] {
  return Array.from({ length: count }, () => {
    const socket = Socket.tcp();
    t.teardown(() => {
      socket.close();
    });
    socket.connect(address);
    return socket;
  });
}

test('a storm of connections is accepted 128 a turn', (t) =>
  withLoop(async (loop) => {
    const listener = bound(t);
    const counter = countTurns(loop);
    const accepted = new Map<number, number>();
    let total = 0;
    addAcceptHandler(
      listener,
      (connection) => {
        connection.close();
        accepted.set(counter.turn, (accepted.get(counter.turn) ?? 0) + 1);
        total += 1;
        if (total === 300) loop.stop();
      },
      { loop },
    );
    connectMany(t, listener.localAddress, 300);
    await loop.start();
    t.deepEqual([...accepted.values()], [128, 128, 44]);
  }));

test('a callback that throws is reported, its connection closed, the others are served', (t) =>
  withLoop(async (loop) => {
    const listener = bound(t);
    const fault = new Error('not this one');
    const connections: Socket[] = [];
    addAcceptHandler(
      listener,
      (connection) => {
        connections.push(connection);
        if (connections.length === 3) loop.stop();
        if (connections.length === 2) throw fault;
      },
      { loop },
    );
    connectMany(t, listener.localAddress, 3);
    await loop.start();
    t.deepEqual(
      takeReports(loop).map(({ error }) => error),
      [fault],
    );
    t.deepEqual(
      connections.map(({ closed }) => closed),
      [false, true, false],
    );
    for (const connection of connections) connection.close();
  }));

test('the handler removes itself in the middle of a batch; the rest stays in the backlog', (t) =>
  withLoop(async (loop) => {
    const listener = bound(t);
    let accepted = 0;
    const remove = addAcceptHandler(
      listener,
      (connection) => {
        connection.close();
        accepted += 1;
        if (accepted < 2) return;
        remove();
        remove();
        loop.stop();
      },
      { loop },
    );
    connectMany(t, listener.localAddress, 5);
    await loop.start();
    t.is(accepted, 2);
    const [next] = listener.accept() ?? [];
    t.truthy(next);
    next?.close();
  }));

const EXHAUSTED = `
  import { IOLoop, TCPServer, Socket, IOStream } from 'ioloop';
  const loop = IOLoop.current();
  const warnings = [];
  process.on('warning', (warning) => warnings.push(warning.code));
  await loop.runSync(async () => {
    const streams = [];
    const server = new TCPServer({ handleStream: (stream) => { streams.push(stream); } });
    server.listen(0, '127.0.0.1', { backlog: 511 });
    const clients = [];
    // Descriptors run out for the clients first; then half of them are given to the server.
    try {
      for (;;) clients.push(Socket.tcp());
    } catch (error) {
      if (error.code !== 'EMFILE') throw error;
    }
    for (const socket of clients.splice(0, 20)) socket.close();
    const connected = clients.splice(0, 40);
    for (const socket of connected) socket.connect(server.addresses[0]);
    const turns = () => new Promise((resolve) => loop.addCallback(resolve));
    while (!server.acceptPaused) await turns();
    let count = 0;
    const cpu = process.cpuUsage();
    await new Promise((resolve) => loop.callLater(0.5, resolve));
    const { user, system } = process.cpuUsage(cpu);
    const stuck = streams.length;
    for (const socket of clients) socket.close();
    while (streams.length < 40) await new Promise((resolve) => loop.callLater(0.01, resolve));
    console.log(JSON.stringify({ stuck, warnings, busy: (user + system) / 5e5, paused: server.acceptPaused }));
    process.exit();
  }, { timeout: 30 });
`;

testOwnWith('prlimit')(
  'out of descriptors, accepting pauses with one warning and resumes by itself',
  async (t) => {
    const result = await runChild(EXHAUSTED, { through: ['prlimit', '--nofile=256:256'] });
    t.is(result.code, 0, result.stderr);
    const { stuck, warnings, busy, paused } = JSON.parse(result.stdout);
    t.is(stuck, 20);
    t.deepEqual(warnings, ['IOLOOP_ACCEPT_PAUSED']);
    t.false(paused);
    t.true(busy < 0.5, `it span: ${busy}`);
  },
);

const INJECTED = `
  import { IOLoop, TCPServer, TCPClient } from 'ioloop';
  const loop = IOLoop.current();
  const seen = [];
  loop.handleCallbackException = (callback, error) => seen.push(error.code);
  process.on('warning', (warning) => seen.push(warning.code));
  await loop.runSync(async () => {
    const server = new TCPServer(
      process.env.PROTOCOL === 'true'
        ? { protocol: { open: (connection) => void connection.write('x'), data() {} } }
        : { handleStream: async (stream) => { await stream.write('x'); } },
    );
    server.listen(0, '127.0.0.1');
    const client = await new TCPClient().connect('127.0.0.1', server.addresses[0].port);
    await client.readBytes(1);
    console.log(JSON.stringify(seen));
  }, { timeout: 20 });
  process.exit();
`;

// Streams and protocols have the same acceptor: each cause is tried with one of them.
for (const { error, seen, by } of [
  { error: 'ECONNABORTED', seen: [], by: 'protocol' },
  { error: 'EPROTO', seen: [], by: 'stream' },
  { error: 'EINTR', seen: [], by: 'protocol' },
  { error: 'ENFILE', seen: ['IOLOOP_ACCEPT_PAUSED'], by: 'protocol' },
  { error: 'ENOBUFS', seen: ['IOLOOP_ACCEPT_PAUSED'], by: 'stream' },
  { error: 'ENOMEM', seen: ['IOLOOP_ACCEPT_PAUSED'], by: 'protocol' },
  { error: 'EINVAL', seen: ['EINVAL'], by: 'stream' },
]) {
  testOwnWith('strace')(
    `accept fails twice with ${error}, and the connection is served by a ${by}`,
    async (t) => {
      const env = { PROTOCOL: String(by === 'protocol') };
      const result = await runFailing(INJECTED, failing('accept4', error, '1..2'), { env });
      t.is(result.faults, 2);
      t.deepEqual(served(t, result), seen);
    },
  );
}

test('bindSockets binds all families to one port, and frees them on failure', (t) => {
  const sockets = bindSockets(0);
  const addresses = sockets.map(
    ({ localAddress }) => localAddress as { host: string; port: number },
  );
  t.is(new Set(addresses.map(({ port }) => port)).size, 1);
  t.is(addresses[0]?.host, '0.0.0.0');
  const port = addresses[0]?.port ?? 0;
  t.throws(() => bindSockets(port), { code: 'EADDRINUSE' });
  for (const socket of sockets) socket.close();
  for (const socket of bindSockets(port)) socket.close();
});

test('bindSockets: families, localhost, and a host that is not an address', (t) => {
  for (const [address, family, hosts] of [
    ['localhost', 4, ['127.0.0.1']],
    ['127.0.0.1', undefined, ['127.0.0.1']],
    ['', 4, ['0.0.0.0']],
  ] as const) {
    const sockets = bindSockets(0, address, { family });
    t.deepEqual(
      sockets.map((socket) => (socket.localAddress as { host: string }).host),
      [...hosts],
    );
    for (const socket of sockets) socket.close();
  }
  t.throws(() => bindSockets(0, 'example.com'), { code: 'ERR_INVALID_ARG_VALUE' });
  t.throws(() => bindSockets(0, '127.0.0.1', { family: 6 }), { code: 'ERR_INVALID_ARG_VALUE' });
  t.throws(() => bindSockets(70_000), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(() => bindSockets(0, 1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
});

test('reusePort lets two sockets share a port', (t) => {
  const [first] = bindSockets(0, '127.0.0.1', { reusePort: true });
  const port = first === undefined ? 0 : portOf(first);
  const [second] = bindSockets(port, '127.0.0.1', { reusePort: true });
  t.deepEqual(first?.localAddress, second?.localAddress);
  first?.close();
  second?.close();
});

test('bindUnixSocket replaces a socket that was left over, and nothing else', (t) => {
  const path = join(folder(t), 'socket');
  bindUnixSocket(path).close();
  t.true(existsSync(path));
  const socket = bindUnixSocket(path, { mode: 0o640 });
  t.is(statSync(path).mode & 0o777, 0o640);
  socket.close();
  rmSync(path);
  writeFileSync(path, 'precious');
  t.throws(() => bindUnixSocket(path), { code: 'ERR_INVALID_ARG_VALUE' });
  t.true(existsSync(path));
});

test('a Unix socket serves streams', async (t) => {
  const path = join(folder(t), 'socket');
  const { TCPServer, IOStream } = await import('ioloop');
  await onLoop(async (loop) => {
    await using server = new TCPServer({
      loop,
      handleStream: async (stream) => {
        await stream.write(await stream.readUntil('\n'));
      },
    });
    server.addSocket(bindUnixSocket(path));
    const client = await new IOStream(Socket.unix(), { loop }).connect({ path });
    await client.write('over a file\n');
    t.is(String(await client.readUntil('\n')), 'over a file\n');
    client.close();
  });
});
