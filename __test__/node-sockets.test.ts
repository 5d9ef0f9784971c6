/** Sockets of `node:net`: what they do not have is refused by code, and errors are those of others. */
import { connect, createServer, type AddressInfo, type Socket as NetSocket } from 'node:net';
import { once } from 'node:events';
import test from 'ava';
import {
  addAcceptHandler,
  forkProcesses,
  IOLoop,
  IOStream,
  serveWorkers,
  Socket,
  TCPClient,
  TCPServer,
  bindSockets,
  bindUnixSocket,
} from 'ioloop';
import { capabilities, native, OPTION_NAMES, resetNow } from '#internal';
import { runChild } from './helpers/child.js';
import { testIf } from './helpers/conditions.js';
import { HAS_PROC, nodeTurns, until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { testNodeSockets } from './helpers/sockets-of.js';
import { closedBy, failureOf, tcpStreams, turns } from './helpers/streams.js';

const unsupported = { code: 'ERR_IOLOOP_UNSUPPORTED' } as const;

testNodeSockets(
  'what needs a descriptor is refused at once, and nothing is registered',
  async (t) => {
    await onLoop(async (loop) => {
      const socket = Socket.tcp();
      t.throws(() => loop.addHandler(socket, () => {}, IOLoop.READ), unsupported);
      t.is(loop.metrics().handlers, 0);
      t.throws(() => socket.fd, unsupported);
      t.throws(() => socket.recv(1), unsupported);
      t.throws(() => socket.send('x'), unsupported);
      t.throws(() => socket.connect({ host: '127.0.0.1', port: 1 }), unsupported);
      t.throws(() => socket.detach(), unsupported);
      t.throws(() => socket.setOption('reusePort', true), unsupported);
      t.throws(() => Socket.pair(), unsupported);
      t.throws(() => bindSockets(0, '127.0.0.1', { reusePort: true }), unsupported);
      t.throws(() => forkProcesses(2), unsupported);
      t.throws(() => serveWorkers(import.meta.url), unsupported);
      socket.close();
      t.throws(() => socket.localAddress, { code: 'EBADF' });
      const [near, far] = await tcpStreams(loop);
      t.throws(() => near.fileno(), unsupported);
      t.throws(() => near.detach(), unsupported);
      far.close();
      near.close();
    });
  },
);

testNodeSockets('EADDRINUSE is thrown by listen(), and EADDRNOTAVAIL', async (t) => {
  const first = new TCPServer(() => {});
  first.listen(0, '127.0.0.1');
  const second = new TCPServer(() => {});
  t.throws(() => second.listen(first.port, '127.0.0.1'), {
    code: 'EADDRINUSE',
    message: `bind EADDRINUSE 127.0.0.1:${first.port}`,
  });
  t.deepEqual(second.addresses, []);
  t.throws(() => second.listen(0, '192.0.2.1'), { code: 'EADDRNOTAVAIL' });
  await first.stop();
});

testNodeSockets('a peer that sends while nothing reads is paused, and loses nothing', (t) =>
  onLoop(async (loop) => {
    const [near, far] = await tcpStreams(loop);
    const bytes = Buffer.from(Array.from({ length: 20_000_000 }, (_, at) => at % 251));
    const writing = near.write(bytes);
    await turns(near, 50);
    t.true(near.writing);
    t.true(far.readBufferSize < 1e6);
    t.true((await far.readBytes(bytes.length)).equals(bytes));
    await writing;
  }),
);

testNodeSockets('a stream that is cut off with unsent data is reset, never at EOF', (t) =>
  onLoop(async (loop) => {
    for (let round = 0; round < 20; round += 1) {
      const [near, far] = await tcpStreams(loop);
      const writing = failureOf(near.write(Buffer.alloc(20_000_000)));
      await far.readBytes(1);
      near.socket?.setOption('linger', 0);
      near.close();
      t.is((await writing).code, 'ERR_IOLOOP_STREAM_CLOSED');
      t.is((await closedBy(far.readUntilClose()))?.code, 'ECONNRESET', `round ${round}`);
    }
  }),
);

testNodeSockets('a reset that arrives before the read is the same, on a half-closed stream', (t) =>
  onLoop(async (loop) => {
    const [near, far] = await tcpStreams(loop, { allowHalfOpen: true }, { allowHalfOpen: true });
    await far.shutdownWrite();
    near.write(Buffer.alloc(20_000_000)).catch(() => {});
    await far.readBytes(1);
    near.socket?.setOption('linger', 0);
    near.close();
    await turns(far, 50);
    t.is((await closedBy(far.readUntilClose()))?.code, 'ECONNRESET');
  }),
);

testNodeSockets('a reset while FIN is sent closes the descriptor', async (t) => {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  const [connection] = (await once(server, 'connection')) as [NetSocket];
  const { _handle: handle } = connection as unknown as { _handle: { fd: number } };
  const ended = once(client, 'end');
  client.resume();
  connection.end('hello');
  // Node has asked for the shutdown then, and libuv has not done it.
  await new Promise((resolve) => {
    process.nextTick(() => process.nextTick(resolve));
  });
  t.true(connection.writableEnded && !connection.writableFinished);
  resetNow(connection);
  await once(connection, 'close');
  t.true(handle.fd < 0);
  await ended;
  server.close();
});

testNodeSockets(
  'connections above maxConnections wait, and those above the backlog are reset',
  (t) =>
    onLoop(async (loop) => {
      const server = new TCPServer({
        loop,
        maxConnections: 1,
        handleStream: async (stream) => {
          await stream.readUntilClose();
          stream.close();
        },
      });
      server.listen(0, '127.0.0.1', { backlog: 2 });
      const open = async (): Promise<IOStream> =>
        new TCPClient().connect('127.0.0.1', server.port, { loop });
      const first = await open();
      while (server.connections === 0) await turns(first, 1);
      const [second, third] = [await open(), await open()];
      const late = connect(server.port, '127.0.0.1');
      const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
      t.is(error.code, 'ECONNRESET');
      t.is(server.connections, 1);
      for (const stream of [first, second, third]) await stream.end();
      await server.stop({ drain: true });
    }),
);

test('a binary that lists the options lists those of the package', (t) => {
  if (capabilities.descriptors) t.deepEqual(native.socketOptionNames(), [...OPTION_NAMES]);
  t.is(OPTION_NAMES.length, new Set(OPTION_NAMES).size);
});

testNodeSockets('options: wrong names and values are refused as those of other sockets', (t) => {
  const socket = Socket.tcp();
  const loose = socket as unknown as { setOption(name: string, value: unknown): void };
  t.throws(() => loose.setOption('nodelay', true), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /noDelay/,
  });
  t.throws(() => socket.getOption('nodelay' as never), { code: 'ERR_INVALID_ARG_VALUE' });
  t.throws(() => loose.setOption('noDelay', 1), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => socket.setOption('v6Only', true), { code: 'ENOPROTOOPT' });
  t.throws(() => socket.getOption('v6Only'), { code: 'ENOPROTOOPT' });
  socket.close();
});

