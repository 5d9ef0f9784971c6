/** Writes that fail or are refused. */
import test from 'ava';
import { StreamClosedError } from 'ioloop';
import { runChild } from './helpers/child.js';
import { reset } from './helpers/net.js';
import { closedBy, failureOf, turns, withPair, withTcpPair } from './helpers/streams.js';

/** More than the kernel takes for a peer that does not read. */
const PLENTY = 8_000_000;

test('a write to a peer that is gone: EPIPE or ECONNRESET, and the process lives', async (t) => {
  await withPair(async (near, far) => {
    far.close();
    // The peer's end is not noticed before the loop turns.
    const realError = await closedBy(near.write('into the void'));
    t.is(realError?.code, 'EPIPE');
    t.is(near.error, realError);
    t.is(await closedBy(near.write('more')), realError);
  });
  await withTcpPair(async (near, far) => {
    reset(far);
    t.true(['EPIPE', 'ECONNRESET'].includes((await closedBy(near.write('x')))?.code ?? ''));
  });
});

test('all that waits fails with what closed the stream', (t) =>
  withTcpPair(async (near, far) => {
    const waiting = [
      near.write(Buffer.alloc(PLENTY)),
      near.write('behind'),
      near.drain(),
      near.readBytes(1),
      near.shutdownWrite(),
    ];
    await turns(near);
    reset(far);
    const [first = null, ...others] = await Promise.all(waiting.map(closedBy));
    t.true(first?.code === 'ECONNRESET' || first?.code === 'EPIPE', String(first));
    for (const other of others) t.is(other, first);
  }));

test('a write need not be awaited: its failure is not an unhandled rejection', async (t) => {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => {
    unhandled.push(error);
  };
  process.on('unhandledRejection', note);
  try {
    await withTcpPair(async (near, far) => {
      void near.write(Buffer.alloc(PLENTY));
      void near.write('behind');
      reset(far);
      await turns(near);
      t.true(near.closed);
      void near.drain().catch(() => {});
      await new Promise((resolve) => setImmediate(resolve));
    });
    t.deepEqual(unhandled, []);
  } finally {
    process.off('unhandledRejection', note);
  }
});

test('writes to a connection that its peer has closed need not be awaited either', async (t) => {
  const { stdout, stderr, code } = await runChild(`
    import { IOLoop, IOStream, Socket } from 'ioloop';
    await new IOLoop().runSync(async () => {
      const [stream, far] = IOStream.pair();
      far.close();
      const ending = IOStream.pair()[0];
      void ending.write(Buffer.alloc(8e6));
      void ending.end();
      ending.close(new Error('meanwhile'));
      await stream.readUntilClose();
      stream.close();
      void stream.write('x');
      void stream.write('x', { timeout: 60 });
      for (const attempt of ['drain', 'shutdownWrite', 'end']) {
        void stream[attempt]();
        void stream[attempt]({ timeout: 60 });
      }
      await new Promise(setImmediate);
      console.log('lives');
    });
  `);
  t.is(stdout, 'lives\n', stderr);
  t.is(code, 0);
});

test('a write that is refused is an unhandled rejection if it is not awaited', async (t) => {
  for (const [refused, expected] of [
    ['stream.write(5)', 'ERR_INVALID_ARG_TYPE'],
    ['stream.end({ timeout: "1" })', 'ERR_INVALID_ARG_TYPE'],
    [
      'stream.drain({ signal: AbortSignal.abort(Object.assign(new Error(), { code: "ABORTED" })) })',
      'ABORTED',
    ],
    ['void stream.shutdownWrite(); stream.write("x")', 'ERR_IOLOOP_STREAM_CLOSED'],
    ['stream.write(Buffer.alloc(20))', 'ERR_IOLOOP_BUFFER_FULL'],
  ]) {
    const { stdout, stderr } = await runChild(`
      import { IOLoop, IOStream, Socket } from 'ioloop';
      process.on('unhandledRejection', ({ code }) => console.log(code));
      await new IOLoop().runSync(async () => {
        const stream = IOStream.pair({ maxWriteBufferSize: 10 })[0];
        ${refused};
        await new Promise(setImmediate);
      });
    `);
    t.is(stdout, `${expected}\n`, stderr);
  }
});

test('what cannot be written rejects, and the stream is as before', (t) =>
  withPair(async (near, far) => {
    for (const data of [undefined, null, 5, {}, [5], [null], new ArrayBuffer(1)]) {
      const error = await failureOf(near.write(data as never));
      t.is(error.code, 'ERR_INVALID_ARG_TYPE');
    }
    t.is(
      (await failureOf(near.write('x', { timeout: '1' as never }))).code,
      'ERR_INVALID_ARG_TYPE',
    );
    t.is((await failureOf(near.write('x', { signal: AbortSignal.abort() }))).name, 'AbortError');
    t.is(near.writeBufferSize, 0);
    void near.write('fine');
    t.is((await far.readBytes(4)).toString(), 'fine');
  }));

test('after close, end and shutdownWrite a write is refused', async (t) => {
  await withPair(async (near, far) => {
    await near.shutdownWrite();
    t.true((await failureOf(near.write('x'))) instanceof StreamClosedError);
    t.true((await failureOf(near.write(''))) instanceof StreamClosedError);
    t.false(near.closed);
    far.close();
  });
  await withPair(async (near) => {
    near.close();
    t.true((await failureOf(near.write('x'))) instanceof StreamClosedError);
    t.true((await failureOf(near.drain())) instanceof StreamClosedError);
  });
});
