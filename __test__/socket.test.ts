import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { undrained } from '#internal';
import { IOLoop, Socket, type Address, type SystemError } from 'ioloop';
import { closeAll, tcpPair } from './helpers/fds.js';

const LOOPBACK = '127.0.0.1';

/** A socket that is closed after the test. */
function owned(t: ExecutionContext, socket: Socket): Socket {
  t.teardown(() => {
    socket.close();
  });
  return socket;
}

function pair(t: ExecutionContext): [Socket, Socket] {
  const [first, second] = Socket.pair();
  return [owned(t, first), owned(t, second)];
}

function listener(t: ExecutionContext, host = LOOPBACK): Socket {
  const socket = owned(t, Socket.tcp({ family: net.isIPv6(host) ? 6 : 4 }));
  socket.bind({ host, port: 0 });
  socket.listen();
  return socket;
}

/** Resolves when the socket is ready. */
async function ready(socket: Socket, events: number): Promise<void> {
  const loop = new IOLoop({ makeCurrent: false });
  await loop.runSync(
    () =>
      new Promise<void>((resolve) => {
        loop.addHandler(
          socket,
          () => {
            loop.removeHandler(socket);
            resolve();
          },
          events,
        );
      }),
  );
  loop.close();
}

async function accepted(t: ExecutionContext, server: Socket): Promise<[Socket, Address]> {
  await ready(server, IOLoop.READ);
  const result = server.accept();
  if (result === null) throw new Error('no connection waits');
  owned(t, result[0]);
  return result;
}

/** Reads to the end of the file. */
async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = socket.recv(65_536);
    if (chunk === null) await ready(socket, IOLoop.READ);
    else if (chunk.length === 0) return Buffer.concat(chunks).toString();
    else chunks.push(chunk);
  }
}

function caught(run: () => unknown): SystemError {
  try {
    run();
  } catch (error) {
    return error as SystemError;
  }
  throw new Error('nothing was thrown');
}

function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ioloop-'));
  t.teardown(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}

test('a pair is connected in both directions', (t) => {
  const [first, second] = pair(t);
  t.is(first.send('ping'), 4);
  t.is(second.recv(100)?.toString(), 'ping');
  t.is(second.send(Buffer.from('pong!')), 5);
  t.is(first.recv(100)?.toString(), 'pong!');
  t.deepEqual(first.localAddress, { path: '' });
  t.deepEqual(first.remoteAddress, { path: '' });
});

test('recv gives null when nothing is there and an empty buffer at the end', (t) => {
  const [first, second] = pair(t);
  t.is(first.recv(10), null);
  t.is(first.recvInto(Buffer.alloc(10)), null);
  second.send('last');
  second.close();
  t.is(first.recv(10)?.toString(), 'last');
  t.is(first.recv(10)?.length, 0);
  t.is(first.recv(100_000)?.length, 0);
  t.is(first.recvInto(Buffer.alloc(10)), 0);
});

test('an earlier buffer does not change with later reads', (t) => {
  const [first, second] = pair(t);
  for (const size of [10, 5000, 65_536, 100_000]) {
    second.send('a'.repeat(10));
    const early = first.recv(size);
    second.send('b'.repeat(10));
    const late = first.recv(size);
    t.is(early?.toString(), 'a'.repeat(10));
    t.is(late?.toString(), 'b'.repeat(10));
  }
});

test('a large read that is mostly empty keeps no large memory', (t) => {
  const [first, second] = pair(t);
  second.send('few');
  const few = first.recv(2 ** 24);
  t.is(few?.toString(), 'few');
  t.true((few?.buffer.byteLength ?? 0) <= 2 * Buffer.poolSize);
});

test('a large read gives all that is there', (t) => {
  const [first, second] = pair(t);
  second.setOption('sendBuffer', 2 ** 20);
  const sent = second.send(Buffer.alloc(150_000, 'x')) ?? 0;
  t.true(sent > 65_536);
  const received = first.recv(sent);
  t.is(received?.toString(), 'x'.repeat(sent));
});

