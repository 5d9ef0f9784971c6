/** Sockets that bind, connect and accept: addresses, peers of Node, and refusals. */
import { once } from 'node:events';
import * as net from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { IOLoop, Socket, type SystemError } from 'ioloop';
import {
  accepted,
  caught,
  directory,
  listener,
  LOOPBACK,
  owned,
  readAll,
  ready,
} from './helpers/sockets.js';

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
  // Bound and not listening: the port stays taken.
  const server = owned(t, Socket.tcp());
  server.bind({ host: LOOPBACK, port: 0 });
  const { port } = server.localAddress as { port: number };
  const socket = owned(t, Socket.tcp());
  if (socket.connect({ host: LOOPBACK, port })) throw new Error('no listener is there');
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
