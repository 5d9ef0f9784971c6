/**
 * Protocols that borrow their chunks: the memory of a chunk serves the next ones. Whatever is done with a
 * chunk, peers get its bytes, and one that is kept is empty or as it was.
 */
import test from 'ava';
import type { Connection, Protocol } from 'ioloop';
import { borrowing, echoed, Kept, SMALL_ROOM, warm, type Data } from './helpers/borrowed.js';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { withPushed, type Functions } from './helpers/protocols.js';
import { noise } from './helpers/pumps.js';
import { tcpStreams } from './helpers/streams.js';

type Any = Connection<unknown>;

test.serial(
  'large chunks share memory, and those that are kept are detached, never overwritten',
  async (t) => {
    const kept = new Kept();
    const memories = new Set<ArrayBufferLike>();
    let large = 0;
    const data: Data = (c, chunk) => {
      t.is(kept.overwritten(), 0);
      kept.keep(chunk);
      if (chunk.length > 4096) {
        large += 1;
        memories.add(chunk.buffer);
      }
      c.write(chunk);
    };
    const sent = noise(1_000_000);
    await borrowing({ data }, async ({ client }) => {
      t.true((await echoed(client, sent)).equals(sent));
    });
    t.true(kept.bytes.equals(sent));
    t.is(kept.overwritten(), 0);
    t.true(large > 10, `${large} large chunks`);
    t.true(kept.detached() > 5, `${kept.detached()} are detached`);
    t.true(memories.size <= large);
  },
);

test.serial('an owned chunk, by default, keeps its bytes', async (t) => {
  const kept = new Kept();
  const data: Data = (c, chunk) => {
    kept.keep(chunk);
    c.write(chunk);
  };
  const sent = noise(500_000);
  await onLoop(
    (loop) =>
      withPushed(loop, { data, chunks: 'owned' }, async ({ client }) => {
        t.true((await echoed(client, sent)).equals(sent));
      }),
    { capacities: SMALL_ROOM },
  );
  t.is(kept.detached(), 0);
  t.is(kept.overwritten(), 0);
});

test.serial(
  'a reader that stalls gets all bytes later: what the kernel does not take is copied',
  async (t) => {
    const kept = new Kept();
    const data: Data = (c, chunk) => {
      kept.keep(chunk);
      c.write(chunk);
    };
    // More than the buffers of the kernel have.
    const sent = noise(12_000_000);
    await borrowing({ data }, async ({ client, connection }) => {
      await client.write(sent);
      await until(() => connection.bytesReceived === sent.length, 'all bytes');
      t.true(connection.unsent > 0);
      t.true((await client.readBytes(sent.length)).equals(sent));
      t.is(connection.unsent, 0);
    });
    t.is(kept.overwritten(), 0);
  },
);

test.serial('back-pressure by pause() and drain: one chunk at most is copied', async (t) => {
  let most = 0;
  const functions: Functions<unknown> = {
    data(c, chunk) {
      if (!c.write(chunk)) c.pause();
      most = Math.max(most, c.unsent);
    },
    drain: (c) => c.resume(),
  };
  const sent = noise(8_000_000);
  const limits = { highWaterMark: 1000 };
  const got = await borrowing(functions, ({ client }) => echoed(client, sent), limits);
  t.true(got.equals(sent));
  t.true(most <= SMALL_ROOM.borrowedRoom + limits.highWaterMark, `${most} unsent bytes`);
});

test.serial('one chunk to many connections, of which some stall', async (t) => {
  await onLoop(
    async (loop) => {
      const pairs = await Promise.all(Array.from({ length: 8 }, () => tcpStreams(loop)));
      const others: Any[] = pairs.map(([, far]) => far.setProtocol({ data: () => {} }));
      const data: Data = (_, chunk) => {
        for (const other of others) other.write(chunk);
      };
      const sent = noise(6_000_000);
      await withPushed(loop, { data, chunks: 'borrowed' }, async ({ client, connection }) => {
        const reading = pairs.slice(0, 4).map(([near]) => near.readBytes(sent.length));
        await client.write(sent);
        await until(() => connection.bytesReceived === sent.length, 'all bytes');
        t.true(others.some(({ unsent }) => unsent > 0));
        const late = pairs.slice(4).map(([near]) => near.readBytes(sent.length));
        for (const got of await Promise.all([...reading, ...late])) t.true(got.equals(sent));
      });
      for (const [near, far] of pairs) for (const end of [near, far]) end.close();
      for (const other of others) other.close();
    },
    { capacities: SMALL_ROOM },
  );
});

