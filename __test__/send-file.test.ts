/** `sendFile()`: exactly the range that was asked for, in the place of a write; its failures. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { IOStream } from 'ioloop';
import { serialIf, testWith } from './helpers/conditions.js';
import { HAS_PROC, openFds, until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { reset } from './helpers/net.js';
import { digest, digestOf } from './helpers/pumps.js';
import { failureOf, isSettled, withPair, withTcpPair } from './helpers/streams.js';
import { securePair } from './helpers/tls.js';

const MIB = 1024 * 1024;
const folder = mkdtempSync(join(tmpdir(), 'ioloop-files-'));
test.after.always(() => {
  rmSync(folder, { recursive: true });
});

let files = 0;

/** A file with these bytes. */
function fileOf(bytes: Uint8Array): string {
  files += 1;
  const path = join(folder, `${files}`);
  writeFileSync(path, bytes);
  return path;
}

const PAIRS = {
  tcp: withTcpPair,
  unix: withPair,
  tls: (body: (near: IOStream, far: IOStream) => Promise<void>) =>
    onLoop(async (loop) => {
      const [client, server] = await securePair(loop, { allowHalfOpen: true });
      await body(client, server);
      client.close();
      server.close();
    }),
  memory: (body: (near: IOStream, far: IOStream) => Promise<void>) =>
    onLoop((loop) => body(...IOStream.pair({ loop, allowHalfOpen: true }))),
} as const;

for (const [kind, withStreams] of Object.entries(PAIRS)) {
  test(`${kind}: ranges of a file, by path and by handle, are sent to the byte`, (t) =>
    withStreams(async (near, far) => {
      const bytes = randomBytes(3 * MIB + 17);
      const path = fileOf(bytes);
      const handle = await open(path);
      const got = digest(far);
      const ranges = [
        {},
        { offset: 1 },
        { length: 0 },
        { offset: bytes.length },
        { offset: 4095, length: 2 },
        { offset: 131_071, length: 131_073 },
        { length: bytes.length },
      ];
      const parts: Buffer[] = [];
      for (const [at, range] of ranges.entries()) {
        const { offset = 0, length = bytes.length - offset } = { ...range } as Record<
          string,
          number | undefined
        >;
        parts.push(bytes.subarray(offset, offset + length));
        t.is(await near.sendFile(at % 2 === 0 ? path : handle, range), length);
      }
      await near.shutdownWrite();
      t.is(await got, digestOf(...parts));
      t.is((await handle.read(Buffer.alloc(1), 0, 1, 0)).bytesRead, 1);
      await handle.close();
    }));
}

test('a file has the place of a write: earlier and later writes, files and the end keep their order', (t) =>
  withTcpPair(
    async (near, far) => {
      const [first, second] = [randomBytes(MIB), randomBytes(300_000)];
      const writes = [
        near.write('head'),
        near.write(Buffer.alloc(100_000, 1)),
        near.sendFile(fileOf(first)),
        near.write('between'),
        near.sendFile(join(folder, 'missing')),
        near.sendFile(fileOf(second)),
        near.write(['ta', 'il']),
        near.shutdownWrite(),
      ];
      t.true(near.writing);
      t.is((await failureOf(near.write('after the end'))).code, 'ERR_IOLOOP_STREAM_CLOSED');
      const parts = ['head', Buffer.alloc(100_000, 1), first, 'between', second, 'tail'];
      t.is(await digest(far), digestOf(...parts.map((part) => Buffer.from(part))));
      const settled = await Promise.allSettled(writes);
      t.deepEqual(
        settled.map(({ status }) => status),
        [...Array<string>(4).fill('fulfilled'), 'rejected', ...Array<string>(3).fill('fulfilled')],
      );
      t.false(near.writing);
      t.is(near.writeBufferSize, 0);
    },
    { allowHalfOpen: true },
  ));