test('a large read that is full is no memory of a later one', (t) => {
  const [first, second] = pair(t);
  second.setOption('sendBuffer', 2 ** 20);
  const size = 70_000;
  for (const letter of ['a', 'b']) {
    const sent = second.send(Buffer.alloc(size, letter)) ?? 0;
    t.is(sent, size);
  }
  const early = first.recv(size);
  const late = first.recv(size);
  t.is(early?.toString(), 'a'.repeat(size));
  t.is(late?.toString(), 'b'.repeat(size));
});

test('transferring one result of recv empties no other', (t) => {
  const [first, second] = pair(t);
  second.send('early');
  const early = first.recv(1024);
  second.send('late');
  const late = first.recv(1024);
  // Node 20 copies what may not be transferred, later ones refuse: the results stay either way.
  try {
    structuredClone(late, { transfer: [late?.buffer as ArrayBuffer] });
  } catch (error) {
    t.is((error as Error).name, 'DataCloneError');
  }
  t.is(early?.toString(), 'early');
  t.is(late?.toString(), 'late');
});

test('recv takes at most size bytes and leaves the rest', (t) => {
  const [first, second] = pair(t);
  second.send('abcdef');
  t.is(first.recv(4)?.toString(), 'abcd');
  const front = Buffer.from('........');
  t.is(first.recvInto(front), 2);
  t.is(front.toString(), 'ef......');
});

test('recvInto fills a view and nothing around it', (t) => {
  const [first, second] = pair(t);
  const whole = new Uint8Array(6);
  second.send('wxyz');
  t.is(first.recvInto(whole.subarray(2, 4)), 2);
  t.deepEqual([...whole], [0, 0, 119, 120, 0, 0]);
});

test('send gives null when the system has no room, and again a count after the peer has read', (t) => {
  const [first, second] = pair(t);
  const chunk = Buffer.alloc(65_536);
  let total = 0;
  for (let sent = first.send(chunk); sent !== null; sent = first.send(chunk)) total += sent;
  t.true(total > 0);
  let received = 0;
  for (let data = second.recv(65_536); data !== null; data = second.recv(65_536)) {
    received += data.length;
  }
  t.is(received, total);
  t.not(first.send(chunk), null);
});

test('send takes strings as UTF-8 and views as they are', (t) => {
  const [first, second] = pair(t);
  t.is(first.send('äö'), 4);
  t.is(second.recv(10)?.toString(), 'äö');
  t.is(first.send(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), 2);
  t.deepEqual([...(second.recv(10) ?? [])], [2, 3]);
  t.is(first.send(''), 0);
});

test('shutdown of writing is the end of the file for the peer, which can still answer', (t) => {
  const [first, second] = pair(t);
  first.shutdown('write');
  t.is(second.recv(10)?.length, 0);
  t.is(second.send('answer'), 6);
  t.is(first.recv(10)?.toString(), 'answer');
  t.like(
    caught(() => first.send('x')),
    { code: 'EPIPE', syscall: 'send' },
  );
});

test('a client of node:net is accepted, with its address', async (t) => {
  const server = listener(t);
  const { port } = server.localAddress as { port: number };
  t.is(server.accept(), null);
  const client = net.connect(port, LOOPBACK);
  await once(client, 'connect');
  const [connection, address] = await accepted(t, server);
  t.deepEqual(address, { host: LOOPBACK, port: client.localPort as number });
  t.deepEqual(connection.remoteAddress, address);
  t.deepEqual(connection.localAddress, server.localAddress);
  client.end('hello');
  t.is(await readAll(connection), 'hello');
  client.setEncoding('utf8');
  connection.send('bye');
  connection.close();
  t.deepEqual(await once(client, 'data'), ['bye']);
  client.destroy();
});

