/** A batch is sent for many streams at once: a failure is one stream's, and no stale number is used. */
import { closeSync } from 'node:fs';
import test from 'ava';
import { IOStream, Socket, type Connection, type IOLoop } from 'ioloop';
import { closeAll, drain, nodeTurns, pipe, tcpPair, until } from './helpers/fds.js';
import { onLoop, takeReports, type ReportingLoop } from './helpers/loop.js';
import { closedBy, failureOf } from './helpers/streams.js';

/** Runs `body` on a running loop; a batch holds `sendRecords` records and `sendBytes` bytes. */
function withBatch(
  body: (loop: ReportingLoop) => Promise<void>,
  sendRecords = 2048,
  sendBytes = 256 * 1024,
): Promise<void> {
  return onLoop(body, { capacities: { sendRecords, sendBytes } });
}

/** A stream whose peer resets the connection now, before its loop can notice. */
async function aboutToReset(loop: IOLoop): Promise<[IOStream, reset: () => void]> {
  const [mine, theirs] = await tcpPair();
  const stream = new IOStream(mine, { loop });
  theirs.setOption('linger', 0);
  return [stream, () => theirs.close()];
}

/** A stream on a pipe without a reader: its first write fails in the flush, which calls `onClose`. */
function withoutReader(loop: IOLoop, onClose: () => void): IOStream {
  const [reader, writer] = pipe();
  const close = (): void => {
    closeSync(writer);
    onClose();
  };
  const stream = IOStream.fromFd({ fd: writer, close }, { loop });
  closeSync(reader);
  return stream;
}

// Serial: the capacities are those of the thread.
test.serial(
  'a write whose flush closes its own stream rejects; the next owner of the number gets nothing',
  (t) =>
    withBatch(
      async (loop) => {
        const [stream, reset] = await aboutToReset(loop);
        const number = stream.fileno();
        reset();
        // The first fills the batch, the second makes room: in one tick, before the loop can notice.
        const first = closedBy(stream.write('a'.repeat(16)));
        const between: Promise<unknown>[] = [];
        for (let count = 1; count < 64; count += 1) {
          between.push(closedBy(stream.write('a'.repeat(16))));
        }
        const second = closedBy(stream.write('secret'));
        t.true(stream.closed);
        const pairs = Array.from({ length: 4 }, () => Socket.pair()).flat();
        t.true(pairs.some(({ fd }) => fd === number));
        t.true(['EPIPE', 'ECONNRESET'].includes((await first)?.code ?? ''));
        t.is(await second, await first);
        // One of them has made room, by the flush that closed the stream.
        for (const failure of between) t.is(await failure, await first);
        await nodeTurns();
        for (const socket of pairs) t.is(socket.recv(100), null);
        closeAll(...pairs);
      },
      64,
      1024,
    ),
);

test.serial(
  'the socket of a stream is closed with a write in the batch: EBADF, and nothing goes astray',
  (t) =>
    withBatch(async (loop) => {
      const [mine, theirs] = Socket.pair();
      const stream = new IOStream(mine, { loop });
      const number = mine.fd;
      const written = failureOf(stream.write('secret'));
      mine.close();
      const pairs = Array.from({ length: 4 }, () => Socket.pair()).flat();
      t.true(pairs.some(({ fd }) => fd === number));
      t.is((await written).code, 'ERR_IOLOOP_STREAM_CLOSED');
      await nodeTurns();
      for (const socket of pairs) t.is(socket.recv(100), null);
      closeAll(theirs, ...pairs);
      stream.close();
    }),
);

test.serial(
  'one stream of a batch fails, and its close throws: the others are sent, and one report comes',
  (t) =>
    withBatch(async (loop) => {
      const failure = new Error('close() has failed');
      let closes = 0;
      const [before, peerBefore] = Socket.pair();
      const [after, peerAfter] = Socket.pair();
      const first = new IOStream(before, { loop });
      const broken = withoutReader(loop, () => {
        closes += 1;
        throw failure;
      });
      const last = new IOStream(after, { loop });
      const callbacks: (Error | null)[] = [];
      broken.setCloseCallback((error) => callbacks.push(error));
      const written = [first.write('one'), closedBy(broken.write('lost')), last.write('two')];
      await written[0];
      await written[2];
      t.is(((await written[1]) as NodeJS.ErrnoException | null)?.code, 'EPIPE');
      t.is(peerBefore.recv(10)?.toString(), 'one');
      t.is(peerAfter.recv(10)?.toString(), 'two');
      // The batch goes on working for everybody.
      await last.write('three');
      t.is(peerAfter.recv(10)?.toString(), 'three');
      await until(() => callbacks.length > 0, 'the close callback');
      t.is(closes, 1);
      t.is((callbacks[0] as NodeJS.ErrnoException).code, 'EPIPE');
      t.deepEqual(
        takeReports(loop).map(({ error }) => error),
        [failure],
      );
      for (const stream of [first, broken, last]) stream.close();
      closeAll(peerBefore, peerAfter);
    }),
);

