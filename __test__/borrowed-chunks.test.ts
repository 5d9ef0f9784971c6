/**
 * Protocols that borrow their chunks: the memory of a chunk serves the next ones. Whatever is done with a
 * chunk, peers get its bytes, and one that is kept is empty or as it was.
 */
import test from 'ava';
import {
  fixed,
  lengthPrefixed,
  lines,
  type Connection,
  type IOStream,
  type Protocol,
} from 'ioloop';
import { Kept, SMALL_ROOM } from './helpers/borrowed.js';
import { until } from './helpers/fds.js';
import { onLoop, takeReports, type ReportingLoop } from './helpers/loop.js';
import { reset } from './helpers/net.js';
import { withPushed, type Functions, type Pushed } from './helpers/protocols.js';
import { noise } from './helpers/pumps.js';
import { tcpStreams } from './helpers/streams.js';

type Any = Connection<unknown>;
type Data = (c: Any, chunk: Buffer) => unknown;

/** Runs `body` with a client of a server that borrows. */
function borrowing<T>(
  functions: Functions<unknown>,
  body: (pushed: Pushed, loop: ReportingLoop) => Promise<T>,
  options: object = {},
): Promise<T> {
  return onLoop(
    (loop) =>
      withPushed(
        loop,
        { ...functions, chunks: 'borrowed' },
        (pushed) => body(pushed, loop),
        options,
      ),
    { capacities: SMALL_ROOM },
  );
}

/** A chunk is borrowed if the one before it filled a receive of the turn: so the next ones are. */
async function warm(client: IOStream): Promise<void> {
  await echoed(client, noise(100));
}

/** Sends `bytes` while it reads as many. */
async function echoed(client: IOStream, bytes: Buffer): Promise<Buffer> {
  const reading = client.readBytes(bytes.length);
  await client.write(bytes);
  return await reading;
}

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

const LARGE = 50_000;

/** What a function does in the middle of a large chunk; the rest goes where it belongs. */
const REST: Record<string, (c: Any, rest: (bytes: Buffer) => void, follow: Protocol) => void> = {
  'another protocol, which borrows': (c, rest, follow) => {
    c.protocol = { ...follow, chunks: 'borrowed', data: (_, chunk) => rest(Buffer.from(chunk)) };
  },
  'another protocol, which does not': (c, rest, follow) => {
    c.protocol = { ...follow, data: (_, chunk) => rest(chunk) };
  },
  'a stream': (c, rest) => {
    const stream = c.toStream();
    void (async () => {
      for await (const chunk of stream) rest(chunk);
    })().catch(() => {});
  },
  'a stream, and back': (c, rest, follow) => {
    c.toStream().setProtocol({ ...follow, data: (_, chunk) => rest(chunk) });
  },
  'a pause': (c) => {
    c.pause();
    c.loop.addCallback(() => {
      c.resume();
    });
  },
};

for (const [name, change] of Object.entries(REST)) {
  test.serial(`${name}, in the middle of a chunk: the rest is copied`, async (t) => {
    const parts: Buffer[] = [];
    let isChanged = false;
    const rest = (bytes: Buffer): void => void parts.push(bytes);
    const data: Data = (c, chunk) => {
      if (isChanged || chunk.length <= 4096) {
        parts.push(Buffer.from(chunk));
        return;
      }
      isChanged = true;
      c.unread(chunk.length - 100);
      parts.push(Buffer.from(chunk.subarray(0, 100)));
      change(c, rest, { data: () => {} });
    };
    const sent = noise(300_000);
    // Another connection, whose chunks have the same room.
    await onLoop(
      (loop) =>
        withPushed(loop, { data, chunks: 'borrowed' }, ({ client }) =>
          withPushed(
            loop,
            { data: (c: Any, chunk) => void c.write(chunk), chunks: 'borrowed' },
            async (other) => {
              const noisy = noise(300_000);
              const echo = echoed(other.client, noisy);
              await client.write(sent);
              const total = (): number => parts.reduce((sum, { length }) => sum + length, 0);
              await until(() => total() === sent.length, 'all bytes');
              t.true((await echo).equals(noisy));
              t.true(Buffer.concat(parts).equals(sent));
              t.true(isChanged);
            },
          ),
        ),
      { capacities: SMALL_ROOM },
    );
  });
}

