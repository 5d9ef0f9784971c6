/** A million small writes to a peer that has stalled: bounded memory, and a linear drain. */
import test from 'ava';
import { Fifo } from '#internal';
import { IOStream, Socket, type IOStreamOptions } from 'ioloop';
import { USUAL, withCapacities } from './helpers/capacities.js';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { failureOf, isSettled, localPair, turns } from './helpers/streams.js';

interface Stalled {
  readonly stream: IOStream;
  readonly peer: Socket;
  /** Bytes that the kernel has taken for the peer already. */
  readonly filled: number;
  readonly loop: ReportingLoop;
}

/** Runs `body` with a stream whose kernel takes nothing more. */
function withStalled(
  body: (stalled: Stalled) => Promise<void>,
  options: IOStreamOptions = {},
): Promise<void> {
  return onLoop(async (loop) => {
    const [mine, peer] = Socket.pair();
    let filled = 0;
    for (let count: number | null; (count = mine.send(Buffer.alloc(4096))) !== null;) {
      filled += count;
    }
    const stream = new IOStream(mine, { loop, ...options });
    try {
      await body({ stream, peer, filled, loop });
    } finally {
      stream.close();
      peer.close();
    }
  });
}

const MILLION = 1_000_000;

test.serial(
  '10^6 writes of one byte: the queue takes 50 MB at most, and drains in turns',
  async (t) => {
    await withStalled(async ({ stream, peer, filled, loop }) => {
      const before = process.memoryUsage();
      const piece = Buffer.from('x');
      const promises = new Set<Promise<void>>();
      for (let count = 1; count <= MILLION; count += 1) {
        promises.add(stream.write(piece));
        if (count % 10_000 === 0) await turns(stream, 1);
      }
      t.true(promises.size <= 1100, `${promises.size} promises`);
      const after = process.memoryUsage();
      const grown = after.heapUsed + after.external - before.heapUsed - before.external;
      t.true(grown < 50e6, `${grown} bytes more memory`);

      const reader = new IOStream(peer, { loop });
      const ending = stream.end();
      let ticks = 0;
      const count = (): void => {
        ticks += 1;
        if (!stream.closed) loop.addCallback(count);
      };
      loop.addCallback(count);
      const received = await reader.readUntilClose();
      await ending;
      await Promise.all(promises);
      t.is(received.length, filled + MILLION);
      t.true(received.subarray(filled).every((byte) => byte === piece[0]));
      t.true(ticks > 5, `${ticks} turns`);
      reader.close();
    });
  },
);

test.serial(
  'draining ten times as many takes about ten times as long, not a hundred times',
  async (t) => {
    const time = async (count: number): Promise<number> => {
      let milliseconds = 0;
      await withStalled(async ({ stream, peer, loop }) => {
        for (let at = 1; at <= count; at += 1) {
          void stream.write('12345678');
          // A promise of its own for every hundred.
          if (at % 100 === 0) await turns(stream, 1);
        }
        const reader = new IOStream(peer, { loop });
        const began = performance.now();
        const ending = stream.end();
        await reader.readUntilClose();
        await ending;
        milliseconds = performance.now() - began;
        reader.close();
      });
      return milliseconds;
    };
    await time(2000);
    const few = Math.min(await time(20_000), await time(20_000));
    const many = await time(400_000);
    t.true(many < 60 * (few + 2), `${few} ms for 20,000, ${many} ms for 400,000`);
  },
);

test('maxWriteBufferSize counts the memory of small writes: 128 bytes for each after the first', async (t) => {
  await withStalled(
    async ({ stream, peer, filled, loop }) => {
      let accepted = 0;
      let refusal: Promise<void> | null = null;
      for (let count = 0; count < 2000; count += 1) {
        const written = stream.write('x');
        if (refusal === null) {
          await turns(stream, 1);
          if (await isSettled(written)) refusal = written;
          else accepted += 1;
        } else written.catch(() => {});
      }
      t.is((await failureOf(refusal as Promise<void>)).code, 'ERR_IOLOOP_BUFFER_FULL');
      t.is(accepted, 1 + Math.floor((100_000 - 1) / 129));
      t.true(stream.writeBufferSize <= 100_000);
      const reader = new IOStream(peer, { loop });
      await reader.readBytes(filled);
      t.is((await reader.readBytes(accepted)).toString(), 'x'.repeat(accepted));
      await turns(stream);
      t.is(stream.writeBufferSize, 0);
      await stream.write('x'.repeat(4000));
      t.is((await reader.readBytes(4000)).length, 4000);
      reader.close();
    },
    { maxWriteBufferSize: 100_000 },
  );
});

