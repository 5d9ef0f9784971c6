/** What `TCPClient.connect()` refuses, and what it does with resolvers and options of every kind. */
import * as net from 'node:net';
import test from 'ava';
import { TCPClient, type ConnectOptions, type HostAddress, type Resolver } from 'ioloop';
import { onLoop } from './helpers/loop.js';
import { failureOf } from './helpers/streams.js';

const REFUSED: readonly [string, unknown, string][] = [
  ['', undefined, '"host"'],
  ['127.0.0.1\0.example.com', undefined, '"host"'],
  ['127.0.0.1', null, '"options"'],
  ['127.0.0.1', 5, '"options"'],
  ['127.0.0.1', { family: 5 }, '"family"'],
  ['127.0.0.1', { family: 6 }, '"host"'],
  ['::1', { family: 4 }, '"host"'],
  ['127.0.0.1', { tls: null }, '"tls"'],
  ['127.0.0.1', { tls: 'yes' }, '"tls"'],
  ['127.0.0.1', { sourcePort: 'x' }, '"sourcePort"'],
];

test('what is wrong with a host or an option is said, with a code', (t) =>
  onLoop(async (loop) => {
    for (const [host, options, name] of REFUSED) {
      const given =
        typeof options === 'object' && options !== null ? { loop, ...options } : options;
      const error = await failureOf(new TCPClient().connect(host, 1, given as ConnectOptions));
      t.regex(error.code ?? '', /^ERR_INVALID_ARG_(TYPE|VALUE)$/, String(name));
      t.true(error.message.startsWith(name), error.message);
    }
  }));

test('a resolver that gives nothing of use fails the connection, and one without a promise works', async (t) => {
  const server = net.createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await onLoop(async (loop) => {
    const connect = (result: unknown): Promise<unknown> =>
      new TCPClient({ resolver: (() => result) as Resolver }).connect('name', port, { loop });
    const useless = [null, 'x', ['127.0.0.1'], [null], [{ address: 'x', family: 4 }]];
    for (const result of [...useless, [{ address: '::1', family: 4 }]]) {
      await t.throwsAsync(connect(result), {
        code: 'ERR_INVALID_ARG_VALUE',
        message: /^"resolver"/,
      });
    }
    const addresses: HostAddress[] = [{ address: '127.0.0.1', family: 4 }];
    await t.notThrowsAsync(connect(addresses));
  });
  server.close();
});

test('sourcePort may be a string of digits, as the port', async (t) => {
  const server = net.createServer((socket) => socket.end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  await onLoop(async (loop) => {
    const options = { loop, sourcePort: '0' as unknown as number };
    const stream = await new TCPClient().connect('127.0.0.1', port, options);
    t.deepEqual(stream.socket?.remoteAddress, { host: '127.0.0.1', port });
    stream.close();
  });
  server.close();
});

test('the signal among the options of tls gives up the handshake', async (t) => {
  const silent = net.createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as net.AddressInfo;
  await onLoop(async (loop) => {
    const abort = new AbortController();
    const tls = { hostname: 'localhost', signal: abort.signal };
    const connecting = failureOf(new TCPClient().connect('127.0.0.1', port, { loop, tls }));
    const [socket] = await new Promise<[net.Socket]>((resolve) => {
      silent.once('connection', (...args: [net.Socket]) => resolve(args));
    });
    const reason = new Error('enough');
    const closed = new Promise((resolve) => socket.on('close', resolve));
    abort.abort(reason);
    t.is(await connecting, reason as NodeJS.ErrnoException);
    socket.resume();
    await closed;
  });
  silent.close();
});

test('a connection whose TLS options are wrong is closed', async (t) => {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const closed = new Promise<boolean>((resolve) => {
    server.once('connection', (socket) => socket.resume().on('close', resolve));
  });
  await onLoop(async (loop) => {
    const tls = { tls: { cert: 'none', key: 'none' } };
    await failureOf(new TCPClient().connect('127.0.0.1', port, { loop, tls }));
    t.false(await closed);
  });
  server.close();
});
