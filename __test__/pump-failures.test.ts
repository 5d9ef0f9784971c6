/** `pump()`: refusals, failures of a stream, limits, peers that stall, and its descriptors. */
import { spawn, spawnSync } from 'node:child_process';
import test from 'ava';
import { IOStream, pump, Socket, type PumpCounts } from 'ioloop';
import { capabilities } from '#internal';
import { withCapacities } from './helpers/capacities.js';
import { runChild } from './helpers/child.js';
import { failing, runFailing, served } from './helpers/faults.js';
import { serialIf, testIf, testWith } from './helpers/conditions.js';
import { HAS_PROC, openFds, until } from './helpers/fds.js';
import { FakeClock, onLoop } from './helpers/loop.js';
import { reset } from './helpers/net.js';
import { CONNECTIONS, digest, digestOf, noise, pumped, withProxied } from './helpers/pumps.js';
import { ownSockets, testOwnSockets } from './helpers/sockets-of.js';
import { failureOf, isSettled, localPair, turns } from './helpers/streams.js';

const MIB = 1024 * 1024;

test('wrong arguments are refused by code, and the streams are as they were', (t) =>
  withProxied(async ({ client, near, far, server }) => {
    const wrong: [unknown, string][] = [
      [{ direction: 'back' }, 'ERR_INVALID_ARG_VALUE'],
      [{ end: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ timeout: 'soon' }, 'ERR_INVALID_ARG_TYPE'],
      [{ idleTimeout: Number.NaN }, 'ERR_INVALID_ARG_TYPE'],
      [{ signal: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ counts: 0 }, 'ERR_INVALID_ARG_TYPE'],
      [0, 'ERR_INVALID_ARG_TYPE'],
    ];
    for (const [options, code] of wrong) {
      t.is(
        (await failureOf(pump(near, far, options as never))).code,
        code,
        JSON.stringify(options),
      );
    }
    t.is((await failureOf(pump(near, {} as never))).code, 'ERR_INVALID_ARG_TYPE');
    t.is((await failureOf(pump(near, near))).code, 'ERR_INVALID_ARG_VALUE');
    t.is((await failureOf(pump(near, far, { signal: AbortSignal.abort() }))).name, 'AbortError');
    const unconnected = IOStream.pair({ loop: near.loop });
    unconnected[0].close();
    t.is((await failureOf(pump(near, unconnected[0]))).code, 'ERR_IOLOOP_STREAM_CLOSED');
    const reading = near.readBytes(1);
    t.is((await failureOf(pump(near, far))).code, 'ERR_IOLOOP_READING');
    await client.write('x');
    t.is(String(await reading), 'x');
    await far.write('y');
    t.is(String(await server.readBytes(1)), 'y');
  }));

testOwnSockets('a stream that is not connected is refused', (t) =>
  withProxied(async ({ near, loop }) => {
    const stream = new IOStream(Socket.tcp(), { loop });
    t.is((await failureOf(pump(near, stream))).code, 'ERR_IOLOOP_STREAM_BUSY');
    stream.close();
  }),
);

test('a stream that toDuplex() has taken over is refused', (t) =>
  withProxied(async ({ near, far }) => {
    const duplex = near.toDuplex();
    t.is((await failureOf(pump(near, far))).code, 'ERR_IOLOOP_STREAM_BUSY');
    t.is((await failureOf(pump(far, near))).code, 'ERR_IOLOOP_STREAM_BUSY');
    duplex.destroy();
  }));

