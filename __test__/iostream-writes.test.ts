/** Writes of a stream: order, copies, watermarks, limits. */
import test from 'ava';
import { StreamBufferFullError } from 'ioloop';
import { USUAL, withCapacities } from './helpers/capacities.js';
import { heldBytes } from './helpers/loop.js';
import { failureOf, isSettled, turns, withPair } from './helpers/streams.js';
import { serialOwnSockets, testOwnSockets } from './helpers/sockets-of.js';

/** More than the kernel takes for a peer that does not read. */
const PLENTY = 8_000_000;

test('strings are UTF-8, bytes of every kind are bytes, lists keep their order', (t) =>
  withPair(async (near, far) => {
    void near.write('häß€ 🦀 ');
    void near.write(new Uint8Array([0x61, 0x62]));
    void near.write(Buffer.from('cd'));
    void near.write(['e', Buffer.from('f'), new Uint8Array([0x67]), '', 'h']);
    void near.write([]);
    const large = Buffer.alloc(10_000, 'large ');
    void near.write(['<', large, '>']);
    void near.end();
    t.is((await far.readUntilClose()).toString(), `häß€ 🦀 abcdefgh<${large.toString()}>`);
  }));

test('a promise resolves when its last byte is with the kernel, and not before', (t) =>
  withPair(async (near, far) => {
    await near.write('small');
    t.is(near.writeBufferSize, 0);
    const large = near.write(Buffer.alloc(PLENTY));
    const behind = near.write('behind');
    const nothing = near.write('');
    await turns(near);
    t.true(near.writing);
    t.false(await isSettled(large));
    t.false(await isSettled(behind));
    t.false(await isSettled(nothing), 'an empty write resolves when all before it is out');
    await far.readBytes(5);
    await far.readBytes(PLENTY);
    await large;
    t.is((await far.readBytes(6)).toString(), 'behind');
    await behind;
    await nothing;
    t.false(near.writing);
  }));

test('concurrent writers of small and large pieces keep the order of their calls', (t) =>
  withPair(async (near, far) => {
    const expected: Buffer[] = [];
    const written: Promise<void>[] = [];
    for (let writer = 0; writer < 300; writer += 1) {
      // Around the size up to which pieces are copied, and far above it.
      const size = [1, 100, 4095, 4096, 4097, 70_000][writer % 6] ?? 1;
      const piece = Buffer.alloc(size, `${writer} `);
      expected.push(piece);
      written.push(near.write(writer % 2 === 0 ? piece : piece.toString('latin1')));
      if (writer % 50 === 0) await turns(near, 1);
    }
    const all = Buffer.concat(expected);
    t.true((await far.readBytes(all.length)).equals(all));
    await Promise.all(written);
  }));

test('promises resolve in the order of the writes', (t) =>
  withPair(async (near, far) => {
    const order: number[] = [];
    const written = [1, 200_000, 10, 5000, 3, 100_000, 1].map((size, index) =>
      near.write(Buffer.alloc(size)).then(() => order.push(index)),
    );
    await far.readBytes(305_015);
    await Promise.all(written);
    t.deepEqual(order, [0, 1, 2, 3, 4, 5, 6]);
  }));

test('up to 4 KiB are copied at once: the memory is free again', (t) =>
  withPair(async (near, far) => {
    const memory = Buffer.alloc(4096, 'a');
    void near.write(memory);
    memory.fill('b');
    void near.write(memory);
    memory.fill('c');
    t.is((await far.readBytes(8192)).toString(), 'a'.repeat(4096) + 'b'.repeat(4096));
  }));

test('small writes stay copied when the kernel takes no more', (t) =>
  withPair(async (near, far) => {
    const large = near.write(Buffer.alloc(PLENTY, '.'));
    await turns(near);
    const memory = Buffer.alloc(100, 'a');
    const small = near.write(memory);
    memory.fill('b');
    await far.readBytes(PLENTY);
    t.is((await far.readBytes(100)).toString(), 'a'.repeat(100));
    await Promise.all([large, small]);
  }));

serialOwnSockets('what is written in one turn leaves together', (t) =>
  withCapacities(USUAL, () =>
    withPair(async (near, far) => {
      const reading = far.readBytes(65_536, { partial: true });
      await turns(far, 2);
      for (let count = 0; count < 800; count += 1) void near.write('0123456789');
      t.is((await reading).length, 8000);
    }),
  ),
);