test('a server of node:net is connected to', async (t) => {
  const server = net.createServer((peer) => peer.end('welcome')).listen(0, LOOPBACK);
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const socket = owned(t, Socket.tcp());
  t.is(socket.remoteAddress, null);
  if (!socket.connect({ host: LOOPBACK, port })) await ready(socket, IOLoop.WRITE);
  t.is(socket.takeError(), null);
  t.deepEqual(socket.remoteAddress, { host: LOOPBACK, port });
  t.is(await readAll(socket), 'welcome');
  server.close();
});

test('IPv6 addresses come back as text', async (t) => {
  let server: Socket;
  try {
    server = listener(t, '::1');
  } catch (error) {
    // A host without IPv6 says so; nothing to see there.
    t.regex((error as SystemError).code, /^EADDRNOTAVAIL|EAFNOSUPPORT$/);
    return;
  }
  const { port } = server.localAddress as { port: number };
  const client = net.connect(port, '::1');
  const [, address] = await accepted(t, server);
  t.deepEqual(address, { host: '::1', port: client.localPort as number });
  client.destroy();
});

test('bind to any address takes a free port', (t) => {
  const socket = owned(t, Socket.tcp());
  socket.bind({ host: '', port: 0 });
  const { host, port } = socket.localAddress as { host: string; port: number };
  t.is(host, '0.0.0.0');
  t.true(port > 0);
});

test('Unix sockets are bound to paths and connect at once', async (t) => {
  const path = join(directory(t), 'socket');
  const server = owned(t, Socket.unix());
  server.bind({ path });
  server.listen();
  const client = owned(t, Socket.unix());
  t.true(client.connect({ path }));
  const [connection, address] = await accepted(t, server);
  t.deepEqual(address, { path: '' });
  t.deepEqual(server.localAddress, { path });
  t.deepEqual(client.remoteAddress, { path });
  client.send('over a path');
  t.is(connection.recv(20)?.toString(), 'over a path');
});

test('a client of node:net reaches a Unix socket', async (t) => {
  const path = join(directory(t), 'socket');
  const server = owned(t, Socket.unix());
  server.bind({ path });
  server.listen();
  const client = net.connect(path);
  const [connection] = await accepted(t, server);
  client.end('by path');
  t.is(await readAll(connection), 'by path');
  connection.close();
  await once(client.resume(), 'close');
});

test('a refused connection says which, when it is asked for', async (t) => {
  // Bound and not listening: nobody else gets the port.
  const server = owned(t, Socket.tcp());
  server.bind({ host: LOOPBACK, port: 0 });
  const { port } = server.localAddress as { port: number };
  const socket = owned(t, Socket.tcp());
  if (socket.connect({ host: LOOPBACK, port })) throw new Error('nobody listens there');
  await ready(socket, IOLoop.WRITE);
  const error = socket.takeError() as SystemError | null;
  t.is(error?.message, `connect ECONNREFUSED ${LOOPBACK}:${port}`);
  t.like(error, { code: 'ECONNREFUSED', syscall: 'connect', address: LOOPBACK, port });
  t.is(socket.takeError(), null);
});

test('a connection asked about while it is in progress still says later where it failed', async (t) => {
  const server = owned(t, Socket.tcp());
  server.bind({ host: LOOPBACK, port: 0 });
  server.listen(1);
  const address = server.localAddress as { host: string; port: number };
  // The backlog has room for two at most: the system leaves the others in progress.
  const waiting = Array.from({ length: 6 }, () => {
    const socket = owned(t, Socket.tcp());
    socket.connect(address);
    return socket;
  });
  const last = waiting.at(-1) as Socket;
  t.is(last.takeError(), null);
  t.is(last.remoteAddress, null);
  server.close();
  await ready(last, IOLoop.WRITE);
  t.like(last.takeError(), { code: 'ECONNREFUSED', syscall: 'connect', port: address.port });
});

