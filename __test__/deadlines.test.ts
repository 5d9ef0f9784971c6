/** DeadlineSet and DeadlineQueue: the loop's time and turns, exceptions, calls within onExpire, memory. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { inspect } from 'node:util';
import test from 'ava';
import { DeadlineQueue, DeadlineSet, IOLoop, type CallOrigin } from 'ioloop';
import { runChild } from './helpers/child.js';
import { deferred } from './helpers/deferred.js';
import {
  asleep,
  isCollected,
  onLoop,
  runTurns,
  takeReports,
  withFakeTime,
  withLoop,
} from './helpers/loop.js';

/** A set that keeps its batches. */
function collecting<K>(
  loop: IOLoop,
  { batchSize, inside }: { batchSize?: number; inside?: (keys: K[]) => unknown } = {},
): { set: DeadlineSet<K>; batches: K[][] } {
  const batches: K[][] = [];
  const set = new DeadlineSet<K>(loop, {
    batchSize,
    onExpire: (keys) => {
      batches.push(keys);
      return inside?.(keys);
    },
  });
  return { set, batches };
}

test('keys of any type, in the order of their deadlines; durations as numbers and objects', (t) =>
  withFakeTime(async (loop, clock) => {
    const { set, batches } = collecting<unknown>(loop);
    const object = {};
    const symbol = Symbol('key');
    set
      .set('third', 2)
      .set(object, { milliseconds: 1500 })
      .set(NaN, 1)
      .set(undefined, { seconds: 1 });
    set.set(symbol, Infinity).set(0, 2);
    t.is(set.size, 6);
    t.deepEqual([...set], ['third', object, NaN, undefined, symbol, 0]);
    t.is(set.deadline(object), 1.5);
    t.is(set.deadline('absent'), undefined);
    t.true(set.touch(NaN));
    clock.advance(0.999);
    await runTurns(loop);
    t.deepEqual(batches, []);
    clock.advance(1.001);
    await runTurns(loop);
    t.deepEqual(batches, [[undefined, NaN, object, 'third', 0]]);
    t.deepEqual([...set], [symbol]);
  }));

test('with the default clock a touch counts from the next microtask, never earlier', (t) =>
  withLoop(async (loop) => {
    const { set } = collecting<number>(loop);
    for (let key = 0; key < 3000; key += 1) set.set(key, 30);
    const before = loop.time();
    for (let key = 0; key < 3000; key += 1) t.true(set.touch(key));
    await Promise.resolve();
    await Promise.resolve();
    const after = loop.time();
    for (let key = 0; key < 3000; key += 1) {
      const deadline = set.deadline(key) as number;
      // A touch counts up to a tick of the wheel ahead.
      const latest = after + 1 / 1024 + 30 * (1 + 2e-7);
      if (deadline < before + 30 || deadline > latest) t.fail(`${key}`);
    }
    set.touch(1);
    set.set(2, 30);
    t.true((set.deadline(1) as number) >= after + 30);
    set.touch(1);
    t.true(set.delete(1));
    // Takes the place of the key that was touched.
    set.set(-1, 3600);
    await Promise.resolve();
    t.true((set.deadline(-1) as number) > after + 3000);
  }));

test('touches that follow each other at once, and after code that takes long, are not early', (t) =>
  withLoop(async (loop) => {
    const queue = new DeadlineQueue<number>(loop, { onExpire: () => t.fail() });
    const handles = Array.from({ length: 8 }, (_, value) => queue.add(value, 30));
    for (let round = 0; round < 64; round += 1) {
      // The time that touches count from is ahead of some of these, and behind the others.
      if (round % 4 === 3) spin(loop, 0.002);
      const touched = handles.map((handle) => {
        const before = loop.time();
        t.true(queue.touch(handle));
        if (round % 8 === 5 && handle === handles[3]) spin(loop, 0.002);
        return before;
      });
      if (round % 2 === 0) await Promise.resolve();
      touched.forEach((before, at) => {
        const deadline = queue.deadline(handles[at] as number) as number;
        if (deadline < before + 30) t.fail(`touch ${at} of round ${round}`);
      });
    }
  }));

/** Takes up the thread. */
function spin(loop: IOLoop, seconds: number): void {
  const end = loop.time() + seconds;
  while (loop.time() < end);
}

test('a loop that sleeps wakes up for a key, and does not pass it on early', (t) =>
  onLoop(async (loop) => {
    const expired = deferred<number>();
    const set = new DeadlineSet<string>(loop, {
      onExpire: () => {
        expired.resolve(loop.time());
      },
    });
    await asleep(loop);
    set.set('key', 3600).set('other', 0.02);
    const due = set.deadline('other') as number;
    t.true((await expired.promise) >= due);
  }));

test('the rest of a batch follows in the next turns, and can be kept by a touch until then', (t) =>
  withFakeTime(async (loop, clock) => {
    const { set, batches } = collecting<number>(loop, { batchSize: 2 });
    for (let key = 0; key < 5; key += 1) set.set(key, 1);
    clock.advance(2);
    await runTurns(loop);
    t.deepEqual(batches, [[0, 1]]);
    t.true(set.has(2));
    t.true(set.touch(3));
    set.set(4, 0);
    await runTurns(loop, 2);
    t.deepEqual(batches, [
      [0, 1],
      [2, 4],
    ]);
    t.deepEqual([...set], [3]);
    clock.advance(1.01);
    await runTurns(loop);
    t.deepEqual(batches.at(-1), [3]);
  }));