test('what is refused leaves the stream as it was', (t) =>
  withPair(async (near, far) => {
    const path = fileOf(Buffer.from('0123456789'));
    const refused: [unknown, unknown, string][] = [
      [join(folder, 'missing'), {}, 'ENOENT'],
      [folder, {}, 'ERR_INVALID_ARG_VALUE'],
      ['/dev/null', {}, 'ERR_INVALID_ARG_VALUE'],
      [5, {}, 'ERR_INVALID_ARG_TYPE'],
      [null, {}, 'ERR_INVALID_ARG_TYPE'],
      [path, 5, 'ERR_INVALID_ARG_TYPE'],
      [path, { offset: -1 }, 'ERR_OUT_OF_RANGE'],
      [path, { offset: 0.5 }, 'ERR_OUT_OF_RANGE'],
      [path, { offset: '1' }, 'ERR_INVALID_ARG_TYPE'],
      [path, { offset: 11 }, 'ERR_OUT_OF_RANGE'],
      [path, { length: 11 }, 'ERR_OUT_OF_RANGE'],
      [path, { offset: 5, length: 6 }, 'ERR_OUT_OF_RANGE'],
      [path, { length: Infinity }, 'ERR_OUT_OF_RANGE'],
      [path, { timeout: 'x' }, 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [file, options, code] of refused) {
      const failed = await failureOf(near.sendFile(file as string, options as object));
      t.is(failed.code, code, JSON.stringify([file, options]));
    }
    const aborted = near.sendFile(path, { signal: AbortSignal.abort() });
    t.is((await failureOf(aborted)).name, 'AbortError');
    await near.write('fine');
    t.is(String(await far.readBytes(4)), 'fine');
    near.close();
    t.is((await failureOf(near.sendFile(path))).code, 'ERR_IOLOOP_STREAM_CLOSED');
  }));

testWith('mkfifo')('a FIFO without a writer is refused, and occupies no thread', (t) =>
  withPair(async (near) => {
    const path = join(folder, 'fifo');
    execFileSync('mkfifo', [path]);
    const refused = Array.from({ length: 8 }, () => failureOf(near.sendFile(path)));
    for (const failed of refused) t.is((await failed).code, 'ERR_INVALID_ARG_VALUE');
  }),
);

test('a file that grows is sent as it was; one that shrinks closes the stream', (t) =>
  withTcpPair(async (near, far) => {
    const bytes = randomBytes(24 * MIB);
    const growing = fileOf(bytes.subarray(0, 8 * MIB));
    const sent = near.sendFile(growing);
    await until(() => near.socket !== null && near.writing, 'the start');
    const [head] = [await far.readBytes(1)];
    appendFileSync(growing, 'more');
    const rest = await far.readBytes(8 * MIB - 1);
    t.is(await sent, 8 * MIB);
    t.true(Buffer.concat([head, rest]).equals(bytes.subarray(0, 8 * MIB)));
    const shrinking = fileOf(bytes);
    const failed = failureOf(near.sendFile(shrinking));
    await far.readBytes(1);
    truncateSync(shrinking, 1000);
    t.is((await failed).code, 'ERR_IOLOOP_FILE_SHRANK');
    t.is((near.error as NodeJS.ErrnoException | null)?.code, 'ERR_IOLOOP_FILE_SHRANK');
    const end = (await failureOf(far.readUntilClose())) as Error & {
      realError?: NodeJS.ErrnoException;
    };
    t.is(end.realError?.code, 'ECONNRESET');
  }));

test('a reset, a close and a timeout in the middle end it, with what waits behind', (t) =>
  withTcpPair(async (near) => {
    t.truthy(near);
    const path = fileOf(Buffer.alloc(64 * MIB));
    const ends = {
      reset: (_: IOStream, far: IOStream) => reset(far),
      close: (stream: IOStream) => stream.close(),
      timeout: () => {},
    };
    for (const [name, end] of Object.entries(ends)) {
      await withTcpPair(async (stream, far) => {
        const options = name === 'timeout' ? { timeout: 0.2 } : {};
        const failed = failureOf(stream.sendFile(path, options));
        const behind = failureOf(stream.write('behind'));
        await far.readBytes(1);
        end(stream, far);
        const expected = name === 'timeout' ? 'ERR_IOLOOP_TIMEOUT' : 'ERR_IOLOOP_STREAM_CLOSED';
        t.is((await failed).code, expected, name);
        t.is((await behind).code, 'ERR_IOLOOP_STREAM_CLOSED', name);
        t.true(stream.closed);
      });
    }
  }));

test('an abort before the first byte spares the stream', (t) =>
  withPair(async (near, far) => {
    const stalled = near.write(Buffer.alloc(8 * MIB));
    const controller = new AbortController();
    const sent = near.sendFile(fileOf(Buffer.alloc(10)), { signal: controller.signal });
    const behind = near.write('behind');
    t.false(await isSettled(sent));
    controller.abort();
    t.is((await failureOf(sent)).name, 'AbortError');
    await far.readBytes(8 * MIB);
    t.is(String(await far.readBytes(6)), 'behind');
    await Promise.all([stalled, behind]);
  }));

test('a stream that sends a file becomes a connection afterwards', (t) =>
  withPair(async (near, far) => {
    const sent = near.sendFile(fileOf(Buffer.alloc(MIB)));
    t.throws(() => near.setProtocol({ data: () => {} }), { code: 'ERR_IOLOOP_STREAM_BUSY' });
    await far.readBytes(MIB);
    await sent;
    const connection = near.setProtocol({ data: (c, chunk) => c.write(chunk) });
    await far.write('echo');
    t.is(String(await far.readBytes(4)), 'echo');
    connection.close();
  }));

test('drain() rejects where a close has come before the file', (t) =>
  withPair(async (near) => {
    const sent = failureOf(near.sendFile(fileOf(Buffer.alloc(10))));
    const behind = failureOf(near.write(Buffer.alloc(MIB)));
    near.close();
    t.is((await failureOf(near.drain())).code, 'ERR_IOLOOP_STREAM_CLOSED');
    await Promise.all([sent, behind]);
  }));

test('maxWriteBufferSize bounds what waits behind a file, and not the file', (t) =>
  withPair(
    async (near, far) => {
      const bytes = randomBytes(2 * MIB);
      const sent = near.sendFile(fileOf(bytes));
      const small = near.write(Buffer.alloc(10_000));
      t.is((await failureOf(near.write(Buffer.alloc(20_000)))).code, 'ERR_IOLOOP_BUFFER_FULL');
      t.true((await far.readBytes(bytes.length)).equals(bytes));
      await Promise.all([sent, small]);
      await near.write(Buffer.alloc(20_000));
      t.is((await far.readBytes(30_000)).length, 30_000);
    },
    { maxWriteBufferSize: 25_000 },
  ));

test('EOF of the peer does not cut a file', (t) =>
  withTcpPair(async (near, far) => {
    const bytes = randomBytes(8 * MIB);
    await far.shutdownWrite();
    const sent = near.sendFile(fileOf(bytes));
    void near.readUntilClose().catch(() => {});
    t.is(await digest(far), digestOf(bytes));
    t.is(await sent, bytes.length);
  }));

serialIf(HAS_PROC, '/proc')(
  'a stalled reader holds bounded memory, and no descriptor is left',
  (t) =>
    withTcpPair(async (near, far) => {
      const before = openFds().size;
      const path = fileOf(Buffer.alloc(64 * MIB, 3));
      const sent = near.sendFile(path);
      await far.readBytes(1);
      const { arrayBuffers } = process.memoryUsage();
      t.true(arrayBuffers < 256 * MIB, `${arrayBuffers}`);
      let rest = 64 * MIB - 1;
      while (rest > 0) rest -= (await far.readBytes(rest, { partial: true })).length;
      t.is(await sent, 64 * MIB);
      await until(() => openFds().size === before, 'the file to be closed');
    }),
);
