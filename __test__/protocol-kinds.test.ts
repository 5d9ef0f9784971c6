/** Protocols over each kind of connection: resets, half-close, peers that stall, exceptions, floods. */
import test from 'ava';
import type { Connection } from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop, takeReports, type ReportingLoop } from './helpers/loop.js';
import { KINDS, withKind, type Kind, type OfKind } from './helpers/protocol-kinds.js';
import { recording, type Functions } from './helpers/protocols.js';
import { failureOf, turns } from './helpers/streams.js';

type Any = Connection<unknown>;

const MIB = 1024 * 1024;

for (const [name, kind] of Object.entries<Kind>(KINDS)) {
  const run = (
    functions: Functions<unknown>,
    body: (ofKind: OfKind, loop: ReportingLoop) => Promise<void>,
    options: object = {},
  ): Promise<void> =>
    onLoop((loop) => withKind(loop, kind, functions, (it) => body(it, loop), options));

  test(`${name}: a reset at every point closes the connection once`, async (t) => {
    for (let point = 0; point < 8; point += 1) {
      const answer = (c: Any, chunk: Buffer): unknown =>
        c.write(Buffer.alloc(200_000 * chunk.length));
      await run({ data: answer }, async ({ peer, calls, closed, cut }) => {
        if (point > 0) await peer.write('x');
        if (point > 1) await peer.readBytes(1);
        if (point > 2) await peer.readBytes(199_999);
        if (point > 3) await peer.write('yy');
        if (point > 4) await turns(peer);
        if (point > 5) await peer.shutdownWrite();
        if (point > 6) await peer.readBytes(400_000);
        cut();
        await closed();
        await turns(peer);
        const closes = calls.filter((call) => call.startsWith('close'));
        t.is(closes.length, 1, `point ${point}`);
        // After its EOF the peer may have got everything.
        const isError = /^close: (ECONNRESET|EPIPE|ERR_IOLOOP_TLS_TRUNCATED)$/.test(
          closes[0] ?? '',
        );
        t.true(isError || point > 5 || !kind.hasReset, `point ${point}: ${closes[0]}`);
      });
    }
  });

  test(`${name}: after EOF it writes on, if it stays half open`, (t) =>
    run(
      { end: (c) => c.loop.callLater(0.001, () => [c.write('answer'), c.end()]) },
      async ({ peer, calls, closed }) => {
        await peer.write('question');
        await peer.shutdownWrite();
        t.is(String(await peer.readUntilClose()), 'answer');
        await closed();
        t.deepEqual(calls, ['open', 'data question', 'end', 'close']);
      },
      { allowHalfOpen: true },
    ));

  test(`${name}: after shutdownWrite() it receives until EOF; what was written before is sent`, (t) =>
    run(
      {
        data(c) {
          c.write(Buffer.alloc(MIB));
          c.shutdownWrite();
          c.shutdownWrite();
          t.false(c.write('late'));
        },
      },
      async ({ peer, calls, closed }) => {
        await peer.write('1');
        t.is((await peer.readBytes(MIB)).length, MIB);
        const end = await failureOf(peer.readBytes(1));
        t.is(end.code, 'ERR_IOLOOP_STREAM_ENDED');
        await peer.write('2');
        await until(() => calls.includes('data 2'), 'the bytes');
        await peer.end();
        await closed();
        t.deepEqual(calls, ['open', 'data 1', 'data 2', 'end', 'close']);
      },
    ));

  test(`${name}: 64 MB for a reader that has stalled stay at the watermark`, (t) => {
    const total = 64 * MIB;
    const piece = Buffer.alloc(64 * 1024, 'p');
    let left = total;
    let most = 0;
    const fill = (c: Any): void => {
      let more = true;
      while (more && left > 0) {
        more = c.write(piece);
        left -= piece.length;
        most = Math.max(most, c.unsent);
      }
      if (left === 0) c.end();
    };
    return run({ open: fill, drain: fill }, async ({ peer, connection, closed }) => {
      // The buffers of the kernel are full.
      for (let before = 0; before !== left;) {
        before = left;
        await turns(peer, 50);
      }
      t.true(left > total / 2);
      t.true(connection.congested);
      let got = 0;
      for await (const chunk of peer) got += chunk.length;
      t.is(got, total);
      t.true(most <= 65_536 + piece.length);
      await closed();
    });
  });

  test(`${name}: a sender is stopped by pause(), in bounded memory`, (t) =>
    run({ open: (c) => c.pause() }, async ({ peer, connection, calls, closed }) => {
      const sent = peer.write(Buffer.alloc(16 * MIB)).then(() => peer.end());
      for (let before = -1; before !== peer.writeBufferSize;) {
        before = peer.writeBufferSize;
        await turns(peer, 50);
      }
      t.true(peer.writeBufferSize > 4 * MIB);
      t.true(connection.bytesReceived <= 8 * 1024);
      connection.resume();
      await sent;
      await closed();
      t.is(connection.bytesReceived, 16 * MIB);
      t.deepEqual(calls.slice(-2), ['end', 'close']);
    }));

  test(`${name}: a connection that floods does not starve another`, async (t) => {
    const received = new Map<Any, number>();
    const data = (c: Any, chunk: Buffer): void => {
      received.set(c, (received.get(c) ?? 0) + chunk.length);
      if (chunk.length === 4) c.write('pong');
    };
    const flood = Buffer.alloc(16 * MIB);
    await onLoop((loop) =>
      withKind(loop, kind, { data }, async ({ peer: flooding, connection, closed }) => {
        await withKind(loop, kind, { data }, async ({ peer }) => {
          const flooded = flooding.write(flood);
          for (let n = 0; n < 10; n += 1) {
            await peer.write('ping');
            t.is(String(await peer.readBytes(4)), 'pong');
          }
          const most = received.get(connection) ?? 0;
          t.true(most < flood.length, 'the pings were answered after the flood');
          await flooded;
        });
        await flooding.end();
        await closed();
        t.is(received.get(connection), flood.length);
      }),
    );
  });

  test(`${name}: chunks that are kept are never overwritten`, (t) => {
    const kept: Buffer[] = [];
    return run({ data: (c, chunk) => [kept.push(chunk), c.write('.')] }, async ({ peer }) => {
      const sent: Buffer[] = [];
      for (let n = 0; n < 60; n += 1) {
        const piece = Buffer.alloc(1 + ((n * 2_731) % 9_000), n);
        sent.push(piece);
        await peer.write(piece);
        await until(() => sum(kept) === sum(sent), 'the piece');
      }
      t.true(Buffer.concat(kept).equals(Buffer.concat(sent)));
    });
  });

  test(`${name}: an exception in each function closes it, and is reported once`, async (t) => {
    for (const func of ['state', 'open', 'data', 'end', 'drain', 'timeout', 'close'] as const) {
      // Closed at once, a client's last message of the handshake is not sent: there is no peer.
      if (kind === KINDS['a client with TLS'] && (func === 'state' || func === 'open')) continue;
      const fault = new Error(func);
      const fail = (): never => {
        throw fault;
      };
      const calls: string[] = [];
      const starts = (c: Any): void => {
        if (func === 'drain') c.write(Buffer.alloc(8 * MIB));
      };
      // Not in `open`: there a client with TLS may time out before its server has finished the handshake.
      const goesOn = (c: Any): void => {
        if (func === 'timeout') c.setTimeout(0.001);
      };
      const functions = { open: starts, data: goesOn, timeout: () => {}, [func]: fail };
      await onLoop(async (loop) => {
        const { peer, server } = await kind.open(loop, recording(calls, functions), {});
        await peer.write('x').catch(() => {});
        if (func === 'end' || func === 'close') await peer.shutdownWrite();
        const drained = func === 'drain' ? peer.readUntilClose().catch(() => {}) : null;
        await until(() => calls.some((call) => call.startsWith('close')), `the close of ${func}`);
        await drained;
        await turns(peer, 2);
        t.deepEqual(
          takeReports(loop).map(({ error }) => error),
          [fault],
          func,
        );
        const closes = calls.filter((call) => call.startsWith('close'));
        t.deepEqual(closes, [func === 'close' ? 'close' : `close: ${func}`]);
        t.is(server?.connections ?? 0, 0);
        peer.close();
        await server?.stop();
      });
    }
  });
}

function sum(buffers: readonly Buffer[]): number {
  return buffers.reduce((total, { length }) => total + length, 0);
}