test('watermarks: congested above the high one, and drained at the low one', (t) =>
  withPair(
    async (near, far) => {
      await near.drain();
      void near.write(Buffer.alloc(1000));
      t.false(near.congested);
      const writing = near.write(Buffer.alloc(PLENTY));
      t.true(near.congested);
      const drained = near.drain();
      let left = -1;
      void drained.then(() => (left = near.writeBufferSize));
      await turns(near);
      t.false(await isSettled(drained));
      await far.readBytes(1000 + PLENTY);
      await drained;
      t.true(left <= 100, `${left} bytes were left`);
      t.false(near.congested);
      await writing;
    },
    { highWaterMark: 10_000, lowWaterMark: 100 },
  ));

testOwnSockets(
  'maxWriteBufferSize: what would exceed it is refused whole, and the stream goes on',
  (t) =>
    withPair(
      async (near, far) => {
        const error = await failureOf(near.write(Buffer.alloc(1001)));
        t.true(error instanceof StreamBufferFullError);
        t.is(error.code, 'ERR_IOLOOP_BUFFER_FULL');
        t.is((await failureOf(near.write(['x'.repeat(600), 'y'.repeat(401)]))).code, error.code);
        t.is((await failureOf(near.write('€'.repeat(334)))).code, error.code);
        t.is(near.writeBufferSize, 0);
        await near.write('x'.repeat(1000));
        void near.write('y'.repeat(600));
        t.is((await failureOf(near.write('z'.repeat(401)))).code, error.code);
        await near.write('z'.repeat(400));
        const received = (await far.readBytes(2000)).toString();
        t.is(received, 'x'.repeat(1000) + 'y'.repeat(600) + 'z'.repeat(400));
      },
      { maxWriteBufferSize: 1000 },
    ),
);

test.serial('64 MB for a reader that has stalled: memory stays within maxWriteBufferSize', (t) =>
  withCapacities(USUAL, () =>
    withPair(
      async (near, far) => {
        const piece = Buffer.alloc(64 * 1024, 'x');
        const total = 64 * 1024 * 1024;
        const held = await heldBytes();
        let most = 0;
        let sent = 0;
        let refused = 0;
        let received = 0;
        while (sent < total) {
          const writing = near.write(Buffer.from(piece));
          most = Math.max(most, near.writeBufferSize);
          const failed = await Promise.race([
            writing.then(
              () => null,
              (error: Error) => error,
            ),
            turns(near, 1).then(() => null),
          ]);
          if (failed === null) {
            sent += piece.length;
            continue;
          }
          t.true(failed instanceof StreamBufferFullError);
          refused += 1;
          // The reader wakes up, and the writer waits until there is room.
          const drained = near.drain();
          while (!(await isSettled(drained))) {
            received += (await far.readBytes(1 << 20, { partial: true })).length;
          }
        }
        t.true(refused > 10);
        t.true(most <= 1 << 20, `${most} bytes waited`);
        const grown = (await heldBytes()) - held;
        t.true(grown < 8 << 20, `${grown} bytes more memory`);
        void near.shutdownWrite();
        received += (await far.readUntilClose()).length;
        t.is(received, sent);
      },
      { maxWriteBufferSize: 1 << 20 },
    ),
  ),
);

test.serial('one huge write does not starve others: they are served between its parts', (t) =>
  withCapacities(USUAL, () =>
    withPair(async (near, far, loop) => {
      const size = 64 << 20;
      let ticks = 0;
      const count = (): void => {
        ticks += 1;
        if (near.writing) loop.addCallback(count);
      };
      const reading = far.readBytes(size);
      const writing = near.write(Buffer.alloc(size));
      loop.addCallback(count);
      await writing;
      await reading;
      // Half a megabyte at a time, at most.
      t.true(ticks >= size / (512 * 1024) / 2, `${ticks} turns`);
    }),
  ),
);

test('writes of a callback, a promise and a timer of one turn keep their order', (t) =>
  withPair(async (near, far, loop) => {
    loop.addCallback(() => {
      void near.write('1');
      queueMicrotask(() => void near.write('2'));
      loop.addCallback(() => void near.write('3'));
    });
    t.is((await far.readBytes(3)).toString(), '123');
  }));
