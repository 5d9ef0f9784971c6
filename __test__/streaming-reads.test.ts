/** `streamingCallback` of reads, and `send()`: a stream without a promise for each message. */
import test from 'ava';
import { closedBy, failureOf, turns, withPair } from './helpers/streams.js';
import { onLoop } from './helpers/loop.js';
import { securePair } from './helpers/tls.js';

test('readBytes() gives its bytes in chunks, and no more than it was asked for', (t) =>
  withPair(
    async (near, far) => {
      void far.write(Buffer.alloc(1_000_000, 'x'));
      void far.write('tail\n');
      let got = 0;
      const chunks: number[] = [];
      const streamingCallback = (chunk: Buffer): void => {
        got += chunk.length;
        chunks.push(chunk.length);
      };
      // Beyond maxBufferSize: nothing is collected.
      t.is((await near.readBytes(1_000_000, { streamingCallback })).length, 0);
      t.is(got, 1_000_000);
      t.true(Math.max(...chunks) <= 16_384);
      t.is(String(await near.readUntil('\n')), 'tail\n');
      t.is((await near.readBytes(0, { streamingCallback })).length, 0);
    },
    { maxBufferSize: 100_000, readChunkSize: 16_384 },
  ));

test('readUntilClose() gives its bytes in chunks; the next one waits for the promise of one', (t) =>
  withPair(async (near, far) => {
    void far.write(Buffer.alloc(300_000)).then(() => far.end());
    let running = 0;
    let got = 0;
    const rest = await near.readUntilClose({
      copy: true,
      streamingCallback: async (chunk) => {
        running += 1;
        t.is(running, 1);
        await turns(far, 1);
        got += chunk.length;
        running -= 1;
      },
    });
    t.is(rest.length, 0);
    t.is(got, 300_000);
  }));

test('an exception of the callback closes the stream, and is that of the read', async (t) => {
  for (const isLate of [false, true]) {
    await withPair(async (near, far) => {
      const fault = new Error('not this chunk');
      void far.write('x');
      const read = near.readUntilClose({
        streamingCallback: () => {
          if (isLate) return Promise.reject(fault);
          throw fault;
        },
      });
      t.is(await failureOf(read), fault as NodeJS.ErrnoException);
      t.is(near.error, fault);
    });
  }
});

test('other reads are refused meanwhile, and work afterwards', (t) =>
  withPair(async (near, far) => {
    void far.write('abcdef');
    const codes: unknown[] = [];
    const streamingCallback = async (): Promise<void> => {
      codes.push((await failureOf(near.readBytes(1))).code);
    };
    const first = near.readBytes(3, { streamingCallback });
    t.is((await failureOf(near.readBytes(1))).code, 'ERR_IOLOOP_READING');
    await first;
    t.deepEqual(codes, ['ERR_IOLOOP_READING']);
    const waiting = near.readBytes(10);
    t.is((await failureOf(near.readBytes(1, { streamingCallback }))).code, 'ERR_IOLOOP_READING');
    void far.write('1234567');
    t.is(String(await waiting), 'def1234567');
  }));

test('a refusal that comes to light after the end changes nothing', (t) =>
  withPair(async (near, far) => {
    await far.write('ab');
    const refused: Promise<Error>[] = [];
    const streamingCallback = (): void => {
      // After the callback, and before the end of its read.
      queueMicrotask(() => {
        refused.push(failureOf(near.readBytes(1, { streamingCallback: () => {} })));
      });
    };
    await near.readBytes(1, { streamingCallback });
    t.is(((await refused[0]) as { code?: unknown }).code, 'ERR_IOLOOP_READING');
    t.is(String(await near.readBytes(1)), 'b');
  }));

test('an abort and a close end it', (t) =>
  withPair(async (near, far) => {
    const chunks: string[] = [];
    const streamingCallback = (chunk: Buffer): unknown => chunks.push(String(chunk));
    void far.write('abc');
    const abort = new AbortController();
    const aborting = (chunk: Buffer): void => {
      streamingCallback(chunk);
      abort.abort(new Error('enough'));
    };
    const read = near.readBytes(5, { streamingCallback: aborting, signal: abort.signal });
    t.is((await failureOf(read)).message, 'enough');
    t.deepEqual(chunks, ['abc']);
    void far.write('de');
    t.is(String(await near.readBytes(2)), 'de');
    const last = closedBy(near.readBytes(5, { streamingCallback }));
    near.close();
    t.is(await last, null);
  }));

test('wrong options are refused', (t) =>
  withPair(async (near) => {
    const code = async (promise: Promise<unknown>): Promise<unknown> =>
      (await failureOf(promise)).code;
    const streamingCallback = (): void => {};
    t.is(
      await code(near.readUntilClose({ streamingCallback: 5 as never })),
      'ERR_INVALID_ARG_TYPE',
    );
    t.is(
      await code(near.readBytes(5, { streamingCallback, partial: true })),
      'ERR_INVALID_ARG_VALUE',
    );
    t.is(await code(near.readBytes(-1, { streamingCallback })), 'ERR_OUT_OF_RANGE');
    t.false(near.closed);
  }));

test('send(): true while there is room, false above the watermark and once closed', (t) =>
  withPair(async (near, far) => {
    t.true(near.send('a'));
    t.true(near.send(['b', Buffer.from('c')]));
    t.throws(() => near.send(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    t.is(String(await far.readBytes(3)), 'abc');
    t.false(near.send(Buffer.alloc(4_000_000)));
    t.false(near.send('end'));
    t.is((await far.readBytes(4_000_003)).subarray(-3).toString(), 'end');
    await near.drain();
    t.true(near.send('x'));
    near.close();
    t.false(near.send('late'));
  }));

test('send() and write() of one tick keep their order, and the promise is that of all', (t) =>
  withPair(async (near, far) => {
    near.send('1');
    const written = near.write('2');
    near.send('3');
    await written;
    t.is(String(await far.readBytes(3)), '123');
  }));

test('over TLS, too', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await securePair(loop);
    t.true(client.send('hello '));
    t.true(client.send('world'));
    const chunks: string[] = [];
    await server.readBytes(11, { streamingCallback: (chunk) => chunks.push(String(chunk)) });
    t.is(chunks.join(''), 'hello world');
    client.close();
    server.close();
  }));
