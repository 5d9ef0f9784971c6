/** EOF: the errors of reads that find it, which are not failures of a server's handler. */
import test from 'ava';
import { IOStream, StreamClosedError, TCPServer } from 'ioloop';
import { onLoop } from './helpers/loop.js';
import { addressOf, connectTo } from './helpers/net.js';
import { failureOf, turns, withPair } from './helpers/streams.js';

for (const allowHalfOpen of [true, false]) {
  test(`a line server, allowHalfOpen: ${allowHalfOpen}: a client that ends is not reported`, (t) =>
    onLoop(async (loop) => {
      const server = new TCPServer({
        loop,
        allowHalfOpen,
        async handleStream(stream) {
          for (;;) await stream.write(['you said: ', await stream.readUntil('\n')]);
        },
      });
      server.listen(0, '127.0.0.1');
      for (let count = 0; count < 5; count += 1) {
        const client = await connectTo(loop, addressOf(server), { allowHalfOpen: true });
        await client.write('hello\n');
        t.is(String(await client.readUntil('\n')), 'you said: hello\n');
        await client.shutdownWrite();
        t.is(String(await client.readUntilClose()), '');
        client.close();
      }
      await server.stop({ drain: true, timeout: 5 });
      t.deepEqual(loop.errors, []);
    }));
}

const reads: Record<string, (stream: IOStream) => Promise<unknown>> = {
  readBytes: (stream) => stream.readBytes(8),
  'readBytes, a large one': (stream) => stream.readBytes(100_000),
  readInto: (stream) => stream.readInto(new Uint8Array(8)),
  readUntil: (stream) => stream.readUntil('\n'),
  readUntilRegex: (stream) => stream.readUntilRegex(/\n/),
  peek: (stream) => stream.peek(8),
};

for (const [name, read] of Object.entries(reads)) {
  test(`${name} at EOF of a stream that stays open: the message does not say closed`, (t) =>
    withPair(
      async (near, far) => {
        const waiting = failureOf(read(near));
        await far.write('abc');
        await far.shutdownWrite();
        for (const error of [await waiting, await failureOf(read(near))]) {
          t.true(error instanceof StreamClosedError);
          t.is(error.code, 'ERR_IOLOOP_STREAM_ENDED');
          t.notRegex(error.message, /closed/);
          t.is((error as StreamClosedError).realError, null);
        }
        t.false(near.closed);
        t.is(String(await near.readBytes(3)), 'abc');
        await near.write('late');
        t.is(String(await far.readBytes(4)), 'late');
        near.close();
        t.regex((await failureOf(read(near))).message, /^Stream is closed$/);
      },
      { allowHalfOpen: true },
    ));

  test(`${name} at EOF of a stream that it closes: the peer is named`, (t) =>
    withPair(async (near, far) => {
      const waiting = failureOf(read(near));
      await far.shutdownWrite();
      for (const error of [await waiting, await failureOf(read(near))]) {
        t.is(error.code, 'ERR_IOLOOP_STREAM_CLOSED');
        t.regex(error.message, /^Stream is closed: its peer has ended it/);
      }
      t.true(near.closed);
      t.is(near.error, null);
    }));
}

test('a stream that was closed here does not blame its peer', (t) =>
  withPair(async (near) => {
    const waiting = failureOf(near.readBytes(1));
    near.close();
    t.is((await waiting).message, 'Stream is closed');
    await turns(near);
    t.is((await failureOf(near.write('x'))).message, 'Stream is closed');
  }));