test('connect to a path that is absent throws ENOENT with the path', (t) => {
  const path = join(directory(t), 'absent');
  const error = caught(() => owned(t, Socket.unix()).connect({ path }));
  t.like(error, { code: 'ENOENT', syscall: 'connect', path });
  t.is(error.message, `connect ENOENT ${path}`);
});

test('bind to an address in use throws EADDRINUSE with the address', (t) => {
  const { port } = listener(t).localAddress as { port: number };
  const error = caught(() => {
    owned(t, Socket.tcp()).bind({ host: LOOPBACK, port });
  });
  t.like(error, { code: 'EADDRINUSE', syscall: 'bind', address: LOOPBACK, port });
  t.is(error.message, `bind EADDRINUSE ${LOOPBACK}:${port}`);
  t.true(error.errno < 0);
});

test('a reset connection throws ECONNRESET', async (t) => {
  const server = listener(t);
  const client = owned(t, Socket.tcp());
  client.connect(server.localAddress);
  const [connection] = await accepted(t, server);
  connection.setOption('linger', 0);
  connection.close();
  await ready(client, IOLoop.READ);
  t.like(
    caught(() => client.recv(10)),
    { code: 'ECONNRESET', syscall: 'recv' },
  );
});

test('options are read back as they were set', (t) => {
  const socket = owned(t, Socket.tcp());
  for (const name of ['reuseAddress', 'reusePort', 'noDelay', 'keepAlive'] as const) {
    t.is(socket.getOption(name), false, name);
    socket.setOption(name, true);
    t.is(socket.getOption(name), true, name);
    socket.setOption(name, false);
    t.is(socket.getOption(name), false, name);
  }
  for (const name of ['keepAliveIdle', 'keepAliveInterval', 'keepAliveCount'] as const) {
    socket.setOption(name, 7);
    t.is(socket.getOption(name), 7, name);
  }
  t.is(socket.getOption('keepAlive'), false);
  t.is(socket.getOption('linger'), -1);
  for (const seconds of [0, 5, -1]) {
    socket.setOption('linger', seconds);
    t.is(socket.getOption('linger'), seconds);
  }
  for (const name of ['receiveBuffer', 'sendBuffer'] as const) {
    socket.setOption(name, 32_768);
    t.true(socket.getOption(name) >= 32_768, name);
  }
});

test('v6Only is an option of IPv6 sockets', (t) => {
  let socket: Socket;
  try {
    socket = owned(t, Socket.tcp({ family: 6 }));
  } catch (error) {
    t.is((error as SystemError).code, 'EAFNOSUPPORT');
    return;
  }
  socket.setOption('v6Only', true);
  t.true(socket.getOption('v6Only'));
  const v4 = owned(t, Socket.tcp());
  t.is(caught(() => v4.getOption('v6Only')).syscall, 'getsockopt');
});

test('an option that does not exist, or a value of the wrong type, is refused', (t) => {
  const socket = owned(t, Socket.tcp());
  const loose = socket as unknown as { setOption(name: unknown, value: unknown): void };
  t.throws(() => loose.setOption('nodelay', true), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /noDelay/,
  });
  t.throws(() => loose.setOption('noDelay', 1), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => loose.setOption('linger', true), { code: 'ERR_INVALID_ARG_TYPE' });
  for (const value of [-2, 0.5, Number.NaN, 2 ** 31]) {
    t.throws(() => loose.setOption('linger', value), { code: 'ERR_OUT_OF_RANGE' });
  }
  t.throws(() => loose.setOption('sendBuffer', -1), { code: 'ERR_OUT_OF_RANGE' });
});

