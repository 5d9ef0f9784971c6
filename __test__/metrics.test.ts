/** `loop.metrics()`: what it counts is what has happened. */
import { closeSync, writeSync } from 'node:fs';
import test from 'ava';
import { IOLoop, IOStream, Socket, TCPClient, TCPServer } from 'ioloop';
import { runChild } from './helpers/child.js';
import { asleep, onLoop, runTurns, takeReports, withFakeTime, withLoop } from './helpers/loop.js';
import { securePair } from './helpers/tls.js';
import { ownSockets, testOwnSockets } from './helpers/sockets-of.js';
import { withPair } from './helpers/streams.js';
import { testOn, testWith } from './helpers/conditions.js';
import { nodeTurns, pipe } from './helpers/fds.js';
import { heldByChild } from './helpers/stolen.js';

test('turns and callbacks are counted, also more of them than a block has', (t) =>
  withLoop(async (loop) => {
    for (let count = 0; count < 2000; count += 1) loop.addCallback(() => {});
    t.is(loop.metrics().callbacksQueued, 2000);
    await runTurns(loop, 3);
    t.like(loop.metrics(), { turns: 3, callbacks: 2003, callbacksQueued: 0 });
  }));

test('metrics are frozen, and work on a closed loop', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  await runTurns(loop);
  loop.close();
  const metrics = loop.metrics();
  t.true(Object.isFrozen(metrics));
  t.like(metrics, { turns: 1, rebuilds: 0, handlers: 0, streams: 0, timings: null });
});

test('timers are pending, fired or cancelled', (t) =>
  withFakeTime(async (loop, clock) => {
    const never = loop.callAt(Infinity, () => {});
    const removed = loop.callAt(5, () => {});
    const due = loop.callAt(2, () => t.fail());
    loop.callAt(1, () => {
      loop.removeTimeout(due);
      loop.removeTimeout(due);
    });
    loop.callAt(100, () => {});
    t.like(loop.metrics(), { timersPending: 4, timersFired: 0, timersCancelled: 0 });
    loop.removeTimeout(removed);
    loop.removeTimeout(never);
    t.like(loop.metrics(), { timersPending: 3, timersCancelled: 1 });
    clock.advance(3);
    await runTurns(loop);
    t.like(loop.metrics(), { timersPending: 1, timersFired: 1, timersCancelled: 2 });
  }));

test('reports to handlers are counted, and handlers', (t) =>
  withLoop(async (loop) => {
    const [near, far] = Socket.pair();
    loop.addHandler(near, () => {}, IOLoop.READ);
    far.send('unread');
    await runTurns(loop, 5);
    t.like(loop.metrics(), { handlers: 1, handlerCalls: 5, streamEvents: 0, streams: 0 });
    near.close();
    far.close();
    t.is(loop.metrics().handlers, 0);
  }));

for (const [size, way] of [
  [100, 'in the batch and in a turn'],
  [3_000_000, 'from the memory of the caller'],
] as const) {
  test(`bytes in and out are counted, sent ${way}`, (t) =>
    withPair(async (near, far, loop) => {
      const read = far.readBytes(size);
      await near.write(Buffer.alloc(size));
      await read;
      t.like(loop.metrics(), { bytesSent: size, bytesReceived: size, streams: 2 });
      t.true(loop.metrics().streamEvents > 0);
    }));
}

test('bytes that the kernel does not take are not counted', (t) =>
  withPair(async (near, far, loop) => {
    // Small writes, until the kernel is full: the rest of a batch is queued.
    while (near.writeBufferSize === 0) {
      for (let count = 0; count < 50; count += 1) void near.write(Buffer.alloc(1000));
      await new Promise<void>((resolve) => loop.addCallback(resolve));
    }
    const { bytesSent } = loop.metrics();
    const unsent = near.writeBufferSize;
    t.true(bytesSent > 0 && unsent > 0);
    far.close();
    near.close();
    await runTurnsOf(loop);
    t.true(loop.metrics().bytesSent <= bytesSent + unsent);
  }));

test('a chain that is cancelled, and one whose peer is gone, are not counted as sent', (t) =>
  onLoop(async (loop) => {
    const [first, second] = Socket.pair();
    const stream = new IOStream(first, { loop });
    second.close();
    await t.throwsAsync(stream.write('to nobody'));
    t.is(loop.metrics().bytesSent, 0);
  }));

test('over TLS the encrypted bytes are counted', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await securePair(loop);
    const before = loop.metrics();
    await client.write(Buffer.alloc(1000));
    await server.readBytes(1000);
    const { bytesSent, bytesReceived } = loop.metrics();
    t.true(bytesSent - before.bytesSent > 1000);
    t.true(bytesReceived - before.bytesReceived > 1000);
    client.close();
    server.close();
  }));

