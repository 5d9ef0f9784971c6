/** The current loop of a thread. All tests share it, so they take turns. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { capabilities } from '#internal';
import { IOLoop } from 'ioloop';
import { runTurns, start } from './helpers/loop.js';

test.beforeEach(() => {
  IOLoop.clearCurrent();
  IOLoop.configure(null);
});

test.serial('a new loop becomes current when there is none', (t) => {
  t.is(IOLoop.current(false), null);
  const loop = new IOLoop();
  t.is(IOLoop.current(), loop);
  loop.close();
});

test.serial('a new loop leaves the current one alone', (t) => {
  const first = new IOLoop();
  const second = new IOLoop();
  t.is(IOLoop.current(), first);
  first.close();
  t.is(IOLoop.current(false), null);
  second.close();
});

test.serial('makeCurrent: true throws when there is a current loop, which stays', (t) => {
  const first = new IOLoop({ makeCurrent: true });
  t.is(IOLoop.current(), first);
  const error = t.throws(() => new IOLoop({ makeCurrent: true }));
  t.like(error, { code: 'ERR_IOLOOP_CURRENT_EXISTS' });
  t.is(IOLoop.current(), first);
  first.close();
});

test.serial('makeCurrent: true does not count a closed loop', (t) => {
  new IOLoop().close();
  const loop = new IOLoop({ makeCurrent: true });
  t.is(IOLoop.current(), loop);
  loop.close();
});

test.serial('makeCurrent: false never makes current', (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  t.is(IOLoop.current(false), null);
  loop.close();
});

test.serial('makeCurrent of a wrong type is refused', (t) => {
  for (const makeCurrent of [1, 'yes', null, {}]) {
    const error = t.throws(() => new IOLoop({ makeCurrent: makeCurrent as never }));
    t.like(error, { code: 'ERR_INVALID_ARG_TYPE' });
  }
  t.is(IOLoop.current(false), null);
});

test.serial('current() makes a loop when there is none, and only one', (t) => {
  const loop = IOLoop.current();
  t.true(loop instanceof IOLoop);
  t.is(IOLoop.current(), loop);
  t.is(IOLoop.current(true), loop);
  loop.close();
});

test.serial('current(false) makes none', (t) => {
  t.is(IOLoop.current(false), null);
  t.is(IOLoop.current(false), null);
  t.false(IOLoop.initialized());
});

test.serial('makeCurrent() overrides silently', (t) => {
  const first = new IOLoop();
  const second = new IOLoop();
  second.makeCurrent();
  t.is(IOLoop.current(), second);
  first.makeCurrent();
  t.is(IOLoop.current(), first);
  first.close();
  second.close();
});

test.serial('clearCurrent() clears, also when there is nothing to clear', (t) => {
  IOLoop.clearCurrent();
  const loop = new IOLoop();
  IOLoop.clearCurrent();
  IOLoop.clearCurrent();
  t.is(IOLoop.current(false), null);
  t.false(loop.closed);
  loop.close();
});

test.serial('instance, install, clearInstance and initialized are aliases', (t) => {
  t.false(IOLoop.initialized());
  const loop = IOLoop.instance();
  t.is(IOLoop.current(), loop);
  t.true(IOLoop.initialized());
  IOLoop.clearInstance();
  t.false(IOLoop.initialized());
  loop.install();
  t.is(IOLoop.instance(), loop);
  t.is(IOLoop.current(), loop);
  loop.close();
});

test.serial('a loop is current while it runs, then the one before is again', async (t) => {
  const before = new IOLoop();
  const loop = new IOLoop();
  await start(loop, () => {
    t.is(IOLoop.current(), loop);
    loop.stop();
  });
  t.is(IOLoop.current(false), before);
  before.close();
  IOLoop.clearCurrent();
  await runTurns(loop);
  t.is(IOLoop.current(false), null);
  loop.close();
});

test.serial('a running loop is current in code outside of its turns, too', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const running = loop.start();
  t.is(IOLoop.current(false), loop);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  t.is(IOLoop.current(false), loop);
  loop.stop();
  await running;
  t.is(IOLoop.current(false), null);
  loop.close();
});

test.serial('a start that is swallowed, or rejects, leaves the current loop alone', async (t) => {
  const current = new IOLoop();
  const loop = new IOLoop();
  loop.stop();
  await loop.start();
  t.is(IOLoop.current(), current);
  const running = current.start();
  await t.throwsAsync(current.start());
  t.is(IOLoop.current(), current);
  current.stop();
  await running;
  loop.close();
  await t.throwsAsync(loop.start());
  t.is(IOLoop.current(), current);
  current.close();
});

test.serial(
  'of two running loops each is current in its own callbacks, timeouts included',
  async (t) => {
    const loops = [new IOLoop({ makeCurrent: false }), new IOLoop({ makeCurrent: false })];
    await Promise.all(
      loops.map(async (loop) => {
        let left = 20;
        const again = (): void => {
          t.is(IOLoop.current(), loop);
          left -= 1;
          if (left === 0) loop.stop();
          else if (left % 2 === 0) loop.addCallback(again);
          else loop.callLater(0, again);
        };
        await start(loop, again);
      }),
    );
    t.is(IOLoop.current(false), null);
    for (const loop of loops) loop.close();
  },
);

test.serial(
  'a loop that stops does not take the place of one that was chosen meanwhile',
  async (t) => {
    const loop = new IOLoop({ makeCurrent: false });
    const chosen = new IOLoop({ makeCurrent: false });
    await start(loop, () => {
      chosen.makeCurrent();
      loop.stop();
    });
    t.is(IOLoop.current(), chosen);
    loop.close();
    chosen.close();
  },
);

test.serial('clearCurrent() in a callback holds', async (t) => {
  const loop = new IOLoop();
  await start(loop, () => {
    IOLoop.clearCurrent();
    t.is(IOLoop.current(false), null);
    loop.stop();
  });
  t.is(IOLoop.current(false), null);
  loop.close();
});

test.serial('a worker has a current loop of its own', async (t) => {
  const loop = new IOLoop();
  const source = `
    const { parentPort } = require('node:worker_threads');
    import(${JSON.stringify(import.meta.resolve('ioloop'))}).then(async ({ IOLoop }) => {
      const before = IOLoop.initialized();
      const loop = IOLoop.current();
      let inside = false;
      await loop.runSync(() => { inside = IOLoop.current() === loop; });
      parentPort.postMessage({ before, inside });
    });`;
  const worker = new Worker(source, { eval: true });
  const exited = once(worker, 'exit');
  const [message] = (await once(worker, 'message')) as unknown[];
  t.deepEqual(message, { before: false, inside: true });
  t.deepEqual(await exited, [0]);
  t.is(IOLoop.current(), loop);
  loop.close();
});

test.serial('a loop has the names of its backend and its driver', (t) => {
  const loop = new IOLoop();
  if (capabilities.descriptors) {
    t.is(loop.driver, process.env['IOLOOP_DRIVER'] === 'thread' ? 'thread' : 'libuv');
    t.true(['epoll', 'kqueue', 'poll'].includes(loop.backend));
  } else {
    t.is(loop.driver, 'host');
    t.true(['wasm', 'host'].includes(loop.backend));
  }
  loop.close();
});
