/** The ends of protocols that are easily missed: values that are thrown, closed loops, slow sends. */
import test from 'ava';
import { IOStream, TCPServer, type Connection } from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop, ReportingLoop, takeReports, withFakeTime } from './helpers/loop.js';
import { addressOf, closing, connectTo } from './helpers/net.js';
import { KINDS, withKind } from './helpers/protocol-kinds.js';
import { recording, withPushed } from './helpers/protocols.js';
import { testOwnSockets } from './helpers/sockets-of.js';
import { closedBy, failureOf, turns, withPair } from './helpers/streams.js';

type Any = Connection<unknown>;

test('end() refuses data and a callback, which net.Socket takes, and changes nothing', (t) =>
  onLoop((loop) =>
    withPushed(loop, {}, async ({ client, connection, closed, calls }) => {
      const end = connection.end.bind(connection) as (...args: unknown[]) => void;
      for (const argument of ['bye', Buffer.from('bye'), ['b', 'ye'], () => {}]) {
        t.throws(() => end(argument), {
          code: 'ERR_INVALID_ARG_TYPE',
          message: /"data" must be left out: end\(\) takes no data and no callback/,
        });
      }
      t.false(connection.closed);
      connection.write('bye');
      end(undefined);
      t.is(String(await client.readUntilClose()), 'bye');
      await closed();
      t.deepEqual(calls, ['open', 'close']);
    }),
  ));

test('throw null is a failure: of protocols, of handlers of streams', async (t) => {
  for (const thrown of [null, undefined, 0, '']) {
    const fail = (): never => {
      // oxlint-disable-next-line no-throw-literal
      throw thrown;
    };
    await onLoop((loop) =>
      withPushed(loop, { data: fail }, async ({ client, calls, closed }) => {
        await client.write('x');
        await closed();
        t.deepEqual(calls.slice(-1), [`close: ${thrown}`]);
        t.deepEqual(
          takeReports(loop).map(({ error }) => error),
          [thrown],
        );
      }),
    );
    await onLoop(async (loop) => {
      const errors: unknown[] = [];
      const handleStream = (stream: IOStream): never => {
        void closing(stream).then((error) => errors.push(error?.message));
        return fail();
      };
      await using server = new TCPServer({ loop, handleStream });
      server.listen(0, '127.0.0.1');
      const client = await connectTo(loop, addressOf(server));
      await until(() => errors.length > 0, 'the close');
      t.deepEqual(errors, [String(thrown)]);
      t.is(takeReports(loop).length, 1);
      client.close();
    });
  }
});

test("streamingCallback: the failure of another stream is not the end of this one's", (t) =>
  withPair(async (near, far) => {
    const other = await failureOf(closedStream(near.loop).readBytes(1));
    await far.write('all of it');
    await far.end();
    // EOF has closed it, with its bytes unread.
    await until(() => near.closed, 'EOF');
    const forwarding = near.readUntilClose({ streamingCallback: () => Promise.reject(other) });
    t.is(await failureOf(forwarding), other);
  }));

function closedStream(loop: IOStream['loop']): IOStream {
  const [stream, peer] = IOStream.pair({ loop });
  stream.close();
  peer.close();
  return stream;
}

/** A stopped loop with three open connections, and their calls. */
async function closedLoop(calls: string[]): Promise<{ loop: ReportingLoop; kept: Any[] }> {
  const loop = new ReportingLoop({ makeCurrent: false });
  const kept: Any[] = [];
  const server = new TCPServer({
    loop,
    protocol: recording(calls, {
      open: (c) => kept.push(c),
      close(c, error) {
        if (error !== null && kept.indexOf(c) === 2) throw new Error('in close');
      },
    }),
  });
  server.listen(0, '127.0.0.1');
  await loop.runSync(async () => {
    for (let count = 1; count <= 3; count += 1) {
      await connectTo(loop, addressOf(server));
      await until(() => kept.length === count, 'the connection');
    }
  });
  return { loop, kept };
}