test('accepted connections are counted', (t) =>
  onLoop(async (loop) => {
    const server = new TCPServer({ loop, handleStream: (stream) => stream.close() });
    server.listen(0, '127.0.0.1');
    for (let count = 0; count < 3; count += 1) {
      const client = await new TCPClient().connect('127.0.0.1', server.port, { loop });
      await client.readUntilClose();
    }
    t.like(loop.metrics(), { connectionsAccepted: 3, acceptPauses: 0 });
    await server.stop({ drain: true });
  }));

const testExhausted = ownSockets ? testWith('prlimit') : testOwnSockets;

const EXHAUSTED = `
  import { IOLoop, TCPServer, Socket } from 'ioloop';
  const loop = IOLoop.current();
  await loop.runSync(async () => {
    const server = new TCPServer({ handleStream: () => {} });
    server.listen(0, '127.0.0.1');
    const client = Socket.tcp();
    try { for (;;) Socket.tcp(); } catch {}
    client.connect(server.addresses[0]);
    while (!server.acceptPaused) await new Promise((resolve) => loop.addCallback(resolve));
    console.log(loop.metrics().acceptPauses);
    process.exit();
  }, { timeout: 30 });
`;

// libuv closes a connection that node:net has no descriptor for, and reports nothing.
testExhausted('pauses of accepting are counted', async (t) => {
  const result = await runChild(EXHAUSTED, { through: ['prlimit', '--nofile=256:256'] });
  t.is(result.stdout.trim(), '1', result.stderr);
});

testOn('epoll')('rebuilds of the epoll set are counted', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipe();
    // The copy of the child keeps a registration alive that has no number any more.
    const release = await heldByChild(reader);
    loop.addHandler(reader, () => {}, IOLoop.READ);
    closeSync(reader);
    while (loop.metrics().rebuilds === 0) {
      writeSync(writer, 'x');
      await nodeTurns(1);
    }
    t.is(loop.metrics().rebuilds, 1);
    await release();
    closeSync(writer);
  }),
);

test('a wake-up is counted', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const [near, far] = Socket.pair();
  loop.addHandler(
    near,
    () => {
      loop.stop();
    },
    IOLoop.READ,
  );
  const finished = loop.start();
  await asleep(loop);
  far.send('x');
  await finished;
  t.true(loop.metrics().wakeups > 0);
  near.close();
  far.close();
  loop.close();
});

test('histograms are off, until they are enabled, and when they are disabled', (t) =>
  withLoop(async (loop) => {
    await runTurns(loop);
    t.is(loop.metrics().timings, null);
    loop.enableHistograms();
    await runTurns(loop, 3);
    loop.enableHistograms();
    const { timings } = loop.metrics();
    t.is(timings?.turnLength.count, 3);
    t.is(timings?.timerLateness.count, 0);
    t.is(timings?.timerLateness.p99, 0);
    loop.disableHistograms();
    t.is(loop.metrics().timings, null);
  }));

test('the length of a turn and its part of the time are measured', (t) =>
  withLoop(async (loop) => {
    loop.enableHistograms();
    loop.addCallback(() => {
      const end = performance.now() + 30;
      while (performance.now() < end);
    });
    await runTurns(loop);
    const { timings } = loop.metrics();
    const { max, p50, sum, mean } = timings?.turnLength ?? {};
    for (const length of [max, p50, sum, mean, timings?.busySeconds]) {
      t.true(length !== undefined && length >= 0.03 && length < 30, String(length));
    }
    t.true((timings?.busySeconds ?? 0) <= (timings?.elapsedSeconds ?? 0));
  }));

test('the lateness of a turn is that of its first timer', (t) =>
  withFakeTime(async (loop, clock) => {
    loop.enableHistograms();
    loop.callAt(10, () => {});
    loop.callAt(12, () => {});
    clock.advance(12.5);
    await runTurns(loop, 2);
    const { count, max } = loop.metrics().timings?.timerLateness ?? {};
    t.is(count, 1);
    // A histogram has three digits.
    t.true(Math.abs((max ?? 0) - 2.5) < 0.01, String(max));
  }));

test('the thread was active and idle', (t) =>
  withLoop((loop) => {
    const { activeSeconds, idleSeconds } = loop.metrics();
    t.true(activeSeconds >= 0 && idleSeconds >= 0);
    t.deepEqual(takeReports(loop), []);
  }));

async function runTurnsOf(loop: IOLoop): Promise<void> {
  for (let turn = 0; turn < 3; turn += 1) {
    await new Promise<void>((resolve) => loop.addCallback(resolve));
  }
}
