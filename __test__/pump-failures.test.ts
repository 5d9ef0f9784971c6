/** `pump()`: failures of a stream, limits, peers that stall, and its descriptors. */
import test from 'ava';
import { pump, type PumpCounts } from 'ioloop';
import { withCapacities } from './helpers/capacities.js';
import { serialIf } from './helpers/conditions.js';
import { HAS_PROC, openFds, until } from './helpers/fds.js';
import { FakeClock, onLoop } from './helpers/loop.js';
import { reset } from './helpers/net.js';
import {
  CONNECTIONS,
  digest,
  digestOf,
  MIB,
  noise,
  pumped,
  roundForEver,
  withProxied,
} from './helpers/pumps.js';
import { testOwnSockets, testUnreadResets } from './helpers/sockets-of.js';
import { failureOf, isSettled, localPair, turns } from './helpers/streams.js';

testOwnSockets('a pump waits for room where the writes of the program have filled the limit', (t) =>
  onLoop(async (loop) => {
    const [client, near] = localPair(loop, { allowHalfOpen: true });
    const limit = { allowHalfOpen: true, maxWriteBufferSize: 65_536 };
    const [far, server] = localPair(loop, limit, { allowHalfOpen: true });
    const there = noise(MIB);
    let count = 0;
    let own: Promise<void>;
    do {
      own = far.write(Buffer.alloc(60_000));
      count += 60_000;
    } while (await isSettled(own));
    const running = pump(near, far, { direction: 'forward' });
    const sent = client.write(there).then(() => client.shutdownWrite());
    await turns(far);
    const got = await server.readUntilClose();
    t.true(got.subarray(count).equals(there));
    await Promise.all([own, sent, running]);
  }),
);

const POINTS = {
  'before any byte': 0,
  'after a few bytes': 10,
  'after megabytes': 3 * MIB,
} as const;

for (const [when, count] of Object.entries(POINTS)) {
  test(`a reset of one peer ${when} is a reset of the other, with the byte counts`, (t) =>
    withProxied(async (proxied) => {
      const { client, near, far, server } = proxied;
      const counts: PumpCounts = { forward: 0, back: 0 };
      const running = pumped(proxied, { counts });
      const failed = failureOf(running);
      const written = client.write(Buffer.alloc(count));
      await server.readBytes(count);
      await written;
      reset(client);
      const error = (await failed) as Error & { realError?: NodeJS.ErrnoException };
      t.is((error as NodeJS.ErrnoException).code, 'ERR_IOLOOP_STREAM_CLOSED');
      t.is(error.realError?.code, 'ECONNRESET');
      t.true(near.closed && far.closed);
      t.is(counts.forward, count);
      const end = (await failureOf(server.readUntilClose())) as typeof error;
      t.is(end.realError?.code, 'ECONNRESET');
    }));

  test(`a reset of the reading peer ${when} ends the pump, also while it stalls`, (t) =>
    withProxied(async (proxied) => {
      const { client, server, near, far } = proxied;
      const failed = failureOf(pumped(proxied));
      void client.write(Buffer.alloc(64 * MIB)).catch(() => {});
      await server.readBytes(count);
      reset(server);
      t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
      t.true(near.closed && far.closed);
    }));
}

test('a reset after a half-close is a failure too', (t) =>
  withProxied(async (proxied) => {
    const { client, server } = proxied;
    const failed = failureOf(pumped(proxied));
    await client.write('question');
    await client.shutdownWrite();
    t.is(String(await server.readUntilClose()), 'question');
    reset(server);
    t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
    await t.throwsAsync(client.readUntilClose());
  }));

testUnreadResets('a source that is reset while its sink stalls ends the pump', (t) =>
  withProxied(async (proxied) => {
    const { client, far } = proxied;
    const failed = failureOf(pumped(proxied, { direction: 'forward' }));
    void client.write(Buffer.alloc(64 * MIB)).catch(() => {});
    await until(() => far.writing, 'a sink that is full');
    reset(client);
    t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
  }),
);

test('a source that is reset while its sink stalls ends the pump when the sink goes on', (t) =>
  withProxied(async (proxied) => {
    const { client, far, near, server } = proxied;
    const failed = failureOf(pumped(proxied, { direction: 'forward' }));
    void client.write(Buffer.alloc(64 * MIB)).catch(() => {});
    await until(() => far.writing, 'a sink that is full');
    reset(client);
    await t.throwsAsync(server.readUntilClose());
    t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.true(near.closed && far.closed);
  }));

test('a sink that is reset while its source is idle ends the pump', (t) =>
  withProxied(async (proxied) => {
    const failed = failureOf(pumped(proxied, { direction: 'forward' }));
    await turns(proxied.near);
    reset(proxied.server);
    t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.true(proxied.near.closed);
  }));

