/** What each read of a stream waits for, and what it takes. */
import test from 'ava';
import { StreamBufferFullError, StreamClosedError, UnsatisfiableReadError } from 'ioloop';
import { USUAL, withCapacities } from './helpers/capacities.js';
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

test.serial('readBytes: a large one comes in one piece of memory', (t) =>
  withCapacities(USUAL, () =>
    withPair(async (near, far) => {
      const sent = Buffer.alloc(3_000_000, 'a large message');
      void far.write(['begin ', sent, ' end']);
      t.is((await near.readBytes(6)).toString(), 'begin ');
      const received = await near.readBytes(sent.length);
      t.true(received.equals(sent));
      t.true(received.buffer.byteLength < 1.1 * sent.length);
      t.is((await near.readBytes(4)).toString(), ' end');
    }),
  ),
);

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

test('readUntil: a delimiter may be split between packets at every position', (t) =>
  withPair(async (near, far) => {
    const delimiter = '\r\n--boundary--\r\n';
    const message = `head${delimiter}`;
    for (let at = 1; at < message.length; at += 1) {
      const reading = near.readUntil(delimiter);
      await far.write(message.slice(0, at));
      await turns(near, 2);
      await far.write(`${message.slice(at)}rest`);
      t.is((await reading).toString(), message, `split at ${at}`);
      t.is((await near.readBytes(4)).toString(), 'rest');
    }
  }));

test('readUntil: what looks like the delimiter again and again', (t) =>
  withPair(async (near, far) => {
    const reading = near.readUntil('aab');
    for (const piece of ['a', 'a', 'a', 'aa', 'cab', 'aa', 'b!']) {
      await far.write(piece);
      await turns(near, 2);
    }
    t.is((await reading).toString(), 'aaaaacabaab');
    t.is(near.readBufferSize, 1);
  }));

test('readUntil: maxBytes counts the delimiter, and exactly so many are fine', (t) =>
  withPair(async (near, far) => {
    void far.write('abc\n123456\n');
    t.is((await near.readUntil('\n', { maxBytes: 4 })).toString(), 'abc\n');
    const error = await failureOf(near.readUntil('\n', { maxBytes: 6 }));
    t.true(error instanceof StreamClosedError);
    const { realError } = error as StreamClosedError;
    t.true(realError instanceof UnsatisfiableReadError);
    t.is((realError as NodeJS.ErrnoException).code, 'ERR_IOLOOP_UNSATISFIABLE_READ');
    t.is(near.error, realError);
    t.true(near.closed);
  }));

test('readUntil: a line that never ends closes the stream exactly at the limit', (t) =>
  withPair(async (near, far) => {
    const reading = near.readUntil('\n', { maxBytes: 10 });
    let settled = false;
    reading.catch(() => (settled = true));
    for (let sent = 0; sent < 9; sent += 1) {
      t.false(settled, `after ${sent} bytes`);
      await far.write('x');
      await turns(near, 2);
    }
    t.false(settled);
    await far.write('x');
    t.true((await closedBy(reading)) instanceof UnsatisfiableReadError);
    t.is((await far.readUntilClose()).length, 0);
  }));

test('readUntil with closeOnLimit false: only the read fails, and its bytes stay', (t) =>
  withPair(async (near, far) => {
    void far.write('far too long\n');
    const options = { maxBytes: 5, closeOnLimit: false };
    t.true((await failureOf(near.readUntil('\n', options))) instanceof UnsatisfiableReadError);
    t.true((await failureOf(near.readUntilRegex(/\n/, options))) instanceof UnsatisfiableReadError);
    t.false(near.closed);
    t.is((await near.readUntil('\n')).toString(), 'far too long\n');
  }));

test('readUntilRegex: a match that spans packets, and the earliest of several', (t) =>
  withPair(async (near, far) => {
    const reading = near.readUntilRegex(/\r?\n\r?\n/);
    for (const piece of ['GET / HTTP/1.0\r', '\nHost: x', '\r', '\n', '\r', '\nbody\n\n']) {
      await far.write(piece);
      await turns(near, 2);
    }
    t.is((await reading).toString(), 'GET / HTTP/1.0\r\nHost: x\r\n\r\n');
    t.is((await near.readUntilRegex(/\n+/)).toString(), 'body\n\n');
  }));

test('readUntilRegex: characters are bytes, flags of state are of no meaning', (t) =>
  withPair(async (near, far) => {
    const regex = /\xff/gy;
    regex.lastIndex = 100;
    void far.write(Buffer.from([0, 0xff, 1, 0xff]));
    t.deepEqual([...(await near.readUntilRegex(regex))], [0, 0xff]);
    t.deepEqual([...(await near.readUntilRegex(regex))], [1, 0xff]);
    t.is(regex.lastIndex, 100);
  }));

