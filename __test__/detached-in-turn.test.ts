/** `IOStream.detach()` in the turn that has received for the stream, and in callbacks. */
import { spawn } from 'node:child_process';
import test from 'ava';
import { IOStream, Socket } from 'ioloop';
import { testWith } from './helpers/conditions.js';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { moved } from './helpers/detached.js';
import { listener, pair } from './helpers/sockets.js';
import { failureOf, withPair, withTcpPair } from './helpers/streams.js';

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
