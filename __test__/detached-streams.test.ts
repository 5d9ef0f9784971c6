/** `IOStream.detach()` and `IOStream.attach()`: unread bytes, what has ended, options, refusals. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, writeSync } from 'node:fs';
import { inspect } from 'node:util';
import test from 'ava';
import { descriptorOf } from '#internal';
import { IOLoop, IOStream, Socket, TCPServer, type DetachedToken } from 'ioloop';
import { testWith } from './helpers/conditions.js';
import { pairAt, pipe, tcpPair, until } from './helpers/fds.js';
import { onLoop, withLoop } from './helpers/loop.js';
import { BINARY_HEADER, CLIENT } from './helpers/proxy-headers.js';
import { caught, listener, owned, pair } from './helpers/sockets.js';
import { closedBy, failureOf, turns, withPair, withTcpPair } from './helpers/streams.js';
import { securePair } from './helpers/tls.js';

/** The stream, moved once within its thread, to its loop. */
function moved(stream: IOStream, loop: IOLoop = stream.loop): IOStream {
  return IOStream.attach(structuredClone(stream.detach()), { loop });
}

test('unread bytes move, before those in the kernel', (t) =>
  withTcpPair(async (near, far) => {
    await far.write('first second third');
    t.is(String(await near.readBytes(5)), 'first');
    const unread = near.readBufferSize;
    t.true(unread > 0);
    const token = near.detach();
    t.is(near.readBufferSize, 0);
    await far.write(' fourth');
    const attached = IOStream.attach(token, { loop: near.loop });
    t.is(attached.readBufferSize, unread);
    t.is(String(await attached.readBytes(20)), ' second third fourth');
    attached.close();
  }));

test('a stream works on after it has moved, to another loop of the thread too', (t) =>
  withTcpPair(async (near, far, loop) => {
    const other = new IOLoop({ makeCurrent: false });
    const done = other.start();
    const there = moved(near, other);
    const reading = there.readBytes(4);
    await far.write('ping');
    t.is(String(await reading), 'ping');
    await there.write('pong');
    t.is(String(await far.readBytes(4)), 'pong');
    const back = moved(there, loop);
    await back.write('back');
    t.is(String(await far.readBytes(4)), 'back');
    other.stop();
    await done;
    other.close();
    t.false(back.closed, 'the end of a loop that it has left is nothing to it');
    back.close();
  }));

test('every use of a detached stream fails by code, except close() and end()', (t) =>
  withPair(async (near, far) => {
    await far.write('unread');
    await near.peek(6);
    const attached = moved(near);
    const uses: (() => unknown)[] = [
      () => near.readBytes(1),
      () => near.readBytes(1, { partial: true }),
      () => near.readInto(Buffer.alloc(1)),
      // Of no bytes, for which others do not look at the stream.
      () => near.readBytes(0),
      () => near.readInto(Buffer.alloc(0)),
      () => near.peek(0),
      () => near.write(''),
      () => near.readUntil('\n'),
      () => near.readUntilRegex(/x/),
      () => near.readUntilClose(),
      () => near.peek(),
      () => near.chunks().next(),
      () => near.write('x'),
      () => near.drain(),
      () => near.shutdownWrite(),
      () => near.connect({ path: '\0x' }),
      () => near.startTls(),
      () => near.readBytes(1, { timeout: 1 }),
      () => near.detach(),
      () => near.toDuplex(),
      () => near.toWeb(),
      () => near.setCloseCallback(() => {}),
      () => near.setNodelay(true),
      () => near.setKeepalive(true),
      () => near.socket?.recv(1),
    ];
    for (const use of uses) {
      const error = await failureOf((async () => use())());
      t.is(error.code, 'ERR_IOLOOP_DETACHED', String(use));
    }
    t.true(near.closed);
    t.is(near.error, null);
    t.is(near.fileno(), -1);
    await near.end();
    near.close();
    near.close(new Error('not for the attached one'));
    t.is(String(await attached.readBytes(6)), 'unread');
    attached.close();
  }));