test('a writing side that has ended is refused before anything is read', (t) =>
  withProxied(async ({ client, near, far }) => {
    await far.shutdownWrite();
    await client.write('kept');
    t.is((await failureOf(pump(near, far))).code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.is(String(await near.readBytes(4)), 'kept');
  }));

test('other reads of a pumped stream fail with ERR_IOLOOP_READING', (t) =>
  withProxied(async (proxied) => {
    const { client, near, server } = proxied;
    const running = pumped(proxied);
    t.is((await failureOf(near.readBytes(1))).code, 'ERR_IOLOOP_READING');
    client.close();
    server.close();
    await running;
  }));

test('nothing takes bytes out of a pump that waits for its sink', (t) =>
  withProxied(async (proxied) => {
    const { client, near, far, server } = proxied;
    const there = noise(16 * MIB);
    const running = pumped(proxied, { direction: 'forward' });
    const sent = client.write(there).then(() => client.shutdownWrite());
    await until(() => far.writing, 'a sink that is full');
    t.is((await failureOf(near.readBytes(1))).code, 'ERR_IOLOOP_READING');
    t.is((await failureOf(pump(near, server))).code, 'ERR_IOLOOP_READING');
    t.throws(() => near.setProtocol({ data: () => {} }), { code: 'ERR_IOLOOP_STREAM_BUSY' });
    t.is(await digest(server), digestOf(there));
    await Promise.all([sent, running]);
    // It has ended: the refusals have, too.
    t.is((await failureOf(near.readBytes(1))).code, 'ERR_IOLOOP_STREAM_ENDED');
  }));

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

test('a source that is reset while its sink stalls ends the pump', (t) =>
  withProxied(async (proxied) => {
    const { client, far } = proxied;
    const failed = failureOf(pumped(proxied, { direction: 'forward' }));
    void client.write(Buffer.alloc(64 * MIB)).catch(() => {});
    await until(() => far.writing, 'a sink that is full');
    reset(client);
    t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
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
    const { client, server, near, far } = proxied;
    const failed = failureOf(pumped(proxied));
    // The bytes go round for ever.
    const round = failureOf(pump(server, server, { direction: 'forward' }));
    const back = failureOf(pump(client, client, { direction: 'forward' }));
    await client.write(Buffer.alloc(256 * 1024));
    for (let count = 0; count < 20; count += 1) {
      await turns(near);
      await new Promise((resolve) => {
        setTimeout(resolve, 1);
      });
    }
    near.close();
    far.close();
    t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
    client.close();
    server.close();
    await Promise.all([round, back]);
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

/** A proxy in a process of its own; prints what has arrived. */
const PROXY = (before: string): string => `
  import { IOLoop, IOStream, Socket, pump } from 'ioloop';
  import { createHash } from 'node:crypto';
  import { openSync } from 'node:fs';
  const loop = IOLoop.current();
  const result = await loop.runSync(async () => {
    const [client, near, far, server] = [...Socket.pair(), ...Socket.pair()].map(
      (socket) => new IOStream(socket, { allowHalfOpen: true }),
    );
    ${before}
    const bytes = Buffer.alloc(2 << 20, 'abcdefg');
    const running = pump(near, far);
    void client.write(bytes).then(() => client.shutdownWrite());
    const got = await server.readUntilClose();
    server.close();
    return [got.equals(bytes), await running];
  }, { timeout: 40 });
  console.log(JSON.stringify(result));
  process.exit(0);
`;

testWith('prlimit')('EMFILE: bytes go through memory', async (t) => {
  const exhaust =
    "try { for (;;) openSync('/dev/null'); } catch ({ code }) { if (code !== 'EMFILE') throw code; }";
  const result = await runChild(PROXY(exhaust), { through: ['prlimit', '--nofile=100'] });
  t.is(result.code, 0, result.stderr);
  t.deepEqual(JSON.parse(result.stdout), [true, { forward: 2 << 20, back: 0 }]);
});

for (const [calls, errno, nth] of [
  ['splice', 'EINVAL', '1+'],
  ['splice', 'ENOSYS', '1+'],
  ['splice', 'EINTR', '1+2'],
] as const) {
  const title = `${errno} of ${calls}: the bytes go another way, and none is lost`;
  testWith('strace')(title, async (t) => {
    if (!capabilities.splice) {
      t.pass('nothing is spliced here');
      return;
    }
    const result = await runFailing(PROXY(''), failing(calls, errno, nth));
    t.deepEqual(served(t, result), [true, { forward: 2 << 20, back: 0 }]);
  });
}

const URGENT = `
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for at in range(8):
    s.sendall(b'a' * 100000)
    s.send(b'!', socket.MSG_OOB)
s.sendall(b'last')
s.shutdown(socket.SHUT_WR)
sys.stdin.read()
`;

testWith('python3')('urgent data do not stop a pump', (t) =>
  onLoop(async (loop) => {
    const listener = Socket.tcp();
    listener.bind({ host: '127.0.0.1', port: 0 });
    listener.listen();
    const { port } = listener.localAddress as { port: number };
    const peer = spawn('python3', ['-c', URGENT, String(port)], {
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    let accepted = listener.accept();
    await until(() => (accepted ??= listener.accept()) !== null, 'a connection');
    const [socket] = accepted as unknown as [Socket];
    const near = new IOStream(socket, { loop, allowHalfOpen: true });
    const [far, server] = localPair(loop, { allowHalfOpen: true });
    const running = pump(near, far);
    const text = String(await server.readUntilClose());
    // Not by comparison, whose report would be long.
    const rest = text.replaceAll(/a{1000}/g, '');
    // A mark before another one is data, as for recv(2).
    t.is(rest.replaceAll('!', ''), 'last');
    t.is(text.length - rest.length, 800_000);
    server.close();
    peer.stdin.end();
    await running;
    listener.close();
  }),
);

/** Sends through the socket that is its standard input. */
const LAST = `
import socket
s = socket.socket(fileno=0)
s.send(b'b' * 10000)
s.send(b'!', socket.MSG_OOB)
s.send(b'last')
s.shutdown(socket.SHUT_WR)
`;

/** Calls `act` once so many bytes have moved, before the next chunk: the loop collects nothing between. */
function countsCalling(bytes: number, act: () => void): PumpCounts {
  let forward = 0;
  return {
    back: 0,
    get forward() {
      return forward;
    },
    set forward(count) {
      forward = count;
      if (count === bytes) act();
    },
  };
}

const spliced =
  capabilities.splice && ownSockets
    ? testWith('python3')
    : testIf(false, 'sockets that are spliced');

spliced('an urgent mark before EOF, which arrive between two chunks, is not EOF', (t) =>
  withProxied(async (proxied) => {
    const { client, server } = proxied;
    const first = noise(64 * 1024);
    const counts = countsCalling(first.length, () => {
      spawnSync('python3', ['-c', LAST], { stdio: [client.fileno(), 'inherit', 'inherit'] });
    });
    const running = pumped(proxied, { direction: 'forward', counts });
    await client.write(first);
    t.is(await digest(server), digestOf(first, Buffer.alloc(10_000, 'b'), Buffer.from('last')));
    await running;
  }),
);

testOwnSockets('a reset behind bytes that pass in one crossing is a reset', (t) =>
  withProxied(async (proxied) => {
    const { client, near, server } = proxied;
    const first = noise(64 * 1024);
    const counts = countsCalling(first.length, () => {
      client.socket?.send(Buffer.alloc(20_000));
      reset(client);
    });
    const failed = failureOf(pumped(proxied, { direction: 'forward', counts }));
    void client.write(first);
    t.is((await failureOf(digest(server))).code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.regex(String(near.error), /ECONNRESET/);
  }),
);

test('a loop that is closed ends its pumps', async (t) => {
  const failed = await withProxied(async (proxied) => {
    const running = pumped(proxied);
    t.false(await isSettled(running));
    return { failed: failureOf(running) };
  });
  t.is((await failed.failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
  t.truthy(CONNECTIONS.tcp);
});
