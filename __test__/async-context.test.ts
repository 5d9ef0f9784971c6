/** In which async context callbacks run: decision 20 of the design. Node 20, 22 and 24 alike. */
import { AsyncLocalStorage } from 'node:async_hooks';
import test from 'ava';
import { IOLoop, PeriodicCallback, Socket } from 'ioloop';
import { runChild } from './helpers/child.js';
import { MANY_TIMERS } from './helpers/capacities.js';
import { runTurns, withFakeTime, withLoop, type ReportingLoop } from './helpers/loop.js';

/** Ways to hand a callback to a loop that runs it in the context of the caller. */
const INSIDE: readonly [string, (loop: ReportingLoop, callback: () => void) => unknown][] = [
  ['addCallback', (loop, callback) => loop.addCallback(callback)],
  ['callLater', (loop, callback) => loop.callLater(-1, callback)],
  ['callAt', (loop, callback) => loop.callAt(0, callback)],
  ['addTimeout', (loop, callback) => loop.addTimeout({ seconds: -1 }, callback)],
  ['addFuture', (loop, callback) => loop.addFuture(Promise.resolve(), callback)],
];

/** And those that run it outside. */
const OUTSIDE: readonly [string, (loop: ReportingLoop, callback: () => void) => unknown][] = [
  ['spawnCallback', (loop, callback) => loop.spawnCallback(callback)],
  ['addCallbackFromSignal', (loop, callback) => loop.addCallbackFromSignal(callback)],
];

for (const [name, add] of INSIDE) {
  test(`${name} runs its callback in the context of its caller`, (t) =>
    withLoop(async (loop) => {
      const storage = new AsyncLocalStorage<string>();
      const seen: unknown[] = [];
      const look = (): number => seen.push(storage.getStore());
      add(loop, look);
      storage.run('first', () => add(loop, look));
      storage.run('second', () => add(loop, look));
      add(loop, look);
      await Promise.resolve();
      await runTurns(loop);
      t.deepEqual(seen, [undefined, 'first', 'second', undefined]);
    }, MANY_TIMERS));
}

for (const [name, add] of OUTSIDE) {
  test(`${name} runs its callback outside of all contexts`, (t) =>
    withLoop(async (loop) => {
      const storage = new AsyncLocalStorage<string>();
      const seen: unknown[] = [];
      storage.run('caller', () => add(loop, () => seen.push(storage.getStore())));
      // Wherever the loop was started.
      await storage.run('starter', () => runTurns(loop));
      t.deepEqual(seen, [undefined]);
    }));

  test(`${name} called in a callback that has a context runs outside of it`, (t) =>
    withLoop(async (loop) => {
      const storage = new AsyncLocalStorage<string>();
      const seen: unknown[] = [];
      storage.run('caller', () => {
        loop.addCallback(() => {
          add(loop, () => seen.push(storage.getStore()));
          seen.push(storage.getStore());
        });
      });
      await runTurns(loop, 2);
      t.deepEqual(seen, ['caller', undefined]);
    }));
}

test('a handler runs in the context of addHandler, each time', (t) =>
  withLoop(async (loop) => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const [readable, writer] = Socket.pair();
    writer.send(Buffer.from('x'));
    storage.run('registration', () => {
      const handler = (): void => {
        seen.push(storage.getStore());
        if (seen.length === 2) loop.stop();
      };
      loop.addHandler(readable, handler, IOLoop.READ);
    });
    storage.run('update', () => loop.updateHandler(readable, IOLoop.READ));
    await storage.run('starter', () => loop.start());
    loop.removeHandler(readable);
    readable.close();
    writer.close();
    t.deepEqual(seen, ['registration', 'registration']);
  }));

test.serial('a PeriodicCallback runs in the context of start(), each time', (t) =>
  withFakeTime(async (loop, clock) => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const periodics = [
      new PeriodicCallback(() => {
        seen.push(storage.getStore());
      }, 1000),
      new PeriodicCallback(async () => {
        seen.push(storage.getStore());
      }, 1000),
    ];
    loop.makeCurrent();
    storage.run('start', () => {
      for (const periodic of periodics) periodic.start();
    });
    for (const now of [1, 2, 3]) {
      clock.now = now;
      await runTurns(loop);
    }
    for (const periodic of periodics) periodic.stop();
    t.deepEqual(
      seen,
      Array.from({ length: 6 }, () => 'start'),
    );
  }),
);

test('runSync runs its function in the context of its caller', (t) =>
  withLoop(async (loop) => {
    const storage = new AsyncLocalStorage<string>();
    const store = await storage.run('caller', () => loop.runSync(async () => storage.getStore()));
    t.is(store, 'caller');
  }));

test('the context outlives await, and what is added there inherits it', (t) =>
  withLoop(async (loop) => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    storage.run('caller', () => {
      loop.addCallback(async () => {
        await Promise.resolve();
        seen.push(storage.getStore());
        loop.callLater(0, () => {
          seen.push(storage.getStore());
          loop.stop();
        });
      });
    });
    await loop.start();
    t.deepEqual(seen, ['caller', 'caller']);
  }));

test('several storages are carried at once, and undefined stores, too', (t) =>
  withLoop(async (loop) => {
    const one = new AsyncLocalStorage<unknown>();
    const other = new AsyncLocalStorage<unknown>();
    const seen: unknown[] = [];
    const look = (): number => seen.push([one.getStore(), other.getStore()]);
    one.run(1, () => {
      other.run(2, () => loop.addCallback(look));
      loop.addCallback(look);
      one.run(undefined, () => loop.addCallback(look));
      other.run(0, () => loop.callLater(-1, look));
    });
    await runTurns(loop);
    t.deepEqual(seen, [
      [1, 2],
      [1, undefined],
      [undefined, undefined],
      [1, 0],
    ]);
  }));

test('exit() takes effect for what is added in it', (t) =>
  withLoop(async (loop) => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const look = (): number => seen.push(storage.getStore());
    storage.run('caller', () => {
      storage.exit(() => loop.addCallback(look));
      loop.addCallback(look);
    });
    await runTurns(loop);
    t.deepEqual(seen, [undefined, 'caller']);
  }));

test('an async hook that is enabled does not disturb the loop', async (t) => {
  const { stdout, stderr } = await runChild(`
    import { AsyncLocalStorage, createHook } from 'node:async_hooks';
    import { IOLoop } from 'ioloop';
    const storage = new AsyncLocalStorage();
    const loop = new IOLoop();
    loop.addCallback(() => console.log('before', storage.getStore()));
    const hook = createHook({ init() {}, before() {}, after() {}, destroy() {} }).enable();
    storage.run('A', () => loop.addCallback(() => console.log('during', storage.getStore())));
    hook.disable();
    storage.run('B', () => loop.addCallback(() => {
      console.log('after', storage.getStore());
      loop.stop();
    }));
    await loop.start();
  `);
  t.is(stdout, 'before undefined\nduring A\nafter B\n', stderr);
});

test("a promise made in a loop's turn does not carry the context of start()", (t) =>
  withLoop(async (loop) => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    loop.addCallback(async () => {
      await Promise.resolve();
      seen.push(storage.getStore());
      loop.addCallback(() => {
        seen.push(storage.getStore());
        loop.stop();
      });
    });
    await storage.run('starter', () => loop.start());
    t.deepEqual(seen, [undefined, undefined]);
  }));