test('a detached stream that has found EOF fails too', (t) =>
  withPair(
    async (near, far) => {
      await far.shutdownWrite();
      t.is((await near.readUntilClose()).length, 0);
      const attached = moved(near);
      t.is((await failureOf(near.readUntilClose())).code, 'ERR_IOLOOP_DETACHED');
      t.is((await failureOf(near.chunks().next())).code, 'ERR_IOLOOP_DETACHED');
      attached.close();
    },
    { allowHalfOpen: true },
  ));

test('the close callback is not called, and is not moved', (t) =>
  withPair(async (near) => {
    let calls = 0;
    near.setCloseCallback(() => (calls += 1));
    const attached = moved(near);
    await turns(attached);
    attached.close();
    await turns(attached);
    t.is(calls, 0);
  }));

test('EOF that was found moves', (t) =>
  withTcpPair(
    async (near, far) => {
      await far.write('rest');
      await far.shutdownWrite();
      await near.peek(4);
      await turns(near, 10);
      t.true(near.ended);
      const attached = moved(near);
      t.true(attached.ended);
      t.false(attached.closed);
      t.is(String(await attached.readUntilClose()), 'rest');
      t.is((await failureOf(attached.readBytes(1))).code, 'ERR_IOLOOP_STREAM_ENDED');
      await attached.write('answer');
      await attached.end();
      t.is(String(await far.readUntilClose()), 'answer');
    },
    { allowHalfOpen: true },
  ));

test('EOF that is in the kernel is found afterwards, after the data', (t) =>
  withTcpPair(async (near, far) => {
    const token = near.detach();
    await far.write('data');
    await far.shutdownWrite();
    const attached = IOStream.attach(token, { loop: near.loop });
    t.is(String(await attached.readUntilClose()), 'data');
    t.true(attached.closed);
  }));

test('a writing side that has ended stays ended, and EOF ends the stream', (t) =>
  withTcpPair(async (near, far) => {
    await near.shutdownWrite();
    const attached = moved(near);
    t.is((await failureOf(attached.write('x'))).code, 'ERR_IOLOOP_STREAM_CLOSED');
    await attached.shutdownWrite();
    await far.write('late');
    t.is(String(await attached.readBytes(4)), 'late');
    t.is((await far.readUntilClose()).length, 0);
    far.close();
    t.is((await attached.readUntilClose()).length, 0);
    t.true(attached.closed);
    t.is(attached.error, null);
  }));

test('both sides ended while it was detached: the data are there', (t) =>
  withTcpPair(async (near, far) => {
    await near.shutdownWrite();
    await far.readUntilClose();
    const token = near.detach();
    await far.write('last');
    await far.end();
    const attached = IOStream.attach(token, { loop: near.loop });
    t.is(String(await attached.readUntilClose()), 'last');
    t.true(attached.closed);
    t.is(attached.error, null);
  }));

test('a reset while it was detached closes the attached stream with it', (t) =>
  withTcpPair(async (near, far) => {
    const token = near.detach();
    far.socket?.setOption('linger', 0);
    far.close();
    const attached = IOStream.attach(token, { loop: near.loop });
    t.is((await closedBy(attached.readBytes(1)))?.code, 'ECONNRESET');
  }));

test('options move, and those that are given replace them', (t) =>
  withPair(
    async (near, far) => {
      await far.write('x'.repeat(100));
      await near.peek(64);
      const attached = moved(near);
      t.is((await failureOf(attached.readBytes(129))).code, 'ERR_OUT_OF_RANGE');
      t.is((await failureOf(attached.write('y'.repeat(301)))).code, 'ERR_IOLOOP_BUFFER_FULL');
      const given = {
        loop: near.loop,
        maxBufferSize: 1000,
        highWaterMark: 50,
        allowHalfOpen: true,
      };
      const again = IOStream.attach(attached.detach(), given);
      t.is((await failureOf(again.write('y'.repeat(301)))).code, 'ERR_IOLOOP_BUFFER_FULL');
      t.is((await failureOf(again.readBytes(1001))).code, 'ERR_OUT_OF_RANGE');
      t.is((await again.readBytes(100)).length, 100);
      await far.shutdownWrite();
      await again.readUntilClose();
      t.false(again.closed);
      again.close();
    },
    { maxBufferSize: 128, maxWriteBufferSize: 300, highWaterMark: 200, lowWaterMark: 190 },
  ));