test.serial('what the report of a failed flush writes leaves with the next flush', (t) =>
  withBatch(async (loop) => {
    const [mine, theirs] = Socket.pair();
    const stream = new IOStream(mine, { loop });
    const broken = withoutReader(loop, () => {
      throw new Error('close() has failed');
    });
    let written: Promise<void> | null = null;
    loop.handleCallbackException = () => {
      written ??= stream.write('from the report');
    };
    t.is((await closedBy(broken.write('lost')))?.code, 'EPIPE');
    await until(() => written !== null, 'the report');
    await written;
    t.is(theirs.recv(100)?.toString(), 'from the report');
    stream.close();
    theirs.close();
  }),
);

/** All that has arrived: one `recv()` gives no more than is left of a receive block. */
function receivedBy(peer: Socket): string {
  let text = '';
  for (;;) {
    const bytes = peer.recv(100);
    if (bytes === null || bytes.length === 0) return text;
    text += String(bytes);
  }
}

test.serial('what a close() in a failed flush writes is sent, whatever was sent before it', (t) =>
  withBatch(async (loop) => {
    const pairs = Array.from({ length: 3 }, () => Socket.pair());
    const streams = pairs.map(([mine]) => new IOStream(mine, { loop }));
    const text = '16 bytes of each.';
    // The batch has results of this size from its last flush.
    await Promise.all(streams.map((stream) => stream.write(text)));
    const written: Promise<void>[] = [];
    const broken = withoutReader(loop, () => {
      for (const stream of streams) written.push(stream.write(text));
    });
    t.is((await closedBy(broken.write(text)))?.code, 'EPIPE');
    t.is(written.length, 3);
    await Promise.all(written);
    for (const [, peer] of pairs) t.is(receivedBy(peer), text + text);
    for (const stream of streams) stream.close();
    closeAll(...pairs.map(([, peer]) => peer));
  }),
);

test.serial(
  'a stream that is closed with its chain in the middle of the batch: it is offered, and once',
  (t) =>
    withBatch(async (loop) => {
      const pairs = Array.from({ length: 3 }, () => Socket.pair());
      const [first, closed, last] = pairs.map(([mine]) => new IOStream(mine, { loop })) as [
        IOStream,
        IOStream,
        IOStream,
      ];
      const written: Promise<void>[] = [];
      for (let round = 0; round < 5; round += 1) {
        void first.write(`a${round}`);
        written.push(closed.write(`b${round}`));
        void last.write(`c${round}`);
      }
      closed.close();
      await last.write('.');
      await Promise.all(written);
      const received = pairs.map(([, peer]) => receivedBy(peer));
      t.deepEqual(received, ['a0a1a2a3a4', 'b0b1b2b3b4', 'c0c1c2c3c4.']);
      first.close();
      last.close();
      closeAll(...pairs.map(([, peer]) => peer));
    }),
);

for (const records of [3, 199, 2048]) {
  test.serial(
    `chains of 100 pieces in a batch of ${records} records, one of a stalled peer: in order`,
    (t) =>
      withBatch(async (loop) => {
        const pairs = Array.from({ length: 3 }, () => Socket.pair());
        const streams = pairs.map(([mine]) => new IOStream(mine, { loop }));
        // The kernel is full for the second one.
        const [full] = pairs[1] as [Socket, Socket];
        let filled = 0;
        for (let count: number | null; (count = full.send(Buffer.alloc(4096))) !== null;) {
          filled += count;
        }
        const written: Promise<void>[] = [];
        const expected = ['', '', ''];
        for (let round = 0; round < 100; round += 1) {
          for (const [index, stream] of streams.entries()) {
            const piece = `${index}:${round};`;
            expected[index] += piece;
            written.push(stream.write(piece));
          }
        }
        const peers = pairs.map(([, peer]) => new IOStream(peer, { loop }));
        await (peers[1] as IOStream).readBytes(filled);
        for (const [index, peer] of peers.entries()) {
          const text = expected[index] as string;
          t.is((await peer.readBytes(text.length)).toString(), text);
        }
        await Promise.all(written);
        for (const stream of [...streams, ...peers]) stream.close();
      }, records),
  );
}