test('arguments are checked before anything happens', (t) => {
  const [first] = pair(t);
  const loose = first as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const size of [0, -1, 1.5, Number.NaN, 2 ** 30 + 1]) {
    t.throws(() => first.recv(size), { code: 'ERR_OUT_OF_RANGE' });
  }
  const wrong: [string, unknown, string][] = [
    ['recv', '10', 'ERR_INVALID_ARG_TYPE'],
    ['recvInto', [], 'ERR_INVALID_ARG_TYPE'],
    ['recvInto', new Uint8Array(0), 'ERR_OUT_OF_RANGE'],
    ['send', 5, 'ERR_INVALID_ARG_TYPE'],
    ['send', null, 'ERR_INVALID_ARG_TYPE'],
    ['shutdown', 'all', 'ERR_INVALID_ARG_VALUE'],
    ['listen', -1, 'ERR_OUT_OF_RANGE'],
    ['listen', 'many', 'ERR_INVALID_ARG_TYPE'],
    ['bind', '/tmp/a', 'ERR_INVALID_ARG_TYPE'],
    ['connect', { host: 'localhost', port: 80 }, 'ERR_INVALID_ARG_TYPE'],
  ];
  for (const [method, argument, code] of wrong) {
    t.throws(() => loose[method]?.(argument), { code }, method);
  }
  t.throws(() => Socket.tcp({ family: 5 as 4 }), { code: 'ERR_INVALID_ARG_VALUE' });
});

test('a closed socket refuses everything with EBADF, and close again is silent', (t) => {
  const [socket] = pair(t);
  t.false(socket.closed);
  socket.close();
  socket.close();
  t.true(socket.closed);
  t.is(socket.fd, -1);
  t.is(socket.fileno(), -1);
  const operations: (() => unknown)[] = [
    () => {
      socket.bind({ path: '/a' });
    },
    () => {
      socket.listen();
    },
    () => socket.accept(),
    () => socket.connect({ path: '/a' }),
    () => socket.takeError(),
    () => socket.recv(1),
    () => socket.recvInto(Buffer.alloc(1)),
    () => socket.send('a'),
    () => {
      socket.shutdown('both');
    },
    () => {
      socket.setOption('linger', 0);
    },
    () => socket.getOption('linger'),
    () => socket.localAddress,
    () => socket.remoteAddress,
  ];
  for (const operation of operations) t.is(caught(operation).code, 'EBADF', String(operation));
  t.regex(caught(() => socket.recv(1)).message, /closed/);
});

test('dispose closes', (t) => {
  const [socket] = pair(t);
  socket[Symbol.dispose]();
  t.true(socket.closed);
});

test('fromFd takes a socket over, whatever its family', (t) => {
  const [first] = pair(t);
  // Node has no dup(2): the number changes hands.
  const tcp = Socket.tcp();
  tcp.bind({ host: LOOPBACK, port: 0 });
  const taken = owned(t, Socket.fromFd(tcp.fd));
  t.is(taken.fd, tcp.fd);
  t.deepEqual(taken.localAddress, tcp.localAddress);
  taken.listen();
  const client = owned(t, Socket.tcp());
  t.notThrows(() => client.connect(taken.localAddress));
  t.deepEqual(Socket.fromFd(first.fd).localAddress, { path: '' });
});

