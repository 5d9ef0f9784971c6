/** Members of `net.Socket` and `tls.TLSSocket` on a duplex: connecting, timeouts, addresses, TLS. */
import { once } from 'node:events';
import { createServer, Socket as NetSocket, type AddressInfo } from 'node:net';
import test from 'ava';
import {
  IOStream,
  Socket,
  TCPClient,
  TCPServer,
  type SSLIOStream,
  type IOLoop,
  type IOStreamDuplex,
} from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { fixture, portOf } from './helpers/net.js';
import { localPair, tcpStreams } from './helpers/streams.js';
import { REFUSING_PORT } from './helpers/refusing.js';

/** Two connected duplexes. */
async function duplexes(loop: IOLoop): Promise<[IOStreamDuplex, IOStreamDuplex]> {
  const [near, far] = await tcpStreams(loop);
  return [near.toDuplex(), far.toDuplex()];
}

test('connect() of a connected duplex emits connect and ready in the next tick', (t) =>
  onLoop(async (loop) => {
    const [near, far] = await duplexes(loop);
    t.is(near.readyState, 'open');
    const events: string[] = [];
    near.on('ready', () => events.push('ready'));
    // What pg does: the port and the host are those of its configuration.
    near.connect(1, 'name.invalid', () => events.push('connect'));
    t.true(near.connecting);
    t.deepEqual(events, []);
    await once(near, 'ready');
    t.deepEqual(events, ['connect', 'ready']);
    t.is(near.readyState, 'open');
    far.write('still connected');
    t.is(String((await once(near, 'data'))[0]), 'still connected');
    near.destroy();
    far.destroy();
  }));

test('connect() resolves names, takes options, and what was written before is sent', (t) =>
  onLoop(async (loop) => {
    const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const duplex = new IOStream(Socket.tcp(), { loop }).toDuplex();
    const looked = once(duplex, 'lookup');
    duplex.connect({ port: String(port), host: 'localhost' });
    duplex.write('early');
    t.is(duplex.bytesWritten, 5);
    t.deepEqual((await looked).slice(1), ['127.0.0.1', 4, 'localhost']);
    t.is(String((await once(duplex, 'data'))[0]), 'early');
    t.is(duplex.remotePort, port);
    t.is(duplex.address().family, 'IPv4');
    duplex.destroy();
    server.close();
  }));

test('connect() that is refused, or finds no name, is an error and a close', (t) =>
  onLoop(async (loop) => {
    const port = REFUSING_PORT;
    const outcome = async (socket: NetSocket | IOStreamDuplex): Promise<unknown[]> => {
      const seen: unknown[] = [];
      socket.on(
        'error',
        ({ message, code, syscall, address }: NodeJS.ErrnoException & { address?: string }) => {
          seen.push({ message, code, syscall, address });
        },
      );
      socket.connect(port, '127.0.0.1');
      const hadError = await new Promise((resolve) => socket.once('close', resolve));
      return [...seen, hadError, socket.readyState];
    };
    const ours = new IOStream(Socket.tcp(), { loop }).toDuplex();
    t.deepEqual(await outcome(ours), await outcome(new NetSocket()));
    t.throws(() => ours.connect(port), { code: 'ERR_IOLOOP_STREAM_CLOSED' });
    const nameless = new IOStream(Socket.tcp(), { loop }).toDuplex();
    const lookup = (_: string, __: object, done: (error: Error) => void): void => {
      setImmediate(done, Object.assign(new Error('none'), { code: 'ENOTFOUND' }));
    };
    nameless.connect({ port, host: 'name.invalid', lookup: lookup as never });
    await t.throwsAsync(once(nameless, 'ready'), { code: 'ENOTFOUND' });
    const wrong = new IOStream(Socket.tcp(), { loop }).toDuplex();
    t.throws(() => wrong.connect({} as never), { code: 'ERR_INVALID_ARG_VALUE' });
    t.throws(() => wrong.connect(65_536), { code: 'ERR_OUT_OF_RANGE' });
    wrong.destroy();
  }));

test('a stream that is connecting makes a duplex that is', (t) =>
  onLoop(async (loop) => {
    const server = createServer((socket) => socket.end('bye')).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const stream = new IOStream(Socket.tcp(), { loop });
    void stream.connect({ host: '127.0.0.1', port });
    const duplex = stream.toDuplex();
    t.is(duplex.readyState, 'opening');
    await once(duplex, 'connect');
    t.is(String((await once(duplex, 'data'))[0]), 'bye');
    await once(duplex, 'close');
    server.close();
  }));