test('readUntilRegex: maxBytes exactly met, and exceeded', (t) =>
  withPair(async (near, far) => {
    void far.write('abc;defg;');
    t.is((await near.readUntilRegex(/;/, { maxBytes: 4 })).toString(), 'abc;');
    const realError = await closedBy(near.readUntilRegex(/;/, { maxBytes: 4 }));
    t.true(realError instanceof UnsatisfiableReadError);
    t.regex(String(realError?.message), /\/;\//);
  }));

test('readUntilClose: everything, then nothing', (t) =>
  withPair(async (near, far) => {
    void far.write('part one, ');
    const reading = near.readUntilClose();
    await turns(near);
    void far.write('part two');
    void far.end();
    t.is((await reading).toString(), 'part one, part two');
    t.true(near.closed);
    t.is((await near.readUntilClose()).length, 0);
  }));

test('readUntilClose: a reset is no end, and says what had arrived', (t) =>
  withTcpPair(async (near, far) => {
    await far.write('half of it');
    const reading = near.readUntilClose();
    await turns(near);
    reset(far);
    const error = (await failureOf(reading)) as StreamClosedError;
    t.is((error.realError as NodeJS.ErrnoException).code, 'ECONNRESET');
    t.is(String(error.partial), 'half of it');
  }));

test('readUntilClose: more than maxBufferSize fails, with what had arrived', (t) =>
  withPair(
    async (near, far) => {
      void far.write(Buffer.alloc(1500, 'x'));
      const error = (await failureOf(near.readUntilClose())) as StreamClosedError;
      t.true(error.realError instanceof StreamBufferFullError);
      t.is(error.partial?.length, 1001);
      t.is(near.error, error.realError);
    },
    { maxBufferSize: 1000 },
  ));

test('readUntilClose: closing the stream oneself is no end either', (t) =>
  withPair(async (near, far) => {
    await far.write('half');
    const reading = near.readUntilClose();
    await turns(near);
    near.close();
    const error = (await failureOf(reading)) as StreamClosedError;
    t.is(error.realError, null);
    t.is(String(error.partial), 'half');
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

test('a hundred thousand reads of a byte from one large buffer copy nothing', (t) =>
  withPair(async (near, far) => {
    const count = 100_000;
    const sent = Buffer.from(Array.from({ length: count }, (_, index) => index % 251));
    void far.write(sent);
    // The whole of it is in the buffer before the first byte is taken.
    t.is((await near.peek(count)).length, count);
    const memories = new Set<ArrayBufferLike>();
    for (let index = 0; index < count; index += 1) {
      const byte = await near.readBytes(1);
      if (byte[0] !== index % 251) t.fail(`byte ${index} is ${byte[0]}`);
      memories.add(byte.buffer);
    }
    // All are views of the memory that the bytes were received in.
    t.true(memories.size <= 2, `${memories.size} memories`);
    t.is(near.readBufferSize, 0);
  }));

test('a line that comes byte by byte is looked at once', (t) =>
  withPair(async (near, far) => {
    const reading = near.readUntil('\n');
    for (let sent = 0; sent < 2000; sent += 1) {
      void far.write('x');
      if (sent % 10 === 0) await turns(far, 1);
    }
    void far.write('\n');
    t.is((await reading).length, 2001);
  }));

test('results are never written to again', (t) =>
  withPair(async (near, far) => {
    const results: Buffer[] = [];
    const expected: string[] = [];
    for (let round = 0; round < 3000; round += 1) {
      const text = `message ${round} ${'.'.repeat(round % 200)}\n`;
      expected.push(text);
      void far.write(text);
      results.push(await near.readUntil('\n'));
    }
    t.deepEqual(results.map(String), expected);
  }));

test('no more is received than one chunk beyond what is wanted', (t) =>
  withPair(
    async (near, far) => {
      const writing = far.write(Buffer.alloc(4_000_000));
      await near.readBytes(1);
      await turns(near, 20);
      t.true(near.readBufferSize <= 65_536, `${near.readBufferSize} bytes read ahead`);
      t.true(far.writing);
      near.close();
      await failureOf(writing);
    },
    { readChunkSize: 65_536 },
  ));

test('a chunk size below all reason works', async (t) => {
  for (const options of [{ readChunkSize: 1 }, { maxBufferSize: 1 }, { maxBufferSize: 3 }]) {
    await withPair(async (near, far) => {
      void far.write('abc');
      let text = '';
      for (let count = 0; count < 3; count += 1) text += String(await near.readBytes(1));
      t.is(text, 'abc');
    }, options);
  }
});

test('a result can be kept, changed and sent on: it is the reader’s own', (t) =>
  withPair(async (near, far) => {
    void far.write('first second ');
    const first = await near.readUntil(' ');
    first.fill('#');
    t.is((await near.readUntil(' ')).toString(), 'second ');
    t.is(first.toString(), '######');
    void near.write(first);
    t.is((await far.readBytes(6)).toString(), '######');
  }));