test('wrong options are refused, and the token can still be attached', (t) =>
  withPair(async (near, far, loop) => {
    await far.write('unread bytes');
    await near.peek(12);
    const token = near.detach();
    const closed = new IOLoop({ makeCurrent: false });
    closed.close();
    const refusals: [object, string][] = [
      [{ loop, maxBufferSize: 0 }, 'ERR_OUT_OF_RANGE'],
      [{ loop, maxBufferSize: 11 }, 'ERR_OUT_OF_RANGE'],
      [{ loop, lowWaterMark: 2 ** 20 }, 'ERR_OUT_OF_RANGE'],
      [{ loop, allowHalfOpen: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ loop: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ loop: closed }, 'ERR_IOLOOP_CLOSED'],
    ];
    for (const [options, code] of refusals) {
      t.is(caught(() => IOStream.attach(token, options)).code, code as string);
    }
    t.is(caught(() => IOStream.attach(token, null as never)).code, 'ERR_INVALID_ARG_TYPE');
    t.is(caught(() => Socket.attach(token as never)).code, 'ERR_INVALID_ARG_VALUE');
    const attached = IOStream.attach(token, { loop });
    t.is(String(await attached.readBytes(12)), 'unread bytes');
    attached.close();
  }));

test('a read that waits is a refusal, and goes on', (t) =>
  withPair(async (near, far) => {
    const read = near.readBytes(4);
    const error = caught(() => near.detach());
    t.is(error.code, 'ERR_IOLOOP_STREAM_BUSY');
    t.regex(error.message, /readBytes/);
    await far.write('data');
    t.is(String(await read), 'data');
    moved(near).close();
  }));

test('bytes of a cancelled read move', (t) =>
  withPair(async (near, far) => {
    const controller = new AbortController();
    const read = near.readInto(Buffer.alloc(20_000), { signal: controller.signal });
    await far.write('part');
    await turns(near);
    controller.abort();
    t.is((await failureOf(read)).name, 'AbortError');
    const attached = moved(near);
    t.is(String(await attached.readBytes(4)), 'part');
    attached.close();
  }));

test('bytes that were written in this tick are sent first', (t) =>
  withPair(async (near, far) => {
    const written = near.write('small');
    const attached = moved(near);
    await written;
    await attached.write(' and more');
    t.is(String(await far.readBytes(14)), 'small and more');
    attached.close();
  }));

test('unsent bytes are a refusal with their number, and are sent', (t) =>
  withPair(async (near, far) => {
    const size = 1 << 22;
    const written = near.write(Buffer.alloc(size, 'x'));
    const error = caught(() => near.detach());
    t.is(error.code, 'ERR_IOLOOP_STREAM_BUSY');
    t.regex(error.message, RegExp(`${size} bytes are unsent`));
    t.is((await far.readBytes(size)).length, size);
    await written;
    moved(near).close();
  }));