test('within onExpire the keys of the batch are gone, and can be set again', (t) =>
  withFakeTime(async (loop, clock) => {
    const { set, batches } = collecting<string>(loop, {
      inside: ([key = '']) => {
        t.false(set.has(key) || set.touch(key) || set.delete(key));
        if (batches.length < 3) set.set(key, 0).set('other', 5);
      },
    });
    set.set('key', 1);
    clock.advance(1);
    await runTurns(loop);
    t.deepEqual(batches, [['key']]);
    await runTurns(loop, 3);
    t.deepEqual(batches, [['key'], ['key'], ['key']]);
    t.deepEqual([...set], ['other']);
    set.close();
  }));

for (const end of ['close', 'clear'] as const) {
  test(`after ${end}() in onExpire the rest is dropped`, (t) =>
    withFakeTime(async (loop, clock) => {
      const { set, batches } = collecting<number>(loop, {
        batchSize: 1,
        inside: (): void => set[end](),
      });
      set.set(1, 1).set(2, 1);
      clock.advance(1);
      await runTurns(loop, 3);
      t.deepEqual(batches, [[1]]);
      t.is(set.size, 0);
      t.is(set.closed, end === 'close');
    }));
}

for (const [how, fail] of [
  [
    'throws',
    (error: Error): never => {
      throw error;
    },
  ],
  ['rejects', (error: Error): Promise<never> => Promise.reject(error)],
] as const) {
  test(`an onExpire that ${how} is reported once a call, and the next batches come`, (t) =>
    withFakeTime(async (loop, clock) => {
      const { set, batches } = collecting<number>(loop, {
        batchSize: 1,
        inside: ([key]) => fail(new Error(`${key}`)),
      });
      set.set(1, 1).set(2, 1);
      clock.advance(1);
      await runTurns(loop, 3);
      t.deepEqual(batches, [[1], [2]]);
      const reports = takeReports(loop);
      t.deepEqual(
        reports.map(({ error }) => (error as Error).message),
        ['1', '2'],
      );
      t.is((reports[0]?.callback as { name?: string } | null)?.name, 'onExpire');
    }));
}

test('onExpire runs in the async context in which the set was made', (t) =>
  withFakeTime(async (loop, clock) => {
    const storage = new AsyncLocalStorage<string>();
    const seen: unknown[] = [];
    const set = storage.run(
      'maker',
      () => collecting(loop, { inside: () => seen.push(storage.getStore()) }).set,
    );
    storage.run('setter', () => set.set('key', 1));
    clock.advance(1);
    await storage.run('starter', () => runTurns(loop));
    t.deepEqual(seen, ['maker']);
  }));

test('in debug mode a failure has the place where the set was made', async (t) => {
  const origins: (CallOrigin | null)[] = [];
  const loop = new IOLoop({ debug: true, makeCurrent: false });
  loop.handleCallbackException = (_callback, _error, origin = null) => {
    origins.push(origin);
    loop.stop();
  };
  const make = (): DeadlineSet<string> =>
    new DeadlineSet<string>(loop, {
      onExpire: function expire() {
        throw new Error('on purpose');
      },
    });
  make().set('key', 0);
  await loop.start();
  loop.close();
  t.is(origins[0]?.kind, 'onExpire function');
  t.is(origins[0]?.name, 'expire');
  t.regex(origins[0]?.site ?? '', /^make /);
});

