/** `streamingCallback` over each kind of connection: resets, half-close, stalls, exceptions, floods. */
import test from 'ava';
import type { IOStream, StreamClosedError } from 'ioloop';
import { deferred } from './helpers/deferred.js';
import { until } from './helpers/fds.js';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { closing } from './helpers/net.js';
import {
  STREAM_KINDS,
  withStreamKind,
  type OfStreamKind,
  type StreamKind,
} from './helpers/stream-kinds.js';
import { closedBy, failureOf, turns } from './helpers/streams.js';

const MIB = 1024 * 1024;

/** Both reads, of more bytes than come: how they begin, and their names. */
const READS = {
  readBytes: (stream: IOStream, streamingCallback: (chunk: Buffer) => unknown) =>
    stream.readBytes(1024 * MIB, { streamingCallback }),
  readUntilClose: (stream: IOStream, streamingCallback: (chunk: Buffer) => unknown) =>
    stream.readUntilClose({ streamingCallback }),
} as const;

/** The error of a read that has failed with its stream; `null` if it has ended in order. */
async function endOf(read: Promise<Buffer>): Promise<NodeJS.ErrnoException | null> {
  try {
    await read;
    return null;
  } catch (error) {
    const { realError } = error as StreamClosedError;
    return (realError ?? error) as NodeJS.ErrnoException;
  }
}

