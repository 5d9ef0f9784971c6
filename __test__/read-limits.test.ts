/** What a peer can make a read cost, and what a result shows of other memory. */
import test from 'ava';
import { Socket, UnsatisfiableReadError, type IOStream } from 'ioloop';
import { USUAL, withCapacities } from './helpers/capacities.js';
import { closedBy, failureOf, turns, withPair, withTcpPair } from './helpers/streams.js';

test('readUntilRegex is limited to 64 KiB by default', (t) =>
  withPair(async (near, far) => {
    const reading = near.readUntilRegex(/\n/);
    void far.write(Buffer.alloc(70_000, 'x'));
    t.true((await closedBy(reading)) instanceof UnsatisfiableReadError);
  }));

test('readUntilRegex finds a match that ends at its limit, and not one byte later', async (t) => {
  for (const [length, ok] of [
    [65_535, true],
    [65_536, false],
  ] as const) {
    await withPair(async (near, far) => {
      void far.write(`${'x'.repeat(length)}\n`);
      const reading = near.readUntilRegex(/\n/, { closeOnLimit: false });
      if (ok) t.is((await reading).length, length + 1);
      else t.true((await failureOf(reading)) instanceof UnsatisfiableReadError);
    });
  }
});

test('a match that is longer than the limit is not cut to it', (t) =>
  withPair(async (near, far) => {
    await far.write('a'.repeat(100));
    await near.peek(100);
    const reading = near.readUntilRegex(/a+/, { maxBytes: 50, closeOnLimit: false });
    t.true((await failureOf(reading)) instanceof UnsatisfiableReadError);
  }));

test.serial('a fast peer is not searched for each chunk of a large limit', async (t) => {
  await withCapacities(USUAL, () =>
    withTcpPair(async (near, far) => {
      let searched = 0;
      const regex = /\n/;
      const { prototype } = RegExp;
      const { exec } = prototype;
      const replaceExec = (value: unknown): void => {
        Object.defineProperty(prototype, 'exec', { value, configurable: true, writable: true });
      };
      replaceExec(function (this: RegExp, text: string) {
        if (this.source === regex.source) searched += text.length;
        return exec.call(this, text);
      });
      try {
        const size = 4 << 20;
        void far.write(Buffer.alloc(size, 'x'));
        void far.write('\n');
        await turns(near);
        const before = near.loop.metrics().turns;
        const line = await near.readUntilRegex(regex, { maxBytes: 2 * size });
        const passed = near.loop.metrics().turns - before;
        t.is(line.length, size + 1);
        t.log(`searched ${(searched / size).toFixed(1)} times the size in ${passed} turns`);
        // A peer that is not fast, for a turn, is searched at the end of that turn. Every chunk of
        // 64 KiB would be 32 times the size.
        t.true(searched < (passed + 8) * size);
      } finally {
        replaceExec(exec);
      }
    }),
  );
});

test('a match after 64 KiB that comes together with EOF is found', (t) =>
  withPair(async (near, far) => {
    const reading = near.readUntilRegex(/\n/, { maxBytes: 2 ** 20 });
    void far.write(Buffer.alloc(100_000, 'x'));
    await turns(near);
    void far.write('\n');
    void far.end();
    t.is((await reading).length, 100_001);
  }));

test('partial reads above maxBufferSize are clamped, exact ones are refused', (t) =>
  withPair(
    async (near, far) => {
      await far.write(Buffer.alloc(1000, 'x'));
      for (const count of [65_536, 2 ** 40]) {
        const { length } = await near.readBytes(count, { partial: true, timeout: 5 });
        t.true(length > 0 && length <= 100);
      }
      t.is((await failureOf(near.readBytes(101))).code, 'ERR_OUT_OF_RANGE');
      t.is((await failureOf(near.readBytes(-1, { partial: true }))).code, 'ERR_OUT_OF_RANGE');
    },
    { maxBufferSize: 100 },
  ));

/** Every read with `copy`. */
const COPIES: Record<string, (stream: IOStream) => Promise<Buffer>> = {
  readBytes: (stream) => stream.readBytes(3, { copy: true }),
  'readBytes, partial': (stream) => stream.readBytes(3, { copy: true, partial: true }),
  'readBytes, with a timeout': (stream) => stream.readBytes(3, { copy: true, timeout: 5 }),
  readUntil: (stream) => stream.readUntil('c', { copy: true }),
  readUntilRegex: (stream) => stream.readUntilRegex(/c/, { copy: true }),
  peek: (stream) => stream.peek(3),
};

for (const [name, read] of Object.entries(COPIES)) {
  test(`${name} with copy: structuredClone copies the result and nothing else`, (t) =>
    withPair(async (near, far) => {
      for (const early of [true, false]) {
        if (early) await far.write('abcdef');
        await turns(near);
        const reading = read(near);
        if (!early) await far.write('abcdef');
        const bytes = await reading;
        t.is(bytes.toString(), 'abc');
        t.is(structuredClone(bytes).buffer.byteLength, 3);
        await near.readBytes(near.readBufferSize);
      }
    }));
}

test('readUntilClose and chunks with copy', (t) =>
  withPair(async (near, far) => {
    await far.write('abc');
    for await (const chunk of near.chunks({ copy: true })) {
      t.is(chunk.buffer.byteLength, 3);
      break;
    }
    void far.end();
    t.is((await near.readUntilClose({ copy: true })).buffer.byteLength, 0);
    t.is((await failureOf(near.readBytes(1, { copy: 1 as never }))).code, 'ERR_INVALID_ARG_TYPE');
  }));

test('recv with copy', (t) => {
  const [one, other] = Socket.pair();
  other.send('abc');
  t.is(one.recv(10, { copy: true })?.buffer.byteLength, 3);
  other.send('abc');
  t.is(one.recv(100_000, { copy: true })?.buffer.byteLength, 3);
  t.is(one.recv(10, { copy: true }), null);
  other.send('abc');
  t.throws(() => one.recv(10, { copy: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => one.recv(10, 1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  t.is(one.recv(10)?.toString(), 'abc');
  one.close();
  other.close();
});

test('the memory of a large result holds nothing of other connections', (t) => {
  const [one, other] = Socket.pair();
  const sent = Buffer.alloc(100_000, 'secret');
  for (const size of [100_000, 80_000]) {
    const count = other.send(sent, 0, size) ?? 0;
    const bytes = one.recv(130_000);
    t.is(bytes?.length, count);
    const rest = Buffer.from(bytes?.buffer as ArrayBuffer, count);
    t.true(rest.every((byte) => byte === 0));
  }
  one.close();
  other.close();
});