test('fromFd refuses what is no socket, or not open', (t) => {
  const file = openSync('/dev/null', 'r');
  t.like(
    caught(() => Socket.fromFd(file)),
    { code: 'ENOTSOCK', fd: file },
  );
  closeSync(file);
  t.is(caught(() => Socket.fromFd(1_000_000)).code, 'EBADF');
  t.throws(() => Socket.fromFd(-1), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(() => Socket.fromFd('1' as unknown as number), { code: 'ERR_INVALID_ARG_TYPE' });
});

test('a short read of TCP drains, a full one does not', async (t) => {
  const [first, second] = await tcpPair();
  const { READ, READ_CLOSED, URGENT } = undrained;
  const isUndrained = (): boolean => undrained.isUndrained(first.fd, READ);
  undrained.mark(first.fd, READ);
  second.send('abcdef');
  first.recv(3);
  t.true(isUndrained());
  first.recv(3);
  t.true(isUndrained());
  first.recv(3);
  t.false(isUndrained());
  undrained.mark(first.fd, READ);
  second.send('abc');
  first.recv(10);
  t.false(isUndrained());
  for (const doubt of [READ_CLOSED, URGENT]) {
    undrained.forget(first.fd);
    undrained.mark(first.fd, READ | doubt);
    second.send('abc');
    first.recv(10);
    t.true(isUndrained());
    first.recv(10);
    t.false(isUndrained());
  }
  closeAll(first, second);
});

test('the end of the file is not drained', (t) => {
  const [first, second] = pair(t);
  second.close();
  undrained.mark(first.fd, undrained.READ);
  first.recv(10);
  t.true(undrained.isUndrained(first.fd, undrained.READ));
});

test('a short read of a Unix socket proves nothing, nothing to read does', (t) => {
  const [first, second] = pair(t);
  const adopted = Socket.fromFd(first.fd);
  for (const socket of [first, adopted]) {
    undrained.mark(first.fd, undrained.READ);
    second.send('abc');
    socket.recv(10);
    t.true(undrained.isUndrained(first.fd, undrained.READ));
    socket.recv(10);
    t.false(undrained.isUndrained(first.fd, undrained.READ));
  }
});

test('TCP that was adopted is as good as TCP that was made here', async (t) => {
  const [first, second] = await tcpPair();
  const adopted = Socket.fromFd(first.fd);
  undrained.mark(first.fd, undrained.READ);
  second.send('abc');
  adopted.recv(10);
  t.false(undrained.isUndrained(first.fd, undrained.READ));
  closeAll(first, second);
});

test('a full send buffer and an empty backlog are drained', (t) => {
  const [first] = pair(t);
  undrained.mark(first.fd, undrained.WRITE);
  first.send('a');
  t.true(undrained.isUndrained(first.fd, undrained.WRITE));
  while (first.send(Buffer.alloc(65_536)) !== null);
  t.false(undrained.isUndrained(first.fd, undrained.WRITE));
  const server = listener(t);
  undrained.mark(server.fd, undrained.READ);
  server.accept();
  t.false(undrained.isUndrained(server.fd, undrained.READ));
});

test('a closed number starts anew', (t) => {
  const [first] = pair(t);
  const { fd } = first;
  undrained.mark(fd, undrained.READ | undrained.WRITE);
  first.close();
  t.false(undrained.isUndrained(fd, undrained.READ | undrained.WRITE));
});

test('the table of undrained bits grows, and ends at a million', (t) => {
  const { READ, WRITE } = undrained;
  for (const fd of [0, 1023, 1024, 5000, 2 ** 20 - 1]) {
    t.false(undrained.isUndrained(fd, READ));
    undrained.mark(fd, READ);
    t.true(undrained.isUndrained(fd, READ | WRITE));
    t.false(undrained.isUndrained(fd, WRITE));
    undrained.drained(fd, READ);
    t.false(undrained.isUndrained(fd, READ));
  }
  for (const fd of [2 ** 20, 2 ** 31 - 1]) {
    undrained.mark(fd, READ);
    undrained.drained(fd, READ);
    t.true(undrained.isUndrained(fd, READ));
  }
});

test('send takes a part of a buffer by its offset and length', (t) => {
  const [first, second] = pair(t);
  const bytes = Buffer.from('0123456789');
  t.is(first.send(bytes, 2, 3), 3);
  t.is(first.send(bytes, 8), 2);
  t.is(first.send(bytes, 10), 0);
  t.is(second.recv(10)?.toString(), '23489');
  for (const [offset, length] of [
    [11, 0],
    [-1, 1],
    [8, 3],
    [0.5, 1],
  ] as const) {
    t.throws(() => first.send(bytes, offset, length), { code: 'ERR_OUT_OF_RANGE' });
  }
});