test.serial(
  'a pipe that takes a part of a write is filled to the last byte, and the rest follows',
  (t) =>
    withBatch(async (loop) => {
      const [reader, writer] = pipe();
      const stream = IOStream.fromFd(writer, { loop });
      const text = Array.from({ length: 30_000 }, (_, index) => `${index} `).join('');
      for (let at = 0; at < text.length; at += 1000) void stream.write(text.slice(at, at + 1000));
      const ended = stream.end();
      let received = '';
      for (let part: string | null = ''; part !== null; part = drain(reader)) {
        received += part;
        await nodeTurns(1);
      }
      await ended;
      t.true(received === text, `${received.length} bytes of ${text.length}`);
      closeSync(reader);
    }),
);

test.serial(
  'a close() in a flush that makes room for a write flushes, too: each peer gets its own',
  (t) =>
    withBatch(
      async (loop) => {
        const pairs = Array.from({ length: 4 }, () => Socket.pair());
        const streams = pairs.map(([mine]) => new IOStream(mine, { loop }));
        const [first, second, third, fourth] = streams as [IOStream, IOStream, IOStream, IOStream];
        const written: Promise<void>[] = [];
        const broken = withoutReader(loop, () => {
          written.push(first.write('b'), second.write('c'));
          // The batch is full: this write flushes, inside of the flush that calls this function.
          written.push(third.write('d'), first.write('e'));
          third.close();
          written.push(fourth.write('f'));
        });
        written.push(first.write('a'));
        const lost = closedBy(broken.write('lost'));
        written.push(first.write('z'));
        t.is(written.length, 7);
        await Promise.all(written);
        t.is((await lost)?.code, 'EPIPE');
        await nodeTurns();
        t.deepEqual(
          pairs.map(([, peer]) => receivedBy(peer)),
          ['abez', 'c', 'd', 'f'],
        );
        for (const stream of streams) stream.close();
        closeAll(...pairs.map(([, peer]) => peer));
      },
      2,
      1024,
    ),
);

test.serial('a stream whose send has failed, and that sends a file before it gets the error', (t) =>
  withBatch(async (loop) => {
    const [mine, peer] = Socket.pair();
    const stream = new IOStream(mine, { loop, allowHalfOpen: true });
    const files: Promise<unknown>[] = [];
    const first = withoutReader(loop, () => {
      files.push(stream.sendFile(process.execPath).catch((error: unknown) => error));
    });
    peer.shutdown('read');
    // They leave together, without a writer. EPIPE for both.
    t.true(first.send('x'));
    t.true(stream.send('y'));
    await until(() => first.closed && stream.closed, 'the failures');
    t.is((stream.error as { code?: unknown } | null)?.code, 'EPIPE');
    t.is(files.length, 1);
    const error = await files[0];
    t.is((error as { code?: unknown }).code, 'ERR_IOLOOP_STREAM_CLOSED');
    peer.close();
  }),
);

const ENDS: Readonly<Record<string, (connection: Connection<unknown>) => void>> = {
  close: (connection) => connection.close(),
  end: (connection) => connection.end(),
  shutdownWrite: (connection) => connection.shutdownWrite(),
  'a large write': (connection) => void connection.write(Buffer.alloc(40_000)),
};

for (const [name, end] of Object.entries(ENDS)) {
  test.serial(`${name} where the call stack ends, with failures: the loop sends on`, (t) =>
    withBatch(async (loop) => {
      const echo = (socket: Socket): Connection<unknown> =>
        new IOStream(socket, { loop, allowHalfOpen: true }).setProtocol({
          data: (connection: Connection<unknown>, chunk: Buffer) => void connection.write(chunk),
        });
      const pairs = Array.from({ length: 400 }, () => Socket.pair());
      const victims = pairs.map(([mine]) => echo(mine));
      for (const [, peer] of pairs) peer.shutdown('read');
      const [mine, peer] = Socket.pair();
      const connection = echo(mine);
      let at = 0;
      // On the way back each call has a little more of the stack than the one before.
      const recurse = (): void => {
        try {
          recurse();
        } catch {
          // Of the stack, or of the call before.
        }
        const victim = victims[at];
        if (victim === undefined) return;
        at += 1;
        victim.write('x');
        end(victim);
        throw new Error('another one');
      };
      recurse();
      t.is(at, victims.length);
      await nodeTurns();
      peer.send('x');
      await until(() => peer.recv(1) !== null, 'an answer');
      for (const each of [connection, ...victims, peer]) each.close();
      for (const [, each] of pairs) each.close();
      // Of closes that the end of the stack has cut.
      for (const { error } of takeReports(loop)) t.true(error instanceof RangeError);
    }),
  );
}