testNodeSockets('listen() again changes the backlog', (t) =>
  onLoop(async (loop) => {
    const [socket] = bindSockets(0, '127.0.0.1', { backlog: 1 }) as [Socket];
    const { port } = socket.localAddress as { port: number };
    socket.listen(2);
    const waiting = [1, 2].map(() => connect(port, '127.0.0.1'));
    await Promise.all(waiting.map((client) => once(client, 'connect')));
    const late = connect(port, '127.0.0.1');
    const [error] = (await once(late, 'error')) as [NodeJS.ErrnoException];
    t.is(error.code, 'ECONNRESET');
    let accepted = 0;
    const both = new Promise<void>((resolve) => {
      addAcceptHandler(
        socket,
        (connection) => {
          connection.close();
          accepted += 1;
          if (accepted === 2) resolve();
        },
        { loop },
      );
    });
    await both;
    socket.close();
    t.throws(() => socket.listen(), { code: 'EBADF' });
    for (const client of waiting) client.destroy();
  }),
);

testNodeSockets('a Unix socket above the backlog is closed', (t) =>
  onLoop(async () => {
    const socket = bindUnixSocket(`/tmp/ioloop-node-sockets-${process.pid}`);
    socket.listen(1);
    const { path } = socket.localAddress as { path: string };
    const clients = [connect(path), connect(path)];
    await t.notThrowsAsync(Promise.race(clients.map((client) => once(client.resume(), 'close'))));
    for (const client of clients) client.destroy();
    socket.close();
  }),
);

testNodeSockets('a burst that is larger than the backlog is served', (t) =>
  onLoop(async (loop) => {
    // The kernel's backlog, and then that of the listener.
    const [socket] = bindSockets(0, '127.0.0.1', { backlog: 128 }) as [Socket];
    socket.listen(1);
    const stop = addAcceptHandler(socket, (connection) => connection.close(), { loop });
    const { port } = socket.localAddress as { port: number };
    const clients = Array.from({ length: 50 }, () => connect(port, '127.0.0.1').resume());
    await t.notThrowsAsync(Promise.all(clients.map((client) => once(client, 'close'))));
    stop();
    socket.close();
  }),
);

testNodeSockets('a stopped loop does not keep the process alive for its sockets', async (t) => {
  const { stdout, code } = await runChild(`
    import { IOLoop, TCPServer, TCPClient } from 'ioloop';
    const server = new TCPServer(() => {});
    server.listen(0, '127.0.0.1');
    await IOLoop.current().runSync(() => new TCPClient().connect('127.0.0.1', server.port));
    console.log('stopped');
  `);
  t.is(stdout, 'stopped\n');
  t.is(code, 0);
});

/** Of libuv's handle: the kernel has no peer any more after a reset. */
type Watched = NetSocket & { readonly _handle: { getpeername(out: object): number } };

// A limit of streams on these sockets (docs/platforms.md), which is Node's: nothing of ioloop is used.
testIf(HAS_PROC, 'Linux')(
  'a net.Socket of Node that is paused reports no reset until it is resumed',
  async (t) => {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    const [[paused]] = (await Promise.all([
      once(server, 'connection'),
      once(client, 'connect'),
    ])) as [[Watched], unknown];
    const events: string[] = [];
    for (const name of ['error', 'end', 'close']) paused.on(name, () => events.push(name));
    client.resetAndDestroy();
    await until(() => paused._handle.getpeername({}) < 0, 'the reset, in the kernel');
    await nodeTurns();
    t.deepEqual(events, []);
    const closed = new Promise((resolve) => paused.once('close', resolve));
    paused.resume();
    await closed;
    t.deepEqual(events, ['error', 'close']);
    server.close();
  },
);
