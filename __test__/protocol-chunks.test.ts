/** The chunks of a protocol: those that are kept, and those of which a part is left. */
import test from 'ava';
import type { Connection } from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { withPushed } from './helpers/protocols.js';
import { turns } from './helpers/streams.js';

test('unread() leaves the rest of a chunk to the next call', (t) =>
  onLoop((loop) =>
    withPushed(
      loop,
      {
        // Words of two letters.
        data: (c, chunk) => c.unread(chunk.length % 2),
      },
      async ({ client, calls, connection }) => {
        t.throws(() => connection.unread(0), { code: 'ERR_IOLOOP_STREAM_BUSY' });
        await client.write('abc');
        await until(() => calls.length === 2, 'three');
        await turns(client, 8);
        await client.write('d');
        await until(() => calls.length === 3, 'four');
        t.deepEqual(calls, ['open', 'data abc', 'data cd']);
      },
    ),
  ));

test('unread() beyond maxBufferSize closes the connection', (t) =>
  onLoop((loop) =>
    withPushed(
      loop,
      { data: (c, chunk) => c.unread(chunk.length) },
      async ({ client, connection, closed }) => {
        await client.write(Buffer.alloc(1_001)).catch(() => {});
        await closed();
        t.is((connection.error as NodeJS.ErrnoException).code, 'ERR_IOLOOP_BUFFER_FULL');
      },
      { maxBufferSize: 1_000 },
    ),
  ));

test('a kept chunk is never overwritten', (t) =>
  onLoop(async (loop) => {
    const kept: Buffer[] = [];
    await withPushed(
      loop,
      { data: (c, chunk) => [kept.push(chunk), c.write('.')] },
      async ({ client }) => {
        // Several blocks of 128 KiB.
        for (let n = 0; n < 100; n += 1) {
          await client.write(Buffer.alloc(5_000, n));
          for (let got = 0; got < 5_000 * (n + 1);) {
            await client.readBytes(1);
            got = kept.reduce((sum, { length }) => sum + length, 0);
          }
        }
        const all = Buffer.concat(kept);
        for (let n = 0; n < 100; n += 1) {
          t.true(all.subarray(5_000 * n, 5_000 * (n + 1)).equals(Buffer.alloc(5_000, n)));
        }
      },
    );
  }));

test('chunks that are kept are never overwritten, large and small ones in turns', (t) =>
  onLoop(async (loop) => {
    const kept: Buffer[] = [];
    const copies: Buffer[] = [];
    let received = 0;
    const data = (_: Connection<unknown>, chunk: Buffer): void => {
      kept.push(chunk);
      copies.push(Buffer.from(chunk));
      received += chunk.length;
    };
    await withPushed(loop, { data }, async ({ client }) => {
      let sent = 0;
      const sizes = [1, 8192, 65_536, 65_536, 3, 65_536, 100_000, 5, 5, 40_000, 8192, 1];
      for (const [at, size] of sizes.entries()) {
        await client.write(Buffer.alloc(size, at + 1));
        sent += size;
        await until(() => received === sent, `message ${at}`);
      }
      t.true(Buffer.concat(kept).equals(Buffer.concat(copies)));
      t.deepEqual(
        Buffer.concat(kept),
        Buffer.concat(sizes.map((size, at) => Buffer.alloc(size, at + 1))),
      );
    });
  }));
