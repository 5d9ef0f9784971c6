/** Timeouts and signals of streams: a read that is given up frees its slot and loses no byte. */
import test from 'ava';
import { IOStream, type WaitOptions } from 'ioloop';
import { withFakeTime } from './helpers/loop.js';
import { failureOf, turns, withPair, localPair } from './helpers/streams.js';

const PLENTY = 8_000_000;

/** Every read, waiting for more than the ten bytes that come. */
const reads: Record<string, (stream: IOStream, options: WaitOptions) => Promise<unknown>> = {
  readBytes: (stream, options) => stream.readBytes(20, options),
  'readBytes, a large one': (stream, options) => stream.readBytes(1_000_000, options),
  readInto: (stream, options) => stream.readInto(Buffer.alloc(20), options),
  'readInto, a large one': (stream, options) => stream.readInto(Buffer.alloc(1_000_000), options),
  readUntil: (stream, options) => stream.readUntil('\n', options),
  readUntilRegex: (stream, options) => stream.readUntilRegex(/\n/, options),
  readUntilClose: (stream, options) => stream.readUntilClose(options),
  peek: (stream, options) => stream.peek(20, options),
};

for (const [name, read] of Object.entries(reads)) {
  test(`${name}: aborted in every state, and not a byte is lost`, async (t) => {
    for (const before of ['', 'abcde', 'abcdefghij']) {
      for (const during of ['', 'klmno']) {
        await withPair(async (near, far) => {
          const reason = new Error('enough');
          const controller = new AbortController();
          if (before !== '') {
            await far.write(before);
            await turns(near);
          }
          const reading = read(near, { signal: controller.signal });
          t.true(near.reading);
          if (during !== '') await far.write(during);
          await turns(near);
          controller.abort(reason);
          t.is(await failureOf(reading), reason);
          t.false(near.reading);
          t.false(near.closed);
          await far.write('!\nrest');
          t.is((await near.readUntil('\n')).toString(), `${before}${during}!\n`);
          t.is((await near.readBytes(4)).toString(), 'rest');
        });
      }
    }
  });

  test(`${name}: times out on the loop's clock`, async (t) => {
    await withFakeTime(async (loop, clock) => {
      const [near, far] = localPair(loop);
      let failure: NodeJS.ErrnoException | null = null;
      loop.addCallback(async () => {
        void far.write('0123456789');
        failure = await failureOf(read(near, { timeout: 30 }));
        loop.stop();
      });
      loop.addCallback(async () => {
        await turns(near);
        clock.advance(29);
        await turns(near);
        t.true(near.reading);
        clock.advance(1);
        // The loop sleeps by the real clock, which does not move with this one.
        await turns(near);
      });
      await loop.start();
      t.is((failure as NodeJS.ErrnoException | null)?.name, 'TimeoutError');
      t.regex(String(failure), /30/);
      t.false(near.reading);
      t.is(near.readBufferSize, 10);
      near.close();
      far.close();
    });
  });
}

test('a signal that is aborted already: nothing is begun', (t) =>
  withPair(async (near, far) => {
    const reason = new Error('from the start');
    const options = { signal: AbortSignal.abort(reason) };
    await far.write('x');
    await turns(near);
    for (const read of Object.values(reads)) t.is(await failureOf(read(near, options)), reason);
    t.is(await failureOf(near.readBytes(1, options)), reason);
    t.is(await failureOf(near.write('never', options)), reason);
    t.is(await failureOf(near.drain(options)), reason);
    t.is(await failureOf(near.shutdownWrite(options)), reason);
    t.false(near.writing);
    await near.write('fine');
    t.is((await far.readBytes(4)).toString(), 'fine');
    t.is((await near.readBytes(1)).toString(), 'x');
  }));

test('a read that is done leaves no listener, and no timeout', (t) =>
  withPair(async (near, far) => {
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    let added = 0;
    const { addEventListener, removeEventListener } = AbortSignal.prototype;
    signal.addEventListener = function (...args: unknown[]) {
      listeners += 1;
      added += 1;
      Reflect.apply(addEventListener, this, args);
    };
    signal.removeEventListener = function (...args: unknown[]) {
      listeners -= 1;
      Reflect.apply(removeEventListener, this, args);
    };
    for (let round = 0; round < 20; round += 1) {
      const reading = near.readUntil('\n', { signal, timeout: 5 });
      if (round % 2 === 0) await turns(near, 1);
      void far.write(`line ${round}\n`);
      t.is((await reading).toString(), `line ${round}\n`);
    }
    t.true(added > 0);
    t.is(listeners, 0);
    const reading = near.readBytes(1);
    controller.abort();
    await turns(near);
    t.true(near.reading);
    void far.write('x');
    await reading;
  }));

test('an aborted write goes on: only the wait is given up', (t) =>
  withPair(async (near, far) => {
    const controller = new AbortController();
    const written = near.write(Buffer.alloc(PLENTY, 'x'), { signal: controller.signal });
    await turns(near);
    controller.abort(new Error('enough'));
    t.is((await failureOf(written)).message, 'enough');
    t.true(near.writing);
    t.is((await far.readBytes(PLENTY)).length, PLENTY);
  }));

test('drain and shutdownWrite can be given up, and waited for again', (t) =>
  withPair(async (near, far) => {
    void near.write(Buffer.alloc(PLENTY, 'x'));
    const options = { timeout: 0.001 };
    t.is((await failureOf(near.drain(options))).name, 'TimeoutError');
    const drained = near.drain();
    t.is((await failureOf(near.shutdownWrite(options))).name, 'TimeoutError');
    const ended = near.shutdownWrite();
    t.is((await far.readUntilClose()).length, PLENTY);
    await Promise.all([drained, ended]);
  }));

test('a timeout may be a duration; data in time does not fail', (t) =>
  withPair(async (near, far) => {
    const options = { timeout: { milliseconds: 1 } };
    t.is((await failureOf(near.readBytes(1, options))).name, 'TimeoutError');
    await far.write('x');
    await turns(near);
    // It is there: a timeout of nothing is enough.
    t.is((await near.readBytes(1, { timeout: 0 })).toString(), 'x');
  }));
