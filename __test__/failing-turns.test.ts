/** What fails within a turn, a start or a close, beside user code: the loop goes on, or is closed. */
import { createHook } from 'node:async_hooks';
import test from 'ava';
import { IOStream, Socket, TCPServer } from 'ioloop';
import { HAS_PROC, nodeTurns, openFds, until } from './helpers/fds.js';
import { ReportingLoop, runTurns, withLoop } from './helpers/loop.js';
import { addressOf, connectTo } from './helpers/net.js';

test('a hook of async_hooks that uses the loop while it starts finds it running', async (t) => {
  await withLoop(async (loop) => {
    const refused: unknown[] = [];
    const attempt = (call: () => unknown): void => {
      try {
        call();
      } catch (error) {
        refused.push((error as { code?: unknown }).code);
      }
    };
    const [mine, peer] = Socket.pair();
    let called = 0;
    const hook = createHook({
      init(_id, type) {
        if (type !== 'IOLoop' || refused.length > 0) return;
        attempt(() => loop.close());
        loop.start().catch((error: unknown) => refused.push((error as { code: unknown }).code));
        loop.addHandler(
          mine,
          () => {
            if (mine.recv(1) !== null) called += 1;
          },
          1,
        );
        loop.callLater(0, () => {
          called += 1;
        });
        loop.addCallback(() => {
          called += 1;
        });
      },
    });
    hook.enable();
    const running = loop.start();
    hook.disable();
    peer.send('x');
    await until(() => called >= 3 || refused.length === 0, 'what the hook has added');
    loop.stop();
    await running;
    // The thread driver has a resource of another name: there the hook has done nothing.
    const expected = loop.driver === 'libuv' ? ['ERR_IOLOOP_RUNNING', 'ERR_IOLOOP_RUNNING'] : [];
    t.deepEqual(refused, expected);
    loop.removeHandler(mine);
    mine.close();
    peer.close();
  });
});

test('a hook of async_hooks that adds work while a turn is scheduled leaves a stopped loop', (t) =>
  withLoop(async (loop) => {
    const running = loop.start();
    await nodeTurns();
    let calls = 0;
    const stop = (): void => {
      calls += 1;
      loop.stop();
    };
    let isFirst = true;
    const hook = createHook({
      init(_id, type) {
        if (type !== 'Immediate' || !isFirst) return;
        isFirst = false;
        loop.addCallback(stop);
      },
    });
    hook.enable();
    loop.addCallback(stop);
    hook.disable();
    await running;
    await nodeTurns();
    t.false(isFirst);
    t.false(loop.running);
    t.is(calls, 2);
    await runTurns(loop);
  }));

// Serial: the others open descriptors, too.
test.serial(
  'close() of a server that is at maxConnections frees everything, and again does nothing',
  async (t) => {
    const before = HAS_PROC ? openFds().size : 0;
    const loop = new ReportingLoop({ makeCurrent: false });
    const clients: IOStream[] = [];
    let accepted = 0;
    const server = new TCPServer({
      loop,
      maxConnections: 2,
      handleStream: () => {
        accepted += 1;
        return new Promise(() => {});
      },
    });
    await server.listen(0, '127.0.0.1');
    const running = loop.start();
    for (let count = 0; count < 2; count += 1)
      clients.push(await connectTo(loop, addressOf(server)));
    await until(() => accepted === 2, 'two connections');
    loop.stop();
    await running;
    t.notThrows(() => loop.close());
    t.true(loop.closed);
    t.true(clients.every((client) => client.closed));
    t.notThrows(() => loop.close());
    await server.stop();
    if (HAS_PROC) t.is(openFds().size, before);
  },
);

test('a stream whose close callback throws is reported by close(), and the others are closed', async (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const pairs = Array.from({ length: 5 }, () => Socket.pair());
  const streams = pairs.map(([mine]) => new IOStream(mine, { loop }));
  const waiting = streams.map((stream) => stream.readBytes(1));
  for (const stream of streams) {
    stream.setCloseCallback(() => {
      throw new Error('from a close callback');
    });
  }
  await runTurns(loop);
  t.notThrows(() => loop.close());
  const ends = await Promise.allSettled(waiting);
  t.true(ends.every(({ status }) => status === 'rejected'));
  t.true(streams.every((stream) => stream.closed));
  for (const [, peer] of pairs) peer.close();
});
