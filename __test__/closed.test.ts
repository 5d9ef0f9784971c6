/** Closing, and what a closed loop answers: decisions 14 and 15 of the design. */
import test from 'ava';
import { IOLoop, PeriodicCallback, Socket } from 'ioloop';
import { start, withLoop } from './helpers/loop.js';

function closedLoop(): IOLoop {
  const loop = new IOLoop({ makeCurrent: false });
  loop.close();
  return loop;
}

test('addCallback, removeHandler, removeTimeout and stop of a closed loop are silent', (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const timeout = loop.callLater(1, () => t.fail());
  loop.close();
  t.notThrows(() => {
    loop.addCallback(() => t.fail());
    loop.spawnCallback(() => t.fail());
    loop.addCallbackFromSignal(() => t.fail());
    loop.removeHandler(0);
    loop.removeTimeout(timeout);
    loop.stop();
  });
});

/** What a closed loop refuses. */
const REFUSED: readonly [string, (loop: IOLoop) => unknown][] = [
  ['addHandler', (loop) => loop.addHandler(0, () => {}, IOLoop.READ)],
  ['updateHandler', (loop) => loop.updateHandler(0, IOLoop.READ)],
  ['addTimeout', (loop) => loop.addTimeout(1, () => {})],
  ['addTimeout with a duration', (loop) => loop.addTimeout({ seconds: 1 }, () => {})],
  ['callAt', (loop) => loop.callAt(1, () => {})],
  ['callLater', (loop) => loop.callLater(1, () => {})],
  ['callAt Infinity', (loop) => loop.callAt(Infinity, () => {})],
  ['addFuture', (loop) => loop.addFuture(Promise.resolve(), () => {})],
  ['makeCurrent', (loop) => loop.makeCurrent()],
  ['install', (loop) => loop.install()],
];

for (const [name, use] of REFUSED) {
  test(`${name} of a closed loop throws`, (t) => {
    t.like(
      t.throws(() => use(closedLoop())),
      { code: 'ERR_IOLOOP_CLOSED' },
    );
  });
}

test('start and runSync of a closed loop reject', async (t) => {
  const loop = closedLoop();
  t.like(await t.throwsAsync(loop.start()), { code: 'ERR_IOLOOP_CLOSED' });
  t.like(await t.throwsAsync(loop.runSync(async () => t.fail())), { code: 'ERR_IOLOOP_CLOSED' });
});

test('close() is idempotent', (t) => {
  const loop = closedLoop();
  t.notThrows(() => {
    loop.close();
    loop.close({ allFds: true });
  });
  t.true(loop.closed);
});

test('close() of a running loop throws, and the loop goes on', (t) =>
  withLoop(async (loop) => {
    let ran = false;
    await start(loop, () => {
      t.like(
        t.throws(() => loop.close()),
        { code: 'ERR_IOLOOP_RUNNING' },
      );
      t.false(loop.closed);
      loop.addCallback(() => {
        ran = true;
        loop.stop();
        t.like(
          t.throws(() => loop.close({ allFds: true })),
          { code: 'ERR_IOLOOP_RUNNING' },
        );
      });
    });
    t.true(ran);
  }));

test('a loop can be closed as soon as start() has resolved', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  await start(loop, () => {
    loop.stop();
  });
  loop.close();
  t.true(loop.closed);
  t.false(loop.running);
});

test('callbacks and timeouts that are left when the loop is closed never run', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  let ran = 0;
  const count = (): void => {
    ran += 1;
  };
  loop.addCallback(count);
  loop.callLater(-1, count);
  loop.callLater(0.001, count);
  loop.close();
  await withLoop(async (other) => {
    other.callLater(0.01, () => other.stop());
    await other.start();
  });
  t.is(ran, 0);
});

test('removeHandler and removeTimeout work on a closed loop', (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const [socket, peer] = Socket.pair();
  loop.addHandler(socket, () => {}, IOLoop.READ);
  const timeout = loop.callLater(60, () => {});
  loop.close();
  loop.removeHandler(socket);
  loop.removeTimeout(timeout);
  loop.removeTimeout(timeout);
  // The loop has left the socket open: it was not asked to close it.
  t.is(socket.send(Buffer.from('x')), 1);
  socket.close();
  peer.close();
});

test('time() of a closed loop still works', (t) => {
  const loop = new IOLoop({ makeCurrent: false, timeFunc: () => 5 });
  loop.close();
  t.is(loop.time(), 5);
});

test('await using of a closed loop does nothing', async (t) => {
  const loop = closedLoop();
  await loop[Symbol.asyncDispose]();
  t.true(loop.closed);
});

test.serial('a closed loop is not current any more', (t) => {
  IOLoop.clearCurrent();
  const loop = new IOLoop();
  t.is(IOLoop.current(false), loop);
  loop.close();
  t.is(IOLoop.current(false), null);
  t.false(IOLoop.initialized());
  const next = IOLoop.current();
  t.not(next, loop);
  t.false(next.closed);
  next.close();
});

test.serial('a loop that is not current leaves the current one alone when it is closed', (t) => {
  IOLoop.clearCurrent();
  const current = new IOLoop();
  new IOLoop().close();
  t.is(IOLoop.current(false), current);
  current.close();
});

test.serial('a PeriodicCallback that was started on a closed loop can be stopped', (t) => {
  IOLoop.clearCurrent();
  const loop = new IOLoop();
  const periodic = new PeriodicCallback(() => t.fail(), 1);
  periodic.start();
  loop.close();
  t.notThrows(() => periodic.stop());
});
