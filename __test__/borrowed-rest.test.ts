/**
 * Borrowed chunks that are left in the middle: by another protocol, a stream, a pause, an exception, a
 * close; and messages that are cut by the ends of chunks. The rest of a chunk goes where it belongs.
 */
import test from 'ava';
import { fixed, lengthPrefixed, lines, type Connection, type Protocol } from 'ioloop';
import { borrowing, echoed, echoes, SMALL_ROOM, warm, type Data } from './helpers/borrowed.js';
import { until } from './helpers/fds.js';
import { onLoop, takeReports } from './helpers/loop.js';
import { reset } from './helpers/net.js';
import { withPushed } from './helpers/protocols.js';
import { noise } from './helpers/pumps.js';

type Any = Connection<unknown>;

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

for (const chunks of ['borrowed', 'owned'] as const) {
  test.serial(
    `${chunks}: toStream() with unread bytes whose memory was transferred is refused`,
    (t) => {
      const codes: unknown[] = [];
      const data: Data = (c, chunk) => {
        if (chunk.length < 20_000) return;
        structuredClone(chunk.buffer, { transfer: [chunk.buffer as ArrayBuffer] });
        c.unread(10);
        for (let tries = 0; tries < 2; tries += 1) {
          codes.push((t.throws(() => c.toStream()) as NodeJS.ErrnoException).code);
        }
      };
      const receiving = { ...SMALL_ROOM, borrowedRoom: 100_000 };
      return onLoop(
        (loop) =>
          withPushed(loop, { data, chunks }, async ({ client, connection, closed }) => {
            await client.write(noise(100));
            await until(() => connection.bytesReceived === 100, 'the first bytes');
            client.write(noise(60_000)).catch(() => {});
            await closed();
            t.deepEqual(codes, ['ERR_IOLOOP_BUFFER_DETACHED', 'ERR_IOLOOP_BUFFER_DETACHED']);
            t.is((connection.error as NodeJS.ErrnoException).code, 'ERR_IOLOOP_BUFFER_DETACHED');
          }),
        { capacities: receiving },
      );
    },
  );
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
        t.true(await echoes(loop, bytes));
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
      t.true(await echoes(loop, bytes));
    });
  },
);
