/** Reads up to a delimiter, a pattern or the end, and their limits. */
import test from 'ava';
import { StreamBufferFullError, StreamClosedError, UnsatisfiableReadError } from 'ioloop';
import { reset } from './helpers/net.js';
import { closedBy, failureOf, turns, withPair, withTcpPair } from './helpers/streams.js';

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

test('readUntilClose: a reset is an error, which carries the bytes so far', (t) =>
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

test('readUntilClose: close() of the own stream is an error, too', (t) =>
  withPair(async (near, far) => {
    await far.write('half');
    const reading = near.readUntilClose();
    await turns(near);
    near.close();
    const error = (await failureOf(reading)) as StreamClosedError;
    t.is(error.realError, null);
    t.is(String(error.partial), 'half');
  }));