test('the first write that waits counts its bytes only, and large ones always do', async (t) => {
  await withStalled(
    async ({ stream }) => {
      const small = stream.write('x'.repeat(100));
      await turns(stream, 2);
      t.is(stream.writeBufferSize, 100);
      t.is((await failureOf(stream.write('y'.repeat(4801)))).code, 'ERR_IOLOOP_BUFFER_FULL');
      void stream.write(Buffer.alloc(4800));
      t.is(stream.writeBufferSize, 4900);
      t.is((await failureOf(stream.write('z'))).code, 'ERR_IOLOOP_BUFFER_FULL');
      // An empty write takes no memory, and has the promise of the write before it.
      const empty = Array.from({ length: 10_000 }, () => stream.write(''));
      t.is(new Set(empty).size, 1);
      t.is(stream.writeBufferSize, 4900);
      t.false(await isSettled(small));
    },
    { maxWriteBufferSize: 4900 },
  );
});

test('the watermarks are for the bytes alone', async (t) => {
  await withStalled(
    async ({ stream }) => {
      void stream.write('x');
      // From here on the kernel is known to be full.
      await turns(stream, 2);
      for (let count = 1; count < 1000; count += 1) void stream.write('x');
      t.is(stream.writeBufferSize, 1000 + 128 * 999);
      t.false(stream.congested);
      void stream.write('x');
      t.true(stream.congested);
    },
    { highWaterMark: 1000 },
  );
});

test('writes of different ticks have promises of their own: each resolves with its last byte', async (t) => {
  await withStalled(async ({ stream, peer, filled, loop }) => {
    void stream.write('');
    const first = stream.write('first');
    const sameTick = stream.write(' and more');
    t.is(first, sameTick);
    await turns(stream, 2);
    const second = stream.write(Buffer.alloc(8_000_000));
    const behind = stream.write('behind');
    const nothing = stream.write('');
    await turns(stream, 2);
    const reader = new IOStream(peer, { loop });
    await reader.readBytes(filled);
    await first;
    t.false(await isSettled(second));
    t.false(await isSettled(behind));
    t.false(await isSettled(nothing));
    await reader.readBytes(14);
    await reader.readBytes(8_000_000);
    await Promise.all([second, behind, nothing]);
    t.is((await reader.readBytes(6)).toString(), 'behind');
    reader.close();
  });
});

test('small writes of one tick share a promise and a refusal; those of the next have others', async (t) => {
  await withStalled(
    async ({ stream }) => {
      void stream.write('x');
      // From here on the kernel is known to be full.
      await turns(stream, 2);
      const first = stream.write('x');
      t.is(stream.write('y'), first);
      await turns(stream, 1);
      const second = stream.write('z');
      t.not(second, first);
      const refused = stream.write('x'.repeat(4000));
      t.is(stream.write('x'.repeat(4000)), refused);
      t.is((await failureOf(refused)).code, 'ERR_IOLOOP_BUFFER_FULL');
      await turns(stream, 1);
      const later = stream.write('x'.repeat(4000));
      t.not(later, refused);
      t.is((await failureOf(later)).code, 'ERR_IOLOOP_BUFFER_FULL');
      stream.close();
      t.is((await failureOf(first)).code, 'ERR_IOLOOP_STREAM_CLOSED');
      t.is((await failureOf(second)).code, 'ERR_IOLOOP_STREAM_CLOSED');
    },
    { maxWriteBufferSize: 1000 },
  );
});

test('promises of 10^5 small writes that leave in one send are resolved over many turns', async (t) => {
  await withStalled(async ({ stream, peer, filled, loop }) => {
    void stream.write('x');
    await turns(stream, 2);
    let turn = 0;
    const resolvedIn = new Set<number>();
    const note = (): void => void resolvedIn.add(turn);
    const promises = new Set<Promise<void>>();
    for (let count = 0; count < 100_000; count += 1) promises.add(stream.write('x'));
    const noted = Array.from(promises, (promise) => promise.then(note));
    const count = (): void => {
      turn += 1;
      if (!stream.closed) loop.addCallback(count);
    };
    loop.addCallback(count);
    const reader = new IOStream(peer, { loop });
    await reader.readBytes(filled + 100_001);
    await Promise.all(noted);
    t.true(resolvedIn.size > 15, `${resolvedIn.size} turns`);
    reader.close();
  });
});