test('setTimeout() refuses what net.Socket refuses, with the same codes', (t) =>
  onLoop(async (loop) => {
    const [near, far] = await duplexes(loop);
    const attempt = (socket: NetSocket | IOStreamDuplex, args: unknown[]): unknown => {
      try {
        socket.setTimeout(...(args as [number]));
        return socket.timeout;
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const lists = [['1'], [-1], [NaN], [Infinity], [null], [5, 'no function'], [0], [1e6]];
    for (const args of lists)
      t.is(attempt(near, args), attempt(new NetSocket(), args), String(args));
    const never = (): void => t.fail('it was removed');
    near.setTimeout(1000, never).setTimeout(0, never);
    t.is(near.listenerCount('timeout'), 0);
    near.destroy();
    t.is(near.setTimeout(1), near);
    far.destroy();
  }));

test('resetAndDestroy() resets the peer, and is refused on what is not TCP', (t) =>
  onLoop(async (loop) => {
    const [near, far] = await duplexes(loop);
    near.resetAndDestroy();
    await t.throwsAsync(once(far, 'end'), { code: 'ECONNRESET' });
    const [unix, other] = localPair(loop);
    const duplex = unix.toDuplex();
    t.throws(() => duplex.resetAndDestroy(), { code: 'ERR_IOLOOP_UNSUPPORTED' });
    t.deepEqual(duplex.address(), {});
    duplex.destroy();
    other.close();
  }));

test('the close of the stream below destroys the duplex, whether or not it reads', (t) =>
  onLoop(async (loop) => {
    const [near] = await duplexes(loop);
    near.stream.close();
    t.deepEqual(await once(near, 'close'), [false]);
    t.true(near.destroyed);
    const fault = new Error('enough');
    const [other] = await duplexes(loop);
    const failed = once(other, 'end');
    other.stream.close(fault);
    t.is(await t.throwsAsync(failed), fault);
    // With a full buffer no read waits below.
    const [full, sender] = await duplexes(loop);
    sender.on('error', () => {}).write(Buffer.alloc(1_000_000));
    await until(() => full.readableLength > 0 && !full.stream.reading, 'a full buffer');
    full.stream.close();
    t.deepEqual(await once(full, 'close'), [false]);
    sender.destroy();
  }));

test('what a listener throws is an uncaught exception, not a rejection', async (t) => {
  const { runChild } = await import('./helpers/child.js');
  const { stdout } = await runChild(`
    import { IOLoop, IOStream, Socket } from 'ioloop';
    let uncaught = 0;
    process.on('uncaughtException', ({ message }) => {
      console.log('uncaught', message);
      uncaught += 1;
    });
    process.on('unhandledRejection', ({ message }) => console.log('unhandled', message));
    const [near, other] = IOStream.pair();
    const duplex = near.toDuplex();
    duplex.on('data', () => { throw new Error('in data'); });
    duplex.write('x', () => { throw new Error('in write'); });
    await IOLoop.current().runSync(async () => {
      await other.write('y');
      // Both, and what the second could lead to.
      const turn = () => new Promise((resolve) => setImmediate(resolve));
      while (uncaught < 2) await turn();
      for (let count = 0; count < 10; count += 1) await turn();
      duplex.destroy();
    });
  `);
  t.deepEqual(stdout.trim().split('\n').toSorted(), ['uncaught in data', 'uncaught in write']);
});

test('a listener that throws for each chunk, the first included, gets all of them and the end', async (t) => {
  const { runChild } = await import('./helpers/child.js');
  const { stdout } = await runChild(`
    import { IOLoop, IOStream } from 'ioloop';
    process.on('uncaughtException', ({ message }) => console.log(message));
    for (const encoding of [null, 'utf8']) {
      const [near, far] = IOStream.pair();
      const duplex = near.toDuplex();
      if (encoding !== null) duplex.setEncoding(encoding);
      let chunks = 0;
      let ended = false;
      duplex.on('end', () => (ended = true));
      duplex.on('data', (chunk) => {
        chunks += 1;
        throw new Error('thrown for ' + chunk);
      });
      await IOLoop.current().runSync(async () => {
        for (const [count, text] of ['x', 'y', 'z'].entries()) {
          far.send(text);
          while (chunks <= count) await new Promise((resolve) => setImmediate(resolve));
        }
        far.close();
        while (!ended) await new Promise((resolve) => setImmediate(resolve));
        console.log('end');
      }, { timeout: 10 });
    }
  `);
  const lines = ['thrown for x', 'thrown for y', 'thrown for z', 'end'];
  t.deepEqual(stdout.trim().split('\n'), [...lines, ...lines]);
});

test('a listener that throws does not keep the chunks of a turn from the other duplexes', async (t) => {
  const { runChild } = await import('./helpers/child.js');
  const { stdout } = await runChild(`
    import { IOLoop, IOStream } from 'ioloop';
    process.on('uncaughtException', ({ message }) => console.log(message));
    const pairs = [1, 2, 3].map(() => IOStream.pair());
    const duplexes = pairs.map(([near]) => near.toDuplex());
    duplexes.forEach((duplex, at) => {
      duplex.on('data', (chunk) => {
        console.log(at, String(chunk));
        if (at === 0 && String(chunk) === 'y') throw new Error('of the first');
      });
    });
    await IOLoop.current().runSync(async () => {
      for (const [count, text] of ['x', 'y', 'z'].entries()) {
        for (const [, far] of pairs) far.send(text);
        while (duplexes.some(({ bytesRead }) => bytesRead <= count)) {
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
      for (const duplex of duplexes) duplex.destroy();
    });
  `);
  const expected = ['0 x', '0 y', '0 z', '1 x', '1 y', '1 z', '2 x', '2 y', '2 z', 'of the first'];
  t.deepEqual(stdout.trim().split('\n').toSorted(), expected);
});

test('bytesWritten counts bytes, whatever was written, also before it is sent', (t) =>
  onLoop(async (loop) => {
    const [duplex, peer] = await duplexes(loop);
    const writes = [
      [() => duplex.write('\u00e9\u20ac'), 5],
      [() => duplex.write('\u00e9', 'latin1'), 1],
      [() => duplex.write('c3a9', 'hex'), 2],
      [() => duplex.write(Buffer.alloc(100_000)), 100_000],
      [() => duplex.end('x'.repeat(50_000)), 50_000],
    ] as const;
    let sum = 0;
    for (const [write, bytes] of writes) {
      write();
      sum += bytes;
      t.is(duplex.bytesWritten, sum);
    }
    for await (const chunk of peer) void chunk;
    t.is(peer.bytesRead, sum);
    t.is(duplex.bytesWritten, sum);
    peer.destroy();
  }));

test('a maxBufferSize below a chunk is enough: toDuplex() and toWeb()', (t) =>
  onLoop(async (loop) => {
    const limits = { maxBufferSize: 100 };
    const [near, peer] = await tcpStreams(loop, limits, { allowHalfOpen: true });
    const duplex = near.toDuplex();
    void peer.write(Buffer.alloc(10_000, 1));
    let length = 0;
    duplex.on('data', (chunk: Buffer) => (length += chunk.length));
    await until(() => length === 10_000, 'all of it');
    t.is(duplex.bytesRead, 10_000);
    duplex.destroy();
    peer.close();
    const [third, sender] = await tcpStreams(loop, limits, {});
    const { readable } = third.toWeb();
    void sender.write(Buffer.alloc(10_000, 1));
    void sender.end();
    let bytes = 0;
    for await (const chunk of readable) bytes += chunk.length;
    t.is(bytes, 10_000);
  }));

test('over TLS it has the members of tls.TLSSocket', (t) =>
  onLoop(async (loop) => {
    const tls = { cert: fixture('server.pem'), key: fixture('server.key'), ALPNProtocols: ['x'] };
    await using server = new TCPServer({ loop, tls });
    server.listen(0, '127.0.0.1');
    const [client, { value: stream }] = await Promise.all([
      new TCPClient().connect('127.0.0.1', portOf(server), {
        loop,
        tls: { tls: { rejectUnauthorized: false, ALPNProtocols: ['x'] } },
      }),
      server[Symbol.asyncIterator]().next(),
    ]);
    const duplex = (client as SSLIOStream).toDuplex();
    t.true(duplex.encrypted);
    t.is(duplex.alpnProtocol, 'x');
    t.is(duplex.authorized, false);
    t.is(duplex.getProtocol(), 'TLSv1.3');
    t.truthy(duplex.getPeerCertificate().subject);
    t.is(duplex.remotePort, portOf(server));
    const peer = (stream as IOStream).toDuplex();
    t.is(peer.remoteAddress, '127.0.0.1');
    duplex.end('over TLS');
    let text = '';
    peer.on('data', (chunk: Buffer) => (text += String(chunk)));
    await once(peer, 'close');
    t.is(text, 'over TLS');
    t.is(peer.bytesRead, 8);
    if (!duplex.destroyed) await once(duplex, 'close');
  }));