test.serial(
  'other writers get it too: a stream, a list, a part, a DataView, and those behind small writes',
  async (t) => {
    const written: Buffer[] = [];
    const note = (...pieces: Uint8Array[]): void => {
      for (const piece of pieces) written.push(Buffer.from(piece));
    };
    await onLoop(
      async (loop) => {
        const [near, far] = await tcpStreams(loop);
        let calls = 0;
        const ways: ((c: Any, chunk: Buffer) => void)[] = [
          (c, chunk) => void c.write([Buffer.from('head'), chunk, 'tail']),
          (c, chunk) => {
            c.write('head');
            c.write(chunk);
            c.write('tail');
          },
          (c, chunk) => {
            c.cork(() => {
              c.write(['head', chunk]);
              c.write('tail');
            });
          },
        ];
        const data: Data = (c, chunk) => {
          calls += 1;
          (ways[calls % ways.length] as Data)(c, chunk);
          note(Buffer.from('head'), chunk, Buffer.from('tail'));
          void near.write(new DataView(chunk.buffer, chunk.byteOffset, chunk.length));
          void near.write(chunk.subarray(chunk.length >> 1));
        };
        const sent = noise(3_000_000);
        const twice: Buffer[] = [];
        const both: Data = (c, chunk) => {
          twice.push(Buffer.from(chunk), Buffer.from(chunk.subarray(chunk.length >> 1)));
          data(c, chunk);
        };
        await withPushed(
          loop,
          { data: both, chunks: 'borrowed' },
          async ({ client, connection }) => {
            await client.write(sent);
            await until(() => connection.bytesReceived === sent.length, 'all bytes');
            const expected = Buffer.concat(written);
            t.true((await client.readBytes(expected.length)).equals(expected));
            const other = Buffer.concat(twice);
            t.true((await far.readBytes(other.length)).equals(other));
          },
        );
        near.close();
        far.close();
      },
      { capacities: SMALL_ROOM },
    );
  },
);

test.serial('a chunk that is written too late is refused, and sends nothing', async (t) => {
  const kept: Buffer[] = [];
  const data: Data = (c, chunk) => {
    if (chunk.length > 4096) kept.push(chunk);
    c.write(chunk);
  };
  const sent = noise(400_000);
  await borrowing({ data }, async ({ client, connection }) => {
    await warm(client);
    t.true((await echoed(client, sent)).equals(sent));
    const [first] = kept as [Buffer];
    t.is(first.length, 0);
    const before = connection.bytesSent;
    t.throws(() => connection.write(first), { code: 'ERR_IOLOOP_BUFFER_DETACHED' });
    t.throws(() => connection.write(['x', first]), { code: 'ERR_IOLOOP_BUFFER_DETACHED' });
    t.is(connection.bytesSent + connection.unsent, before);
  });
});

test.serial('a write beyond maxWriteBufferSize throws, and takes nothing', async (t) => {
  const errors: unknown[] = [];
  const data: Data = (c, chunk) => {
    if (chunk.length <= 10_000) return;
    try {
      c.write(chunk);
    } catch (error) {
      errors.push((error as { code: unknown }).code);
    }
  };
  await borrowing(
    { data },
    async ({ client, connection }) => {
      await client.write(noise(200_000));
      await until(() => errors.length > 2, 'refusals');
      t.true(errors.every((code) => code === 'ERR_IOLOOP_BUFFER_FULL'));
      t.is(connection.bytesSent + connection.unsent, 0);
    },
    { maxWriteBufferSize: 10_000 },
  );
});

test.serial('a host that cannot move memory: chunks are left alone', async (t) => {
  const prototype = ArrayBuffer.prototype as { transfer?: unknown };
  const own = Object.getOwnPropertyDescriptor(prototype, 'transfer');
  const { structuredClone: clone } = globalThis;
  delete prototype.transfer;
  globalThis.structuredClone = () => {
    throw new Error('not here');
  };
  const kept = new Kept();
  const data: Data = (c, chunk) => {
    kept.keep(chunk);
    c.write(chunk);
  };
  const sent = noise(500_000);
  try {
    await borrowing({ data }, async ({ client }) => {
      t.true((await echoed(client, sent)).equals(sent));
    });
  } finally {
    globalThis.structuredClone = clone;
    if (own !== undefined) Object.defineProperty(prototype, 'transfer', own);
  }
  t.is(kept.overwritten(), 0);
});

test.serial('another value than owned and borrowed is refused', (t) =>
  onLoop((loop) =>
    withPushed(loop, {}, ({ connection }) => {
      const protocol = { data: () => {}, chunks: 'mine' } as unknown as Protocol;
      t.throws(() => (connection.protocol = protocol), { code: 'ERR_INVALID_ARG_VALUE' });
      return Promise.resolve();
    }),
  ),
);