test('a queue of 300,000 is emptied in the time of as many steps', (t) => {
  const count = 300_000;
  const fifo = new Fifo<number>();
  for (let item = 0; item < count; item += 1) fifo.push(item);
  const began = performance.now();
  let isOrdered = true;
  for (let item = 0; item < count; item += 1) {
    isOrdered &&= fifo.at(0) === item && fifo.last() === count - 1;
    fifo.shift();
  }
  t.true(isOrdered);
  t.is(fifo.length, 0);
  // Moving the rest with each step would be 4.5 * 10^10 moves.
  t.true(performance.now() - began < 3000);
});

test('a close in the middle rejects every write that waits, once, and quietly', async (t) => {
  await withStalled(async ({ stream }) => {
    const waiting: Promise<void>[] = [];
    for (let count = 0; count < 50; count += 1) {
      waiting.push(stream.write(count % 2 === 0 ? 'small' : Buffer.alloc(5000)));
      if (count % 10 === 0) await turns(stream, 1);
    }
    const ending = stream.shutdownWrite();
    stream.close();
    for (const written of [...waiting, ending]) {
      t.is((await failureOf(written)).code, 'ERR_IOLOOP_STREAM_CLOSED');
    }
    t.is(stream.writeBufferSize, 0);
  });
});

test('writes that are sent resolve when the stream is closed before all of them have', async (t) => {
  const count = 20_000;
  await withCapacities(USUAL, () =>
    withStalled(async ({ stream, peer, filled }) => {
      const first = stream.write('x');
      await turns(stream);
      let resolved = 0;
      const writes = Array.from({ length: count }, () =>
        stream.write('x').then(() => {
          resolved += 1;
        }),
      );
      for (let received = 0; received < filled + 1 + count;) {
        await turns(stream, 1);
        for (let bytes: Buffer | null; (bytes = peer.recv(65_536)) !== null;) {
          received += bytes.length;
        }
      }
      t.true(resolved < count, 'a turn resolves a part of them');
      stream.close();
      await t.notThrowsAsync(Promise.all([first, ...writes]));
    }),
  );
});

test('a list of small pieces is sent in order, whatever the pieces are', (t) =>
  onLoop(async (loop) => {
    const [near, far] = localPair(loop);
    const letters = ['a', 'é', '', 'x'.repeat(16), 'y'.repeat(17), 'ascii then é', '\u{1f600}'];
    const lists: (string | Uint8Array)[][] = [
      letters,
      letters.map((text) => Buffer.from(text)),
      letters.flatMap((text) => [text, new Uint8Array([0x2c])]),
      ['', ''],
      [],
      ['z'.repeat(4096)],
      ['z'.repeat(4000), Buffer.alloc(97, 'w')],
      [Buffer.alloc(0), 'after nothing'],
    ];
    const expected = Buffer.concat(lists.flat().map((piece) => Buffer.from(piece as string)));
    for (const list of lists) void near.write(list);
    await near.end();
    t.true((await far.readUntilClose()).equals(expected));
  }));

test('a list is read once, and one with a wrong piece sends nothing', (t) =>
  onLoop(async (loop) => {
    const [near, far] = localPair(loop);
    let reads = 0;
    const computed = Object.defineProperty(['', 'b'], 0, {
      get: () => {
        reads += 1;
        return reads === 1 ? 'a' : 'x'.repeat(1 << 20);
      },
    });
    await near.write(computed);
    t.is(reads, 1);
    await t.throwsAsync(near.write(['c', 5 as never]), { code: 'ERR_INVALID_ARG_TYPE' });
    const gone = new Uint8Array(4);
    structuredClone(gone.buffer, { transfer: [gone.buffer] });
    await t.throwsAsync(near.write(['d', gone]), { code: 'ERR_IOLOOP_BUFFER_DETACHED' });
    await near.end();
    t.is(String(await far.readUntilClose()), 'ab');
  }));