for (const [name, framing] of [
  ['lines', (f: Data) => lines(f, { maxLength: LARGE })],
  ['lengthPrefixed', (f: Data) => lengthPrefixed(f)],
  ['fixed', (f: Data) => fixed(7000, f)],
] as const) {
  test.serial(`${name}: messages that are cut by the ends of chunks are whole`, async (t) => {
    const bodies = Array.from({ length: 60 }, (_, at) =>
      Buffer.alloc(name === 'fixed' ? 7000 : (at * 997) % 15_000, `${at}:`),
    );
    const sent = Buffer.concat(
      bodies.flatMap((body) => {
        if (name === 'lines') return [body, Buffer.from('\n')];
        if (name === 'fixed') return [body];
        const head = Buffer.alloc(4);
        head.writeUInt32BE(body.length);
        return [head, body];
      }),
    );
    const got: Buffer[] = [];
    const data = framing((c, frame) => {
      got.push(Buffer.from(frame));
      c.write(frame);
    });
    await borrowing({ data }, async ({ client }) => {
      const expected = Buffer.concat(bodies);
      t.true(
        (await Promise.all([client.readBytes(expected.length), client.write(sent)]))[0].equals(
          expected,
        ),
      );
    });
    t.deepEqual(
      got.map((frame) => frame.length),
      bodies.map((body) => body.length),
    );
  });
}

for (const [name, deed, expected] of [
  [
    'an exception',
    () => {
      throw new Error('of the function');
    },
    'close: of the function',
  ],
  ['close()', (c: Any) => c.close(), 'close'],
  ['close(error)', (c: Any) => c.close(new Error('own')), 'close: own'],
  ['end()', (c: Any) => c.end(), 'close'],
] as const) {
  test.serial(
    `${name} in the middle of a chunk: what was written before arrives, and others go on`,
    async (t) => {
      const written: Buffer[] = [];
      const data: Data = (c, chunk) => {
        written.push(Buffer.from(chunk));
        c.write(chunk);
        if (chunk.length <= 4096) return;
        c.unread(10);
        deed(c);
      };
      await borrowing({ data }, async ({ client, calls, closed }, loop) => {
        const bytes = noise(100_000);
        client.write(bytes).catch(() => {});
        await closed();
        t.is(calls.at(-1), expected);
        t.is(takeReports(loop).length, name === 'an exception' ? 1 : 0);
        const got = await client.readUntilClose().catch((error: unknown) => error);
        const all = Buffer.concat(written);
        // A close with unread bytes resets, which may take what the peer has not read.
        if (Buffer.isBuffer(got)) t.true(all.subarray(0, got.length).equals(got));
        // The room is as good as before.
        await withPushed(
          loop,
          { data: (c: Any, chunk) => void c.write(chunk), chunks: 'borrowed' },
          async (next) => {
            t.true((await echoed(next.client, bytes)).equals(bytes));
          },
        );
      });
    },
  );
}

test.serial('a peer that resets: write() returns false, and close is called once', async (t) => {
  const results: boolean[] = [];
  const data: Data = (c, chunk) => {
    for (let count = 0; count < 200; count += 1) results.push(c.write(chunk));
  };
  await borrowing({ data }, async ({ client, calls, closed }) => {
    await client.write(noise(60_000));
    await until(() => results.includes(false), 'a full kernel');
    reset(client);
    await closed();
    t.is(calls.filter((call) => call.startsWith('close')).length, 1);
    t.regex(calls.at(-1) as string, /ECONNRESET|EPIPE/);
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

test.serial(
  'a program that transfers the memory: its connection is closed, the others have a new room',
  async (t) => {
    let taken = 0;
    const data: Data = (c, chunk) => {
      if (chunk.length <= 4096) {
        c.write(chunk);
        return;
      }
      c.unread(1);
      const { length } = chunk;
      const [moved] = structuredClone([chunk], { transfer: [chunk.buffer as ArrayBuffer] });
      t.is(moved?.length, length);
      t.is(chunk.length, 0);
      taken += 1;
    };
    await borrowing({ data }, async ({ client, calls, closed }, loop) => {
      await warm(client);
      client.write(noise(100_000)).catch(() => {});
      await closed();
      t.is(calls.at(-1), 'close: ERR_IOLOOP_BUFFER_DETACHED');
      t.is(taken, 1);
      const bytes = noise(200_000);
      await withPushed(
        loop,
        { data: (c: Any, chunk) => void c.write(chunk), chunks: 'borrowed' },
        async (next) => {
          t.true((await echoed(next.client, bytes)).equals(bytes));
        },
      );
    });
  },
);

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