test('wrong arguments, closed loops and closed sets are refused', (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const onExpire = (): void => {};
  for (const Class of [DeadlineSet, DeadlineQueue]) {
    t.throws(() => new Class(null as never, { onExpire }), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => new Class(loop, null as never), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => new Class(loop, undefined as never), {
      code: 'ERR_INVALID_ARG_TYPE',
      message: /"onExpire" must be a function/,
    });
    // @ts-expect-error the loop is left out
    t.throws(() => new Class({ onExpire }), {
      code: 'ERR_INVALID_ARG_TYPE',
      message: /"loop" must be an IOLoop/,
    });
    t.throws(() => new Class(loop, {} as never), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => new Class(loop, { onExpire, batchSize: 0 }), { code: 'ERR_OUT_OF_RANGE' });
  }
  const set = new DeadlineSet<string>(loop, { onExpire });
  const queue = new DeadlineQueue<string>(loop, { onExpire });
  const handle = queue.add('value', 1);
  set.set('key', 1);
  for (const duration of [NaN, '1' as never, undefined as never, {}]) {
    t.throws(() => set.set('key', duration), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => queue.add('key', duration), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => queue.reset(handle, duration), { code: 'ERR_INVALID_ARG_TYPE' });
  }
  for (const stale of [0, -1, 1.5, NaN, handle + 1, 2 ** 60, undefined as never, 'x' as never]) {
    t.false(queue.touch(stale) || queue.delete(stale) || queue.has(stale) || queue.reset(stale, 1));
    t.is(queue.get(stale), undefined);
    t.is(queue.deadline(stale), undefined);
  }
  t.deepEqual([set.size, queue.size], [1, 1]);
  set.close();
  set.close();
  queue[Symbol.dispose]();
  t.true(set.closed && queue.closed);
  t.false(set.has('key') || set.touch('key') || queue.has(handle) || queue.touch(handle));
  t.throws(() => set.set('key', 1), { code: 'ERR_IOLOOP_DEADLINES_CLOSED' });
  t.throws(() => queue.add('key', 1), { code: 'ERR_IOLOOP_DEADLINES_CLOSED' });
  const open = new DeadlineSet<string>(loop, { onExpire }).set('key', 1);
  loop.close();
  t.throws(() => open.set('key', 1), { code: 'ERR_IOLOOP_CLOSED' });
  t.throws(() => new DeadlineSet(loop, { onExpire }), { code: 'ERR_IOLOOP_CLOSED' });
  t.true(open.touch('key') && open.delete('key'));
  t.is(inspect(open), 'DeadlineSet { size: 0, closed: false }');
  t.is(inspect(queue), 'DeadlineQueue { size: 0, closed: true }');
  for (const { prototype } of [DeadlineSet, DeadlineQueue])
    t.is(typeof inspect(prototype), 'string');
});

test('a handle is stale for good, also when its place is taken', (t) =>
  withFakeTime(async (loop, clock) => {
    const queue = new DeadlineQueue<number>(loop, { onExpire: () => {} });
    const handles = new Set<number>();
    for (let round = 0; round < 50; round += 1) {
      const handle = queue.add(round, round % 2);
      t.false(handles.has(handle));
      for (const stale of handles) t.false(queue.touch(stale) || queue.delete(stale));
      handles.add(handle);
      if (round % 3 === 0) queue.clear();
      else if (round % 3 === 1) queue.delete(handle);
      else clock.advance(1);
      await runTurns(loop);
    }
    t.is(queue.size, 0);
  }));

test('a million deadlines: bounded batches in order, and the loop has turns in between', (t) =>
  withFakeTime(async (loop, clock) => {
    const COUNT = 1_000_000;
    let next = 0;
    let largest = 0;
    let isOrdered = true;
    const queue = new DeadlineQueue<number>(loop, {
      onExpire: (values) => {
        largest = Math.max(largest, values.length);
        for (const value of values) isOrdered &&= value === next++;
      },
    });
    const handles = Float64Array.from({ length: COUNT }, (_, index) => {
      // In three heaps: one at the same time, one spread over a minute, one in an hour.
      const at = Math.floor((3 * index) / COUNT);
      return queue.add(index, [1, 2 + index / 1e4, 3600][at] as number);
    });
    for (const handle of handles) queue.touch(handle);
    clock.advance(10_000);
    let turns = 0;
    while (queue.size > 0 && turns < 5000) {
      await runTurns(loop);
      turns += 1;
    }
    t.true(isOrdered);
    t.is(next, COUNT);
    t.is(largest, 1024);
    t.true(turns >= COUNT / 1024);
  }));

test('what has left is collectable, and so is a set that was cleared', (t) =>
  withFakeTime(async (loop, clock) => {
    const set = new DeadlineSet<object>(loop, { onExpire: () => {} });
    const add = (duration: number, leave: (key: object) => unknown): WeakRef<object> => {
      const key = {};
      set.set(key, duration);
      leave(key);
      return new WeakRef(key);
    };
    const refs = [add(60, (key) => set.delete(key)), add(1, () => null)];
    clock.advance(1);
    await runTurns(loop);
    for (const ref of refs) t.true(await isCollected(ref));
    t.is(set.size, 0);
    const dropped = ((): WeakRef<object> => {
      const other = collecting<number>(loop).set.set(1, 60);
      other.clear();
      return new WeakRef(other);
    })();
    t.true(await isCollected(dropped));
  }));

test('a set does not keep the process alive', async (t) => {
  const { code, stdout } = await runChild(`
    import { DeadlineSet, IOLoop } from 'ioloop';
    new DeadlineSet(new IOLoop(), { onExpire() {} }).set('key', 3600);
    console.log('end');
  `);
  t.is(code, 0);
  t.is(stdout, 'end\n');
});

test('deadlines within one tick of the wheel are in exact order, equal ones as they were set', (t) =>
  withFakeTime(async (loop, clock) => {
    const { set, batches } = collecting<number>(loop);
    const keys = Array.from({ length: 500 }, (_, index) => (index * 331) % 500);
    // Pairs of equal deadlines, 1 µs apart.
    for (const key of keys) set.set(key, (key >> 1) * 2 ** -20);
    clock.advance(1);
    await runTurns(loop);
    const rank = new Map(keys.map((key, index) => [key, index] as const));
    const expected = keys.toSorted(
      (a, b) => (a >> 1) - (b >> 1) || (rank.get(a) as number) - (rank.get(b) as number),
    );
    t.deepEqual(batches, [expected]);
  }));