for (const side of ['near', 'far'] as const) {
  test(`close() of the ${side} stream in the middle ends the pump`, (t) =>
    withProxied(async (proxied) => {
      const { client, server } = proxied;
      const failed = failureOf(pumped(proxied));
      void client.write(Buffer.alloc(16 * MIB)).catch(() => {});
      await server.readBytes(MIB);
      proxied[side].close();
      t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
      t.true(proxied.near.closed && proxied.far.closed);
    }));
}

test('a timeout ends the pump, and closes both streams', (t) =>
  withProxied(async (proxied) => {
    t.is((await failureOf(pumped(proxied, { timeout: 0.01 }))).name, 'TimeoutError');
    t.is(proxied.near.error?.name, 'TimeoutError');
    t.is(proxied.far.error?.name, 'TimeoutError');
  }));

test('an idle timeout ends the pump, and not while bytes move', (t) => {
  const clock = new FakeClock();
  return withProxied(
    async (proxied) => {
      const { client, server, near } = proxied;
      const running = pumped(proxied, { idleTimeout: 1, end: false });
      const failed = failureOf(running);
      for (let count = 0; count < 10; count += 1) {
        clock.advance(0.8);
        void client.write('x');
        t.is(String(await server.readBytes(1)), 'x');
        await turns(near);
      }
      t.false(await isSettled(running));
      for (let count = 0; count < 5; count += 1) {
        clock.advance(0.8);
        await turns(near);
      }
      t.is((await failed).name, 'TimeoutError');
      t.false(near.closed);
    },
    [CONNECTIONS.tcp, CONNECTIONS.tcp],
    { timeFunc: clock.time },
  );
});

test('the close callback and the server of a stream are called as without a pump', (t) =>
  withProxied(async (proxied) => {
    const { client, server, near } = proxied;
    const closed = new Promise<Error | null>((resolve) => {
      near.setCloseCallback(resolve);
    });
    const running = pumped(proxied);
    client.close();
    server.close();
    await running;
    t.is(await closed, null);
  }));

test('a reader that stalls stops the sender in bounded memory', (t) =>
  withProxied(async (proxied) => {
    const { client, far, server } = proxied;
    const counts: PumpCounts = { forward: 0, back: 0 };
    const running = pumped(proxied, { counts });
    const chunk = noise(MIB);
    const sent = (async () => {
      for (let count = 0; count < 64; count += 1) await client.write(chunk);
      await client.shutdownWrite();
    })();
    await until(() => far.writing, 'a sink that is full');
    let before = -1;
    while (counts.forward !== before) {
      before = counts.forward;
      await turns(far, 20);
    }
    // The rest of 64 MB is with the sender and in the buffers of sockets.
    t.true(counts.forward < 32 * MIB, `${counts.forward}`);
    t.true(far.writeBufferSize <= 512 * 1024, `${far.writeBufferSize}`);
    t.is(await digest(server), digestOf(...Array.from({ length: 64 }, () => chunk)));
    await sent;
    server.close();
    t.is((await running).forward, 64 * MIB);
  }));

test('a pump that never pauses starves neither its loop nor Node', (t) =>
  withProxied(async (proxied) => {
    t.is((await roundForEver(proxied)).code, 'ERR_IOLOOP_STREAM_CLOSED');
  }));

serialIf(HAS_PROC, '/proc')('a pump leaves no descriptor behind, however it ends', async (t) => {
  const before = openFds().size;
  const ends = ['finished', 'failed', 'aborted', 'stalled'] as const;
  for (const end of ends) {
    await withProxied(async (proxied) => {
      const { client, server } = proxied;
      const controller = new AbortController();
      const running = pumped(proxied, { signal: controller.signal });
      void client.write(Buffer.alloc(4 * MIB)).catch(() => {});
      await server.readBytes(end === 'stalled' ? MIB : 4 * MIB);
      if (end === 'failed') reset(client);
      else if (end !== 'finished') controller.abort();
      client.close();
      server.close();
      await running.catch(() => {});
    });
    t.is(openFds().size, before, end);
  }
});

test.serial('pipes are bounded: beyond, and in a busy table, bytes go through memory', (t) =>
  withCapacities({ pipes: 1 }, async () => {
    await withProxied(async (stalled) => {
      const failed = failureOf(pumped(stalled));
      void stalled.client.write(Buffer.alloc(32 * MIB)).catch(() => {});
      await until(() => stalled.far.writing, 'a sink that is full');
      await withProxied(async (other) => {
        const bytes = noise(3 * MIB);
        const running = pumped(other);
        void other.client.write(bytes).then(() => other.client.shutdownWrite());
        t.is(await digest(other.server), digestOf(bytes));
        other.server.close();
        t.is((await running).forward, bytes.length);
      });
      stalled.near.close();
      await failed;
    });
  }),
);

test('a loop that is closed ends its pumps', async (t) => {
  const failed = await withProxied(async (proxied) => {
    const running = pumped(proxied);
    t.false(await isSettled(running));
    return { failed: failureOf(running) };
  });
  t.is((await failed.failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
});
