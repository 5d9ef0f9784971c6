/** Iteration over the chunks of a stream, with a timeout and a signal for each of them. */
import test from 'ava';
import { IOStream, type StreamClosedError, type WaitOptions } from 'ioloop';
import { withFakeTime } from './helpers/loop.js';
import { failureOf, isSettled, turns, withPair, localPair } from './helpers/streams.js';

/** Everything that an iteration gives, as text. */
async function collect(stream: IOStream, options?: WaitOptions): Promise<string[]> {
  const chunks: string[] = [];
  for await (const chunk of stream.chunks(options)) chunks.push(String(chunk));
  return chunks;
}

test('chunks end at EOF, with limits and without', async (t) => {
  const { signal } = new AbortController();
  for (const options of [undefined, {}, { timeout: 60 }, { timeout: { minutes: 1 }, signal }]) {
    await withPair(async (near, far) => {
      const all = collect(near, options);
      await far.write('one');
      await turns(near);
      await far.write('two');
      await far.shutdownWrite();
      t.is((await all).join(''), 'onetwo');
    });
  }
});

test('the timeout is for each chunk, and not for what the body does', async (t) => {
  await withFakeTime(async (loop, clock) => {
    const [near, far] = localPair(loop);
    await loop.runSync(async () => {
      const iteration = near.chunks({ timeout: 10 });
      for (const text of ['a', 'b', 'c']) {
        const next = iteration.next();
        await turns(near);
        clock.advance(9);
        await turns(near);
        await far.write(text);
        t.is(String((await next).value), text);
        // The body of the loop.
        clock.advance(60);
        await turns(near);
      }
      const late = iteration.next();
      await turns(near);
      clock.advance(9);
      await turns(near);
      t.false(await isSettled(late));
      clock.advance(2);
      const { name, message } = await failureOf(late);
      t.is(name, 'TimeoutError');
      t.regex(message, /10 seconds/);
      t.false(near.closed);
      t.deepEqual(await iteration.next(), { done: true, value: undefined });
      await far.write('later');
      t.is(String(await near.readBytes(5)), 'later');
      near.close();
      far.close();
    });
  });
});

test('an aborted signal ends the iteration with its reason, and loses no byte', (t) =>
  withPair(async (near, far) => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const failure = failureOf(collect(near, { signal: controller.signal }));
    await far.write('x');
    await turns(near);
    controller.abort(reason);
    t.is(await failure, reason);
    await far.write('kept');
    await turns(near);
    t.is(await failureOf(collect(near, { signal: controller.signal })), reason);
    t.is(String(await near.readBytes(4)), 'kept');
  }));

test('leaving the iteration leaves the stream open', (t) =>
  withPair(async (near, far) => {
    await far.write('abc');
    for await (const chunk of near.chunks({ timeout: 60 })) {
      t.is(String(chunk), 'abc');
      break;
    }
    await far.write('def');
    t.is(String(await near.readBytes(3)), 'def');
  }));

test('wrong options reject', (t) =>
  withPair(async (near) => {
    for (const options of [{ timeout: 'soon' }, { signal: 1 }, { timeout: Number.NaN }, 5]) {
      const { code } = await failureOf(collect(near, options as unknown as WaitOptions));
      t.is(code, 'ERR_INVALID_ARG_TYPE');
    }
  }));

test('readInto fills any typed array and a DataView, byte by byte', (t) =>
  withPair(async (near, far) => {
    const memory = new ArrayBuffer(32);
    const views = [
      new DataView(memory, 1, 8),
      new Float64Array(memory, 8, 1),
      new Uint16Array(memory, 2, 4),
      new BigInt64Array(memory, 16, 1),
    ];
    for (const view of views) {
      const reading = near.readInto(view);
      await far.write('abcd');
      await turns(near);
      await far.write('efgh');
      t.is(await reading, 8);
      const { buffer, byteOffset, byteLength } = view;
      t.is(Buffer.from(buffer, byteOffset, byteLength).toString(), 'abcdefgh');
    }
    const { code } = await failureOf(near.readInto(memory as unknown as Uint8Array));
    t.is(code, 'ERR_INVALID_ARG_TYPE');
  }));

test('calls of next() wait for each other, as those of a generator', (t) =>
  withPair(async (near, far) => {
    const iteration = near[Symbol.asyncIterator]();
    t.is(iteration[Symbol.asyncIterator](), iteration);
    const results = [iteration.next(), iteration.next(), iteration.next()];
    await far.write('a');
    t.deepEqual(await results[0], { done: false, value: Buffer.from('a') });
    // The second reads now; this one is behind the third.
    results.push(iteration.next());
    const ended = iteration.return(undefined);
    const after = iteration.next();
    for (const text of ['b', 'c', 'd']) {
      t.false(await isSettled(ended));
      await far.write(text);
      await turns(near);
    }
    const texts = (await Promise.all(results)).map(({ value }) => String(value));
    t.deepEqual(texts, ['a', 'b', 'c', 'd']);
    t.deepEqual(await ended, { done: true, value: undefined });
    t.deepEqual(await after, { done: true, value: undefined });
    await far.write('kept');
    t.is(String(await near.readBytes(4)), 'kept');
  }));

test('an iteration ends once: after EOF, a failure, return() and throw()', (t) =>
  withPair(async (near, far) => {
    const done = { done: true, value: undefined };
    const thrown = near.chunks();
    const error = new Error('thrown');
    t.is(await failureOf(thrown.throw(error)), error);
    t.deepEqual(await thrown.next(), done);
    const returned = near.chunks();
    t.deepEqual(await returned.return(undefined), done);
    t.deepEqual(await returned.next(), done);
    // Another read waits: the iteration fails, and is over.
    const busy = near.chunks();
    const reading = near.readBytes(1);
    t.is((await failureOf(busy.next())).code, 'ERR_IOLOOP_READING');
    t.deepEqual(await busy.next(), done);
    await far.write('x');
    t.is(String(await reading), 'x');
    const broken = near.chunks();
    const waiting = broken.next();
    const failure = new Error('broken');
    near.close(failure);
    t.is(((await failureOf(waiting)) as StreamClosedError).realError, failure);
    t.deepEqual(await broken.next(), done);
    await t.throwsAsync(collect(near), { code: 'ERR_IOLOOP_STREAM_CLOSED' });
    const last = far.chunks();
    t.deepEqual(await last.next(), done);
    t.deepEqual(await last.next(), done);
    t.deepEqual(await collect(far), []);
  }));

test('a chunk has at most readChunkSize bytes, and the bytes before EOF come first', (t) =>
  withPair(
    async (near, far) => {
      await far.write('abcdefgh');
      await far.shutdownWrite();
      await turns(near);
      const texts: string[] = [];
      for await (const chunk of near) texts.push(String(chunk));
      t.deepEqual(texts, ['abc', 'def', 'gh']);
    },
    { readChunkSize: 3 },
  ));
