/** What the loop is done with it lets go of: checked with the garbage collector. */
import test from 'ava';
import { IOLoop, PeriodicCallback, type Timeout } from 'ioloop';
import { MANY_TIMERS } from './helpers/capacities.js';
import { isCollected, runTurns, withFakeTime, withLoop } from './helpers/loop.js';

/** A closure over something large, and the means to watch it go. */
function watched(): { callback: () => void; ref: WeakRef<object> } {
  const payload = { bytes: new Uint8Array(1024) };
  const callback = (): void => {
    payload.bytes[0] = 1;
  };
  return { callback, ref: new WeakRef(callback) };
}

/** Takes an argument and forgets it. */
function takeOne(argument: object): boolean {
  return argument !== null;
}

test('the closure of a cancelled timeout is collectable while its handle is held', (t) =>
  withLoop(async (loop) => {
    const handles: Timeout[] = [];
    const add = (deadline: number): WeakRef<object> => {
      const { callback, ref } = watched();
      const handle = loop.callLater(deadline, callback);
      loop.removeTimeout(handle);
      handles.push(handle);
      return ref;
    };
    const refs = [-1, 0, 1, 400 * 86_400, Infinity].map(add);
    for (const ref of refs) t.true(await isCollected(ref));
    t.is(handles.length, refs.length);
  }));

test('the arguments of a cancelled timeout are collectable', (t) =>
  withLoop(async (loop) => {
    const add = (): [Timeout, WeakRef<object>] => {
      const argument = {};
      return [loop.callLater(60, takeOne, argument), new WeakRef(argument)];
    };
    const [handle, ref] = add();
    loop.removeTimeout(handle);
    t.true(await isCollected(ref));
    t.truthy(handle);
  }));

test('the closure of a timeout that has run is collectable while its handle is held', (t) =>
  withFakeTime(
    async (loop, clock) => {
      const add = (delay: number): [Timeout, WeakRef<object>] => {
        const { callback, ref } = watched();
        return [loop.callLater(delay, callback), ref];
      };
      const added = [-1, 0, 1].map(add);
      clock.advance(2);
      await runTurns(loop);
      for (const [handle, ref] of added) {
        t.true(await isCollected(ref));
        t.truthy(handle);
      }
    },
    0,
    MANY_TIMERS,
  ));

test('the closure of a timeout that was cancelled when it was due is collectable', (t) =>
  withLoop(async (loop) => {
    const add = (): [Timeout, WeakRef<object>] => {
      const { callback, ref } = watched();
      return [loop.callLater(-1, callback), ref];
    };
    const [handle, ref] = add();
    loop.addCallback(() => {
      loop.removeTimeout(handle);
    });
    await runTurns(loop);
    t.true(await isCollected(ref));
    t.truthy(handle);
  }));

test('the closure of a pending timeout is held', (t) =>
  withLoop(async (loop) => {
    const add = (): WeakRef<object> => {
      const { callback, ref } = watched();
      loop.callLater(3600, callback);
      return ref;
    };
    t.false(await isCollected(add()));
  }));

test('a callback that has run is collectable, and so are its arguments', (t) =>
  withLoop(async (loop) => {
    const add = (): WeakRef<object>[] => {
      const { callback, ref } = watched();
      const argument = {};
      loop.addCallback(callback);
      loop.addCallback(takeOne, argument);
      return [ref, new WeakRef(argument)];
    };
    const refs = add();
    await runTurns(loop);
    for (const ref of refs) t.true(await isCollected(ref));
  }));

test('a callback that has run is collectable while the loop goes on sleeping', (t) =>
  withLoop(async (loop) => {
    const running = loop.start();
    const add = (): Promise<WeakRef<object>> =>
      new Promise((resolve) => {
        const { callback, ref } = watched();
        loop.addCallback(callback);
        loop.addCallback(() => {
          resolve(ref);
        });
      });
    t.true(await isCollected(await add()));
    loop.stop();
    await running;
  }));

test('a callback that has thrown is collectable', (t) =>
  withLoop(async (loop) => {
    const add = (): WeakRef<object> => {
      const callback = (): void => {
        throw new Error('on purpose');
      };
      loop.addCallback(callback);
      return new WeakRef(callback);
    };
    const ref = add();
    await runTurns(loop);
    loop.reports.length = 0;
    t.true(await isCollected(ref));
  }));

test('the callback of addFuture is collectable once it has run', (t) =>
  withLoop(async (loop) => {
    const add = (): WeakRef<object> => {
      const { callback, ref } = watched();
      loop.addFuture(Promise.resolve(), callback);
      return ref;
    };
    const ref = add();
    await Promise.resolve();
    await runTurns(loop);
    t.true(await isCollected(ref));
  }));

test('a stopped PeriodicCallback keeps nothing alive', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const add = (): WeakRef<object> => {
    const { callback, ref } = watched();
    const periodic = new PeriodicCallback(callback, 3_600_000);
    loop.makeCurrent();
    periodic.start();
    periodic.stop();
    return ref;
  };
  t.true(await isCollected(add()));
  loop.close();
});

test('closing a loop lets go of everything that was queued, pending or held by a handle', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const handles: Timeout[] = [];
  const add = (): WeakRef<object>[] => {
    const queued = watched();
    const pending = watched();
    const held = watched();
    loop.addCallback(queued.callback);
    loop.callLater(3600, pending.callback);
    handles.push(loop.callLater(3600, held.callback));
    return [queued.ref, pending.ref, held.ref];
  };
  const refs = add();
  loop.close();
  for (const ref of refs) t.true(await isCollected(ref));
  t.is(handles.length, 1);
});

test('a closed loop is collectable', async (t) => {
  const make = async (): Promise<WeakRef<object>> => {
    const loop = new IOLoop({ makeCurrent: false });
    loop.callLater(3600, () => {});
    await runTurns(loop, 2);
    loop.close();
    return new WeakRef(loop);
  };
  t.true(await isCollected(await make()));
});