for (const [name, kind] of Object.entries<StreamKind>(STREAM_KINDS)) {
  const run = (
    body: (ofKind: OfStreamKind, loop: ReportingLoop) => Promise<void>,
    options: object = {},
  ): Promise<void> => onLoop((loop) => withStreamKind(loop, kind, (it) => body(it, loop), options));

  for (const [method, begin] of Object.entries(READS)) {
    test(`${name}: a reset at every point is the error of ${method}(), once`, async (t) => {
      for (let point = 0; point < 7; point += 1) {
        await run(async ({ stream, peer, cut }, loop) => {
          let got = 0;
          const closed: unknown[] = [];
          stream.setCloseCallback((error) => closed.push(error));
          const held = deferred<undefined>();
          const read = begin(stream, (chunk) => {
            got += chunk.length;
            if (point === 3) stream.send(Buffer.alloc(4 * MIB));
            return point === 2 ? held.promise : undefined;
          });
          if (point > 0) await peer.write('x');
          if (point > 1) await until(() => got === 1, 'the first chunk');
          if (point === 3) await peer.readBytes(1);
          if (point > 3) await peer.write(Buffer.alloc(200_000));
          if (point > 4) await turns(peer);
          if (point > 5) await peer.shutdownWrite();
          cut();
          // The stream is closed although its callback has not returned.
          if (point === 2) await until(() => stream.closed, 'the close');
          held.resolve(undefined);
          const error = await endOf(read);
          await until(() => closed.length > 0, 'the close callback');
          await turns(stream);
          t.is(closed.length, 1, `point ${point}`);
          t.true(got <= 200_001);
          t.deepEqual(loop.reports, []);
          // After its EOF the peer may have got everything.
          if (point > 5 || !kind.hasReset) return;
          t.regex(error?.code ?? '', /^(ECONNRESET|EPIPE|ERR_IOLOOP_TLS_TRUNCATED)$/);
          t.is(closed[0], error, `point ${point}`);
        });
      }
    });

    test(`${name}: an exception of the callback of ${method}() closes it, and is not reported`, async (t) => {
      for (const isLate of [false, true]) {
        await run(async ({ stream, peer }, loop) => {
          const fault = new Error('not this chunk');
          const closed = closing(stream);
          let calls = 0;
          await peer.write('x');
          const read = begin(stream, async () => {
            calls += 1;
            if (isLate) await turns(peer, 2);
            throw fault;
          });
          await peer.write('more').catch(() => {});
          t.is(await failureOf(read), fault as NodeJS.ErrnoException);
          t.is(await closed, fault);
          await failureOf(peer.readBytes(1));
          t.is(calls, 1);
          t.deepEqual(loop.reports, []);
        });
      }
    });

    test(`${name}: close() in the callback of ${method}() ends it, the rest of the chunks included`, (t) =>
      run(
        async ({ stream, peer }) => {
          let calls = 0;
          await peer.write('four');
          const read = begin(stream, () => {
            calls += 1;
            stream.close();
          });
          t.is(await closedBy(read), null);
          t.is(calls, 1);
          t.is(await closedBy(stream.readUntilClose()), null);
        },
        { readChunkSize: 1 },
      ));

    test(`${name}: what needs the reading side is refused in the callback of ${method}()`, (t) =>
      run(async ({ stream, peer }) => {
        const codes: unknown[] = [];
        const chunks: string[] = [];
        const code = (act: () => unknown): unknown => {
          try {
            act();
            return null;
          } catch (error) {
            return (error as { code?: unknown }).code;
          }
        };
        const read = begin(stream, async (chunk) => {
          chunks.push(String(chunk));
          if (chunks.length > 1) return;
          codes.push((await failureOf(stream.readBytes(1))).code);
          codes.push((await failureOf(stream.startTls({ serverSide: true }))).code);
          codes.push(code(() => stream.setProtocol({ data() {} })));
          codes.push(code(() => stream.toDuplex()));
          codes.push(code(() => stream.toWeb()));
        });
        await peer.write('one');
        await until(() => codes.length === 5, 'the refusals');
        const BUSY = 'ERR_IOLOOP_STREAM_BUSY';
        t.deepEqual(codes, ['ERR_IOLOOP_READING', BUSY, BUSY, BUSY, BUSY]);
        await peer.write('two');
        await until(() => chunks.length === 2, 'the second chunk');
        t.deepEqual(chunks, ['one', 'two']);
        await peer.end();
        await endOf(read);
      }));

    test(`${name}: the promise of a callback stops the sender of ${method}(), in bounded memory`, (t) =>
      run(async ({ stream, peer }) => {
        const held = deferred<undefined>();
        let got = 0;
        const read = begin(stream, (chunk) => {
          got += chunk.length;
          return held.promise;
        });
        const sent = peer.write(Buffer.alloc(16 * MIB)).then(() => peer.end());
        await until(() => got > 0, 'the first chunk');
        for (let before = -1; before !== peer.writeBufferSize;) {
          before = peer.writeBufferSize;
          await turns(peer, 50);
        }
        t.true(peer.writeBufferSize > 4 * MIB);
        t.true(got + stream.readBufferSize <= 256 * 1024, `${got} and ${stream.readBufferSize}`);
        held.resolve(undefined);
        await sent;
        const error = await endOf(read);
        t.is(error?.code, method === 'readBytes' ? 'ERR_IOLOOP_STREAM_CLOSED' : undefined);
        t.is(got, 16 * MIB);
      }));
  }

  test(`${name}: after EOF of a streaming read it writes on, if it stays half open`, (t) =>
    run(
      async ({ stream, peer }) => {
        const chunks: Buffer[] = [];
        await peer.write('question');
        await peer.shutdownWrite();
        const streamingCallback = (chunk: Buffer): unknown => chunks.push(chunk);
        t.is((await stream.readUntilClose({ streamingCallback })).length, 0);
        t.is(String(Buffer.concat(chunks)), 'question');
        t.false(stream.closed);
        await stream.write('answer');
        // EOF is found again.
        t.is((await stream.readUntilClose({ streamingCallback })).length, 0);
        await stream.end();
        t.is(String(await peer.readUntilClose()), 'answer');
      },
      { allowHalfOpen: true },
    ));

  test(`${name}: EOF before the bytes that a streaming read was asked for is its error`, (t) =>
    run(async ({ stream, peer }) => {
      let got = 0;
      const streamingCallback = (chunk: Buffer): unknown => (got += chunk.length);
      await peer.write('four');
      await peer.end();
      const { code } = await failureOf(stream.readBytes(5, { streamingCallback }));
      t.is(code, 'ERR_IOLOOP_STREAM_CLOSED');
      t.is(got, 4);
    }));

  test(`${name}: after shutdownWrite() in the callback it receives until EOF`, (t) =>
    run(async ({ stream, peer }) => {
      const chunks: string[] = [];
      const read = stream.readUntilClose({
        streamingCallback(chunk) {
          chunks.push(String(chunk));
          if (chunks.length > 1) return undefined;
          stream.send(Buffer.alloc(MIB));
          return stream.shutdownWrite();
        },
      });
      await peer.write('1');
      t.is((await peer.readBytes(MIB)).length, MIB);
      t.is((await failureOf(peer.readBytes(1))).code, 'ERR_IOLOOP_STREAM_ENDED');
      await peer.write('2');
      await until(() => chunks.length === 2, 'the second chunk');
      await peer.end();
      t.is((await read).length, 0);
      t.deepEqual(chunks, ['1', '2']);
    }));

  test(`${name}: a streaming read that is flooded does not starve another stream`, async (t) => {
    const flood = Buffer.alloc(16 * MIB);
    await onLoop((loop) =>
      withStreamKind(loop, kind, async ({ stream: flooded, peer: flooding }) => {
        await withStreamKind(loop, kind, async ({ stream, peer }) => {
          let got = 0;
          const all = flooded.readUntilClose({
            streamingCallback: (chunk) => void (got += chunk.length),
          });
          const echo = stream.readUntilClose({
            streamingCallback: (chunk) => void stream.send(chunk),
          });
          const sent = flooding.write(flood).then(() => flooding.end());
          for (let n = 0; n < 10; n += 1) {
            await peer.write('ping');
            t.is(String(await peer.readBytes(4)), 'ping');
          }
          t.true(got < flood.length, 'the pings were answered after the flood');
          await sent;
          await all;
          t.is(got, flood.length);
          await peer.end();
          await echo;
        });
      }),
    );
  });
}