test('a FIN that is not sent is a refusal', (t) =>
  withPair(async (near, far) => {
    const size = 1 << 22;
    const written = near.write(Buffer.alloc(size));
    const ending = near.shutdownWrite();
    t.is(caught(() => near.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
    t.is((await far.readUntilClose()).length, size);
    await written;
    await ending;
    moved(near).close();
  }));

test('a stream that is not connected, or connecting, is a refusal', (t) =>
  onLoop(async (loop) => {
    const stream = new IOStream(owned(t, Socket.tcp()), { loop });
    t.is(caught(() => stream.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
    const server = owned(t, Socket.tcp());
    server.bind({ host: '127.0.0.1', port: 0 });
    server.listen();
    const connecting = stream.connect(server.localAddress);
    t.is(caught(() => stream.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
    await connecting;
    moved(stream).close();
  }));

test('a closed stream is a refusal, and its bytes can be read', (t) =>
  withPair(async (near, far) => {
    await far.write('rest');
    await near.peek(4);
    far.close();
    await turns(near, 10);
    t.is(caught(() => near.detach()).code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.is(String(await near.readBytes(4)), 'rest');
  }));

test('a stream with TLS, and one that a duplex or web streams have, are refusals', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await securePair(loop);
    t.is(caught(() => client.detach()).code, 'ERR_IOLOOP_UNSUPPORTED');
    client.close();
    server.close();
    const [first, second] = pair(t).map((socket) => new IOStream(socket, { loop }));
    const duplex = first?.toDuplex();
    t.is(caught(() => first?.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
    const web = second?.toWeb();
    t.is(caught(() => second?.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
    duplex?.destroy();
    await web?.writable.abort();
    second?.close();
  }));

test('a stream whose socket has a handler in another loop is a refusal', (t) =>
  withPair(async (near) => {
    await withLoop((other) => {
      const socket = near.socket as Socket;
      other.addHandler(socket, () => {}, IOLoop.READ);
      t.is(caught(() => near.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
      other.removeHandler(socket);
    });
    moved(near).close();
  }));

test('a handler that was there before the stream, and is removed, is nothing to it', (t) =>
  withLoop(async (other) => {
    const [socket] = pair(t);
    other.addHandler(socket, () => {}, IOLoop.READ);
    await withLoop((loop) => {
      const near = new IOStream(socket, { loop });
      other.removeHandler(socket);
      moved(near).close();
    });
    t.true(socket.closed);
  }));

/**
 * Calls `act` in a callback of the turn that has received for `stream`, before that is dispatched. A
 * read waits, so that the turn receives; `act` finds it cancelled.
 */
function inTurn<T>(stream: IOStream, send: () => unknown, act: () => T): Promise<T> {
  const { loop } = stream;
  return new Promise((resolve, reject) => {
    const controller = new AbortController();
    stream.readUntil('\n', { signal: controller.signal }).catch(() => {});
    loop.addCallback(() => {
      send();
      loop.addCallback(() => {
        controller.abort();
        try {
          resolve(act());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  });
}

test('bytes that the turn has received, and not dispatched, move', (t) =>
  withPair(async (near, far, loop) => {
    const socket = far.socket as Socket;
    let buffered = 0;
    const token = await inTurn(
      near,
      () => socket.send('in this turn'),
      () => {
        buffered = near.readBufferSize;
        return near.detach();
      },
    );
    t.true(buffered > 0);
    const attached = IOStream.attach(token, { loop });
    t.is(String(await attached.readBytes(12)), 'in this turn');
    attached.close();
  }));

test('EOF that the turn has received, and not dispatched, is found again', (t) =>
  withTcpPair(async (near, far, loop) => {
    const token = await inTurn(
      near,
      () => far.socket?.shutdown('write'),
      () => near.detach(),
    );
    const attached = IOStream.attach(token, { loop });
    t.is((await attached.readUntilClose()).length, 0);
    t.true(attached.closed);
    t.is(attached.error, null);
  }));

test('a reset that the turn has received, and not dispatched, is the error of detach()', (t) =>
  withTcpPair(async (near, far) => {
    const abort = (): void => {
      far.socket?.setOption('linger', 0);
      far.close();
    };
    const error = await failureOf(inTurn(near, abort, () => near.detach()));
    t.is(error.code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.is((error.cause as NodeJS.ErrnoException).code, 'ECONNRESET');
    t.true(near.closed);
    t.is((near.error as NodeJS.ErrnoException | null)?.code, 'ECONNRESET');
  }));

test('several streams move in one turn, in which all have data', (t) =>
  onLoop(async (loop) => {
    const count = 20;
    const pairs = Array.from({ length: count }, () =>
      pair(t).map((socket) => new IOStream(socket, { loop })),
    ) as [IOStream, IOStream][];
    const reads = pairs.map(([near]) => near.readBytes(1));
    await Promise.all(pairs.map(([, far], at) => far.write(`x${at}.`)));
    await Promise.all(reads);
    const tokens = pairs.map(([near]) => near.detach());
    // In another order than that of the numbers.
    const attached = tokens.toReversed().map((token) => IOStream.attach(token, { loop }));
    const texts = await Promise.all(attached.map((stream) => stream.readUntil('.')));
    t.deepEqual(
      texts.map(String),
      Array.from({ length: count }, (_, at) => `${count - 1 - at}.`),
    );
    for (const stream of attached) stream.close();
    for (const [, far] of pairs) far.close();
  }));

test('in the continuation of a read, with more in the buffer and in the kernel', (t) =>
  withTcpPair(async (near, far) => {
    const size = 300_000;
    const data = Buffer.from(Array.from({ length: size }, (_, at) => at % 251));
    void far.write(data);
    let stream = near;
    const parts: Buffer[] = [];
    for (let count = 0; count < size;) {
      const part = await stream.readBytes(Math.min(1 + (count % 5_000), size - count), {
        partial: true,
        copy: true,
      });
      parts.push(part);
      count += part.length;
      stream = moved(stream);
    }
    t.deepEqual(Buffer.concat(parts), data);
    stream.close();
  }));

/** Sends "before", "!" as urgent data, and "after" to its standard input's end. */
const URGENT = `
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.send(b'before')
s.send(b'!', socket.MSG_OOB)
s.send(b'after')
sys.stdin.read()
`;

for (const when of ['before', 'after'] as const) {
  testWith('python3')(`urgent data that have come ${when} the move cost no bytes`, (t) =>
    onLoop(async (loop) => {
      const server = listener(t);
      const { port } = server.localAddress as { port: number };
      const sender = spawn('python3', ['-c', URGENT, String(port)], {
        stdio: ['pipe', 'inherit', 'inherit'],
      });
      let connection = server.accept();
      await until(() => (connection ??= server.accept()) !== null, 'the sender');
      let stream = new IOStream((connection as unknown as [Socket])[0], { loop });
      if (when === 'after') stream = moved(stream);
      // The reading stops at the mark.
      t.is(String(await stream.readBytes(6)), 'before');
      if (when === 'before') stream = moved(stream);
      t.is(String(await stream.readBytes(5)), 'after');
      sender.stdin.end();
      t.is((await stream.readUntilClose()).length, 0);
    }),
  );
}

test('a pipe moves, with its records', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipe();
    const near = IOStream.fromFd(reader, { loop });
    const far = IOStream.fromFd(writer, { loop });
    await far.write('through a pipe');
    t.is(String(await near.readBytes(7)), 'through');
    const attached = moved(near);
    t.is(attached.socket, null);
    t.is(String(await attached.readBytes(7)), ' a pipe');
    const end = moved(far);
    await end.write('more');
    end.close();
    t.is(String(await attached.readUntilClose()), 'more');
  }));

test('a stream whose number was read has another one afterwards', (t) =>
  withTcpPair(async (near, far) => {
    const number = near.fileno();
    const attached = moved(near);
    t.not(descriptorOf(attached.socket)?.use(), number);
    t.false(descriptorOf(attached.socket)?.isExposed);
    // The number is free: the loop does not take its next file for the stream.
    const other = pairAt(number);
    other.peer.send('not for the stream');
    await far.write('for the stream');
    t.is(String(await attached.readBytes(14)), 'for the stream');
    await turns(attached);
    t.is(attached.readBufferSize, 0);
    other.close();
    attached.close();
  }));

test('an object with a descriptor is closed, and the stream moves', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipe();
    let closed = 0;
    const file = {
      fileno: () => (closed > 0 ? -1 : reader),
      close: () => {
        closed += 1;
        closeSync(reader);
      },
    };
    const attached = moved(IOStream.fromFd(file, { loop }));
    t.is(closed, 1);
    writeSync(writer, 'data');
    closeSync(writer);
    t.is(String(await attached.readUntilClose()), 'data');
    t.is(closed, 1);
  }));

test('many unread bytes move', (t) =>
  withPair(async (near, far) => {
    const size = 5_000_000;
    const data = Buffer.from(Array.from({ length: size }, (_, at) => (at * 31) % 253));
    const controller = new AbortController();
    const read = failureOf(near.readUntilClose({ signal: controller.signal }));
    await far.write(data);
    await until(() => near.readBufferSize === size, 'all bytes');
    controller.abort();
    await read;
    const attached = moved(moved(near));
    t.is(attached.readBufferSize, size);
    await far.shutdownWrite();
    t.true((await attached.readUntilClose()).equals(data));
  }));

test('the header of the PROXY protocol moves', (t) =>
  onLoop(async (loop) => {
    const streams: IOStream[] = [];
    const server = new TCPServer({
      loop,
      proxyProtocol: { trust: ['127.0.0.0/8'] },
      handleStream: (stream) => {
        streams.push(stream);
      },
    });
    server.listen(0, '127.0.0.1');
    const client = new IOStream(owned(t, Socket.tcp()), { loop });
    await client.connect({ host: '127.0.0.1', port: server.port });
    await client.write([BINARY_HEADER, 'first bytes']);
    await until(() => streams.length > 0, 'the connection');
    const [near] = streams as [IOStream];
    const header = near.proxyHeader;
    const attached = moved(near);
    t.deepEqual(attached.proxyHeader, header);
    t.deepEqual(attached.proxyHeader?.source, CLIENT);
    t.true(Buffer.isBuffer(attached.proxyHeader?.tlvs[0]?.value));
    t.is(String(await attached.readBytes(11)), 'first bytes');
    attached.close();
    client.close();
    await server.stop();
  }));

test('the current loop is the default of attach()', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    loop.makeCurrent();
    const stream = IOStream.attach(near.detach());
    IOLoop.clearCurrent();
    t.is(stream.loop, loop);
    far.send('x');
    t.is(String(await stream.readBytes(1)), 'x');
    stream.close();
  }));

test('a detached stream shows its state', (t) =>
  withPair((near) => {
    const attached = moved(near);
    t.regex(inspect(near), /fd: -1,\s+state: 'detached',\s+reading: null/);
    t.regex(inspect(attached), /fd: \d+,\s+remote/);
    attached.close();
    return Promise.resolve();
  }));

test('the old loop watches the connection no longer, the new one does', (t) =>
  withPair(async (near, _, loop) => {
    await withLoop((other) => {
      const before = loop.metrics().streams;
      const attached = moved(near, other);
      t.is(loop.metrics().streams, before - 1);
      t.is(other.metrics().streams, 1);
      attached.close();
    });
  }));

test("a stream of Node's moves as a duplicate, and is destroyed", (t) =>
  onLoop(async (loop) => {
    const child = spawn('sh', ['-c', 'echo one; read line; echo "two $line"'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const stream = IOStream.fromFd(child.stdout, { loop });
    t.is(String(await stream.readUntil('\n')), 'one\n');
    const attached = moved(stream);
    t.true(child.stdout.destroyed);
    const exit = once(child, 'exit');
    child.stdin.end('three\n');
    t.is(String(await attached.readUntilClose()), 'two three\n');
    await exit;
  }));

test('a stream of a socket token is a stream of that socket', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await tcpPair();
    owned(t, client);
    const stream = IOStream.attach(server.detach(), { loop, maxBufferSize: 100 });
    client.send('hello');
    t.is(String(await stream.readBytes(5)), 'hello');
    t.is((await failureOf(stream.readBytes(101))).code, 'ERR_OUT_OF_RANGE');
    stream.close();
  }));

test('a server counts a detached connection no longer', (t) =>
  onLoop(async (loop) => {
    const tokens: DetachedToken<'stream'>[] = [];
    const server = new TCPServer({
      loop,
      async handleStream(stream) {
        await stream.readUntil('\n');
        tokens.push(stream.detach());
      },
    });
    server.listen(0, '127.0.0.1');
    const socket = Socket.tcp();
    socket.connect({ host: '127.0.0.1', port: server.port });
    const client = IOStream.attach(socket.detach(), { loop });
    await client.write('go\nhello');
    await until(() => tokens.length > 0, 'the token');
    t.is(server.connections, 0);
    await server.stop({ drain: true, timeout: 5 });
    const stream = IOStream.attach(tokens[0] as DetachedToken, { loop });
    t.is(String(await stream.readBytes(5)), 'hello');
    client.close();
    stream.close();
  }));
