/** Reads of a stream by count, into memory, by iteration; and their rules. */
import test from 'ava';
import { StreamClosedError } from 'ioloop';
import { reset } from './helpers/net.js';
import { closedBy, failureOf, turns, withPair, withTcpPair } from './helpers/streams.js';

test('readBytes: exactly so many, or with partial what is there', (t) =>
  withPair(async (near, far) => {
    void far.write('abcdefgh');
    t.is((await near.readBytes(3)).toString(), 'abc');
    t.is((await near.readBytes(100, { partial: true })).toString(), 'defgh');
    const reading = near.readBytes(6, { partial: true });
    void far.write('0123456789');
    t.is((await reading).toString(), '012345');
    t.is((await near.readBytes(4)).toString(), '6789');
  }));

test('readBytes: none at once, and also from a closed stream', (t) =>
  withPair(async (near) => {
    t.is((await near.readBytes(0)).length, 0);
    t.is((await near.readBytes(0, { partial: true })).length, 0);
    near.close();
    t.is((await near.readBytes(0)).length, 0);
  }));

test('readInto: fills the memory of the caller, what was buffered first', (t) =>
  withPair(async (near, far) => {
    void far.write('0123456789abcdef');
    t.is((await near.readBytes(2)).toString(), '01');
    const memory = Buffer.alloc(8, '.');
    t.is(await near.readInto(memory.subarray(1, 7)), 6);
    t.is(memory.toString(), '.234567.');
    t.is(await near.readInto(memory, { partial: true }), 8);
    t.is(memory.toString(), '89abcdef');
    t.is(await near.readInto(Buffer.alloc(0)), 0);
    const words = new Uint16Array(2);
    const reading = near.readInto(new Uint8Array(words.buffer, 2, 2));
    void far.write(Buffer.from([0x34, 0x12]));
    t.is(await reading, 2);
    t.deepEqual([...words], [0, 0x1234]);
  }));

test('peek: what it shows stays, and is a copy', (t) =>
  withPair(async (near, far) => {
    const peeking = near.peek(4);
    void far.write('ab');
    await turns(near);
    void far.write('cdef');
    const seen = await peeking;
    t.is(seen.toString(), 'abcd');
    seen.fill('!');
    t.is((await near.peek()).toString(), 'a');
    t.is((await near.readBytes(6)).toString(), 'abcdef');
  }));

test('for await: the chunks, to the end; leaving early loses nothing', (t) =>
  withPair(async (near, far) => {
    void far.write('first');
    for await (const chunk of near) {
      t.is(chunk.toString(), 'first');
      break;
    }
    t.false(near.closed);
    const sent = Buffer.alloc(1_000_000, 'many chunks ');
    void far.write(sent).then(() => far.end());
    const chunks: Buffer[] = [];
    for await (const chunk of near) chunks.push(chunk);
    t.true(Buffer.concat(chunks).equals(sent));
  }));

test('for await: a connection that breaks throws', (t) =>
  withTcpPair(async (near, far) => {
    await far.write('x');
    const failure = failureOf(
      (async () => {
        for await (const chunk of near) {
          t.is(chunk.toString(), 'x');
          reset(far);
        }
      })(),
    );
    t.is(((await failure) as StreamClosedError).realError?.message.includes('ECONNRESET'), true);
  }));

test('one read at a time: another is refused and disturbs nothing', (t) =>
  withPair(async (near, far) => {
    const reading = near.readUntil('\n');
    t.true(near.reading);
    for (const other of [
      near.readBytes(1),
      near.readBytes(0),
      near.readUntilClose(),
      near.peek(),
    ]) {
      const error = await failureOf(other);
      t.is(error.code, 'ERR_IOLOOP_READING');
      t.regex(error.message, /readUntil/);
    }
    void far.write('line\n');
    t.is((await reading).toString(), 'line\n');
    t.false(near.reading);
  }));

test('what is wrong with a call rejects, and the next read is none the worse', (t) =>
  withPair(
    async (near, far) => {
      const wrong: [() => Promise<unknown>, string][] = [
        [() => near.readBytes('1' as never), 'ERR_INVALID_ARG_TYPE'],
        [() => near.readBytes(-1), 'ERR_OUT_OF_RANGE'],
        [() => near.readBytes(1.5), 'ERR_OUT_OF_RANGE'],
        [() => near.readBytes(NaN), 'ERR_OUT_OF_RANGE'],
        [() => near.readBytes(1001), 'ERR_OUT_OF_RANGE'],
        [() => near.readBytes(1, { partial: 1 as never }), 'ERR_INVALID_ARG_TYPE'],
        [() => near.readBytes(1, 5 as never), 'ERR_INVALID_ARG_TYPE'],
        [() => near.readInto('x' as never), 'ERR_INVALID_ARG_TYPE'],
        [() => near.readUntil(''), 'ERR_INVALID_ARG_VALUE'],
        [() => near.readUntil(10 as never), 'ERR_INVALID_ARG_TYPE'],
        [() => near.readUntil('\n', { maxBytes: 0 }), 'ERR_OUT_OF_RANGE'],
        [() => near.readUntil('\n', { maxBytes: 1001 }), 'ERR_OUT_OF_RANGE'],
        [() => near.readUntil('\n', { closeOnLimit: 0 as never }), 'ERR_INVALID_ARG_TYPE'],
        [() => near.readUntilRegex('\n' as never), 'ERR_INVALID_ARG_TYPE'],
        [() => near.peek(-1), 'ERR_OUT_OF_RANGE'],
        [() => near.readBytes(1, { timeout: NaN }), 'ERR_INVALID_ARG_TYPE'],
        [() => near.readBytes(1, { timeout: '1' as never }), 'ERR_INVALID_ARG_TYPE'],
        [() => near.readBytes(1, { signal: {} as never }), 'ERR_INVALID_ARG_TYPE'],
      ];
      for (const [call, code] of wrong) {
        t.is((await failureOf(call())).code, code, String(call));
        t.false(near.reading);
      }
      void far.write('x');
      t.is((await near.readBytes(1)).toString(), 'x');
    },
    { maxBufferSize: 1000 },
  ));

test('what was received before the end can be read after it', (t) =>
  withPair(async (near, far) => {
    void far.write('line one\nline two\nrest');
    void far.end();
    t.is((await near.readUntil('\n')).toString(), 'line one\n');
    await turns(near);
    t.true(near.closed);
    t.is((await near.readUntil('\n')).toString(), 'line two\n');
    t.is(await closedBy(near.readUntil('\n')), null);
    t.is((await near.readUntilClose()).toString(), 'rest');
    t.is(await closedBy(near.readBytes(1)), null);
  }));

test('what a large read had taken when the stream ended can still be read', async (t) => {
  for (const read of ['readBytes', 'readInto'] as const) {
    await withPair(async (near, far) => {
      const reading =
        read === 'readBytes' ? near.readBytes(100_000) : near.readInto(Buffer.alloc(100_000));
      await far.write('too short');
      await turns(near);
      void far.end();
      t.is(await closedBy(reading), null);
      t.is((await near.readUntilClose()).toString(), 'too short', read);
    });
  }
});