test('a loop that is closed closes its connections by code, and calls close', async (t) => {
  const calls: string[] = [];
  const { loop, kept } = await closedLoop(calls);
  t.deepEqual(calls, ['open', 'open', 'open']);
  calls.splice(0);
  // Its turn does not come.
  kept[0]?.close();
  loop.close();
  // Not within the call: the program is in the middle of something.
  t.deepEqual(calls, []);
  t.true(kept.every((c) => c.closed));
  await Promise.resolve();
  const closed = 'close: ERR_IOLOOP_CLOSED';
  t.deepEqual(calls.toSorted(), ['close', closed, closed]);
  t.deepEqual(
    loop.errors.map((error) => (error as Error).message),
    ['in close'],
  );
  await new Promise(setImmediate);
  t.is(calls.length, 3);
});

test('over TLS and in memory, too', async (t) => {
  for (const kind of [KINDS.TLS, { ...KINDS.TCP, open: memory }]) {
    const calls: string[] = [];
    const loop = new ReportingLoop({ makeCurrent: false });
    await loop.runSync(async () => {
      const { peer } = await kind.open(loop, recording(calls), {});
      await peer.write('x');
      await until(() => calls.includes('data x'), 'the byte');
    });
    loop.close();
    await until(() => calls.some((call) => call.startsWith('close')), 'the close');
    t.deepEqual(calls, ['open', 'data x', 'close: ERR_IOLOOP_CLOSED']);
    t.deepEqual(loop.reports, []);
  }
});

const memory = (loop: IOStream['loop'], protocol: ReturnType<typeof recording>) => {
  const [peer, near] = IOStream.pair({ loop });
  near.setProtocol(protocol);
  return Promise.resolve({ peer, server: null });
};

// The clock is the test's: Node's sockets do not follow it.
testOwnSockets('setTimeout(): what is sent late is activity, up to its last byte', async (t) => {
  for (const [name, kind] of Object.entries({
    TCP: KINDS.TCP,
    TLS: KINDS.TLS,
    'Unix sockets': KINDS['Unix sockets'],
  })) {
    await withFakeTime(async (loop, clock) => {
      const running = loop.start();
      const size = 8 * 1024 * 1024;
      const open = (c: Any): void => {
        // Small buffers: what the peer reads makes room at once.
        c.socket?.setOption('sendBuffer', 65_536);
        c.setTimeout(10);
        c.write(Buffer.alloc(size));
      };
      await withKind(
        loop,
        kind,
        { open, timeout: () => {} },
        async ({ peer, connection, calls }) => {
          const pass = async (seconds: number): Promise<void> => {
            clock.advance(seconds);
            await turns(peer, 3);
          };
          const timeouts = (): number => calls.filter((call) => call === 'timeout').length;
          await turns(peer, 50);
          t.true(connection.unsent > 0, name);
          peer.socket?.setOption('receiveBuffer', 65_536);
          // A slow reader, over several periods.
          let steps = 0;
          for (; connection.unsent > 0; steps += 1) {
            await peer.readBytes(256 * 1024);
            await turns(peer, 20);
            await pass(connection.unsent > 0 ? 2 : 0);
          }
          t.true(steps > 5, `${name}: ${steps} steps`);
          t.is(timeouts(), 0, name);
          // The last bytes were sent now.
          await pass(9.9);
          t.is(timeouts(), 0, `${name}: early`);
          await pass(0.2);
          t.is(timeouts(), 1, `${name}: late`);
        },
      );
      loop.stop();
      await running;
    });
  }
});

test('in memory, a read between a reset and its report waits for the report', (t) =>
  onLoop(async (loop) => {
    const [near, far] = IOStream.pair({ loop });
    // It is unread: the close is a reset.
    near.send('x');
    far.send('y');
    far.close();
    t.is((await closedBy(near.readBytes(2)))?.code, 'ECONNRESET');
  }));
