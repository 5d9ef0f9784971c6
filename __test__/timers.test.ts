/** Timeouts: when they run, in which order, and which are refused. */
import test from 'ava';
import * as fc from 'fast-check';
import { IOLoop, type Duration, type Timeout } from 'ioloop';
import { MANY_TIMERS } from './helpers/capacities.js';
import { countTurns, runTurns, start, withFakeTime, withLoop } from './helpers/loop.js';

const DAY = 86_400;

test('timeouts run by deadline, and those of one deadline in the order of adding', (t) =>
  withFakeTime(
    async (loop, clock) => {
      const seen: string[] = [];
      const add = (when: number, name: string): Timeout =>
        loop.callAt(when, (text: string) => seen.push(text), name);
      add(3, '3');
      add(1, '1a');
      add(2, '2a');
      add(1, '1b');
      add(2.000_000_001, '2c');
      add(2, '2b');
      add(-5, '-5');
      add(1, '1c');
      clock.now = 3;
      await runTurns(loop);
      t.deepEqual(seen, ['-5', '1a', '1b', '1c', '2a', '2b', '2c', '3']);
    },
    0,
    MANY_TIMERS,
  ));

test('the order holds over the three ways to add a timeout', (t) =>
  withFakeTime(
    async (loop, clock) => {
      const seen: string[] = [];
      const log = (name: string): number => seen.push(name);
      loop.callLater(1, log, 'later');
      loop.callAt(1, log, 'at');
      loop.addTimeout(1, log, 'deadline');
      loop.addTimeout({ seconds: 1 }, log, 'duration');
      clock.now = 1;
      await runTurns(loop);
      t.deepEqual(seen, ['later', 'at', 'deadline', 'duration']);
    },
    0,
    MANY_TIMERS,
  ));

test('a hundred thousand timeouts of one deadline run in the order of adding', (t) =>
  withFakeTime(async (loop, clock) => {
    const count = 100_000;
    let next = 0;
    let inOrder = true;
    for (let at = 0; at < count; at += 1) {
      loop.callAt(1, () => {
        inOrder &&= next === at;
        next += 1;
        if (next === count) loop.stop();
      });
    }
    clock.now = 1;
    await loop.start();
    t.true(inOrder);
  }));

test('a timeout gets the arguments it was added with', (t) =>
  withLoop(async (loop) => {
    const calls: unknown[][] = [];
    const log = (...args: unknown[]): number => calls.push(args);
    loop.callAt(1, log);
    loop.callAt(2, log, undefined);
    loop.addTimeout(3, log, 'a', 1);
    loop.callLater(-1, log, 'b');
    loop.addTimeout({ seconds: -0.5 }, log, 'c');
    await runTurns(loop);
    t.deepEqual(calls, [[], [undefined], ['a', 1], ['b'], ['c']]);
  }, MANY_TIMERS));

/** What the property test does to a loop: each step may add, cancel, and let time pass. */
type Step =
  | { readonly kind: 'add'; readonly after: number }
  | { readonly kind: 'cancel'; readonly pick: number }
  | { readonly kind: 'pass'; readonly seconds: number };

/**
 * From nanoseconds to years, past and future, with many equal ones. Sums of them are exact: deadlines
 * that differ by a rounding error are in the same nanosecond, and run in the order of adding.
 */
const span = fc.oneof(
  fc.constantFrom(-1, 0, 2 ** -10, 1, 64, 4096),
  fc.integer({ min: -3, max: 200 }).map((count) => count * 2 ** -10),
  fc.integer({ min: 0, max: 5000 }).map((count) => count * 2 ** -29),
  fc.integer({ min: 0, max: 4 * 365 * DAY }),
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: span.map((after) => ({ kind: 'add', after }) as const) },
  { weight: 2, arbitrary: fc.nat().map((pick) => ({ kind: 'cancel', pick }) as const) },
  {
    weight: 2,
    arbitrary: span.map((by) => ({ kind: 'pass', seconds: Math.max(by, 0) }) as const),
  },
);

/** The obvious implementation: a list that is sorted. */
class Model {
  #pending: { readonly name: number; readonly when: number }[] = [];

  add(name: number, when: number): void {
    this.#pending.push({ name, when });
  }

  cancel(name: number): void {
    this.#pending = this.#pending.filter((timeout) => timeout.name !== name);
  }

  due(now: number): number[] {
    const due = this.#pending.filter(({ when }) => when <= now);
    this.#pending = this.#pending.filter(({ when }) => when > now);
    return due.toSorted((a, b) => a.when - b.when).map(({ name }) => name);
  }
}

test('any sequence of adding, cancelling and waiting runs as in a sorted list', async (t) => {
  const property = fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), (steps) =>
    withFakeTime(
      async (loop, clock) => {
        const model = new Model();
        const handles: Timeout[] = [];
        let seen: number[] = [];
        for (const { kind, ...what } of steps) {
          if (kind === 'add' && 'after' in what) {
            const name = handles.length;
            const when = clock.now + what.after;
            model.add(name, when);
            handles.push(loop.callAt(when, () => seen.push(name)));
          } else if (kind === 'cancel' && 'pick' in what && handles.length > 0) {
            const name = what.pick % handles.length;
            model.cancel(name);
            loop.removeTimeout(handles[name] as Timeout);
          } else if (kind === 'pass' && 'seconds' in what) {
            clock.advance(what.seconds);
            await runTurns(loop);
            if (String(seen) !== String(model.due(clock.now))) return false;
            seen = [];
          }
        }
        clock.advance(10 * 365 * DAY);
        await runTurns(loop);
        return String(seen) === String(model.due(clock.now));
      },
      0,
      MANY_TIMERS,
    ),
  );
  await t.notThrowsAsync(fc.assert(property, { numRuns: 300, seed: 20_261_123 }));
});

test('a million pending timeouts, half of them cancelled: the rest run in exact order', (t) =>
  withFakeTime(async (loop, clock) => {
    const count = 1_000_000;
    const when = new Float64Array(count);
    const handles: Timeout[] = [];
    let ran = 0;
    let last = -1;
    let wrong = 0;
    const fire = (index: number): void => {
      const inOrder =
        last < 0 ||
        (when[last] as number) < (when[index] as number) ||
        (when[last] === when[index] && last < index);
      if (!inOrder || index % 2 === 1) wrong += 1;
      last = index;
      ran += 1;
    };
    let random = 1;
    for (let index = 0; index < count; index += 1) {
      random = (random * 48_271) % 0x7fff_ffff;
      // Up to 400 days, on a grid of 0.1 s, so that some are equal.
      when[index] = (random % 345_600_000) / 10;
      handles.push(loop.callAt(when[index] as number, fire, index));
    }
    for (let index = 1; index < count; index += 2) loop.removeTimeout(handles[index] as Timeout);
    clock.now = 400 * DAY;
    loop.callAt(400 * DAY, () => {
      loop.stop();
    });
    await loop.start();
    t.is(wrong, 0);
    t.is(ran, count / 2);
  }));

test('a timeout in 400 days runs after 400 days, and not before', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    loop.callLater(400 * DAY, () => {
      ran += 1;
    });
    for (const now of [1, 24.8 * DAY, 24.9 * DAY, 49.8 * DAY, 400 * DAY - 0.001]) {
      clock.now = now;
      await runTurns(loop);
      t.is(ran, 0, `after ${now} s`);
    }
    clock.now = 400 * DAY;
    await runTurns(loop);
    t.is(ran, 1);
  }));

test('delays that Node would run at once are kept: 2^31 ms, 2^32 ms, 400 days', (t) =>
  withLoop(async (loop) => {
    let ran = 0;
    for (const delay of [2 ** 31 / 1e3, 2 ** 32 / 1e3, 400 * DAY, 1e9, 1e15, Number.MAX_VALUE]) {
      loop.callLater(delay, () => {
        ran += 1;
      });
    }
    // Awake, and asleep until the short one.
    await runTurns(loop, 3);
    await start(loop, () => {
      loop.callLater(0.005, () => {
        loop.stop();
      });
    });
    t.is(ran, 0);
  }));

test('a timeout at Infinity never runs, and one at -Infinity runs in the next turn, first', (t) =>
  withFakeTime(async (loop, clock) => {
    const seen: string[] = [];
    const log = (name: string): number => seen.push(name);
    const never = [
      loop.callAt(Infinity, log, 'never'),
      loop.callLater(Infinity, log, 'never'),
      loop.addTimeout(Infinity, log, 'never'),
    ];
    loop.callAt(-1e6, log, 'long ago');
    loop.callAt(-Infinity, log, 'first');
    loop.callLater(-Infinity, log, 'second');
    clock.now = 1e12;
    await runTurns(loop, 2);
    t.deepEqual(seen, ['first', 'second', 'long ago']);
    for (const timeout of never) loop.removeTimeout(timeout);
  }));

const NO_NUMBERS: readonly unknown[] = [NaN, '1', '', undefined, null, true, 1n, Symbol('1')];

test('NaN and what is no number are refused as a time, and nothing is added', (t) =>
  withFakeTime(async (loop, clock) => {
    const code = 'ERR_INVALID_ARG_TYPE';
    const run = (): void => t.fail();
    for (const value of [...NO_NUMBERS, {}, []]) {
      for (const method of ['callAt', 'callLater', 'addTimeout'] as const) {
        const error = t.throws(() => loop[method](value as number, run), { instanceOf: TypeError });
        t.like(error, { code }, `${method} ${String(value)}`);
      }
    }
    clock.now = 1e9;
    await runTurns(loop, 2);
  }));

test('what is no function is refused as a callback', (t) =>
  withLoop((loop) => {
    for (const method of ['callAt', 'callLater', 'addTimeout'] as const) {
      for (const callback of [undefined, null, 'x', {}]) {
        const error = t.throws(() => loop[method](1, callback as never));
        t.like(error, { code: 'ERR_INVALID_ARG_TYPE' });
      }
    }
  }));

/** In seconds, by the fields that make it up. */
const DURATIONS: readonly [Duration, number][] = [
  [{ days: 2 }, 2 * DAY],
  [{ hours: 1 }, 3600],
  [{ minutes: 1.5 }, 90],
  [{ seconds: 5 }, 5],
  [{ milliseconds: 250 }, 0.25],
  [{ microseconds: 500 }, 0.0005],
  [{ nanoseconds: 1e9 }, 1],
  [{ hours: 1, minutes: -30, seconds: 1 }, 1801],
  [{ seconds: -5 }, -5],
];

test('a duration is a time from now', async (t) => {
  for (const [duration, seconds] of DURATIONS) {
    await withFakeTime(async (loop, clock) => {
      let ran = 0;
      loop.addTimeout(duration, () => {
        ran += 1;
      });
      if (seconds > 0) {
        clock.advance(seconds * 0.999);
        await runTurns(loop);
        t.is(ran, 0);
        clock.advance(seconds * 0.002);
      }
      await runTurns(loop);
      t.is(ran, 1, JSON.stringify(duration));
    }, 1000);
  }
});

/** As `Temporal.Duration`: all units are getters of the prototype, unused ones 0. */
class TemporalDuration {
  readonly #seconds: number;
  readonly #weeks: number;

  constructor(seconds: number, weeks = 0) {
    this.#seconds = seconds;
    this.#weeks = weeks;
  }

  get years(): number {
    return 0;
  }

  get months(): number {
    return 0;
  }

  get weeks(): number {
    return this.#weeks;
  }

  get days(): number {
    return 0;
  }

  get hours(): number {
    return 0;
  }

  get minutes(): number {
    return 0;
  }

  get seconds(): number {
    return this.#seconds;
  }

  get milliseconds(): number {
    return 0;
  }
}

test('a Temporal.Duration is a duration, unless it names calendar units', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    loop.addTimeout(new TemporalDuration(2), () => {
      ran += 1;
    });
    await runTurns(loop);
    t.is(ran, 0);
    clock.advance(2);
    await runTurns(loop);
    t.is(ran, 1);
    const error = t.throws(() => loop.addTimeout(new TemporalDuration(2, 1), () => {}));
    t.like(error, { code: 'ERR_INVALID_ARG_VALUE' });
  }));

test('a duration of unknown or unusable fields is refused, naming the field', (t) =>
  withLoop((loop) => {
    const add = (duration: unknown) => (): Timeout =>
      loop.addTimeout(duration as Duration, () => {});
    const type = { code: 'ERR_INVALID_ARG_TYPE' };
    const value = { code: 'ERR_INVALID_ARG_VALUE' };
    t.like(t.throws(add({})), type);
    t.like(t.throws(add({ second: 5 })), type);
    t.like(t.throws(add({ seconds: '5' })), value);
    t.like(t.throws(add({ hours: 1, seconds: NaN })), value);
    t.like(t.throws(add({ days: Infinity })), value);
    t.regex(t.throws(add({ seconds: '5' })).message, /deadline\.seconds/);
  }));

test('no timeout runs early by the clock of the loop', (t) =>
  withLoop(async (loop) => {
    const count = 300;
    let left = count;
    const early: number[] = [];
    for (let at = 0; at < count; at += 1) {
      const deadline = loop.time() + (at * 0.0317) / count;
      loop.callAt(deadline, () => {
        const remaining = deadline - loop.time();
        if (remaining > 0) early.push(remaining);
        left -= 1;
        if (left === 0) loop.stop();
      });
    }
    await loop.start();
    t.deepEqual(early, []);
  }));

test('a loop that sleeps is woken for an earlier timeout that is added meanwhile', (t) =>
  withLoop(async (loop) => {
    loop.callLater(3600, () => t.fail());
    const running = loop.start();
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
    loop.callLater(0.001, () => {
      loop.stop();
    });
    await running;
    t.pass();
  }));

test('a past deadline runs in the next turn, never at once', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    await start(loop, () => {
      let added = false;
      loop.callLater(-5, () => {
        t.true(added);
        t.is(counter.turn, 2);
        loop.stop();
      });
      added = true;
    });
    t.plan(2);
  }));

test('a timeout runs once', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    loop.callAt(1, () => {
      ran += 1;
    });
    for (const now of [1, 2, 1000]) {
      clock.now = now;
      await runTurns(loop, 2);
    }
    t.is(ran, 1);
  }));

test('a timeout can be cancelled at every place of the order', async (t) => {
  const count = 9;
  for (let victim = 0; victim < count; victim += 1) {
    await withFakeTime(
      async (loop, clock) => {
        const seen: number[] = [];
        const handles = Array.from({ length: count }, (_, at) =>
          loop.callAt(1 + Math.floor(at / 3), () => seen.push(at)),
        );
        loop.removeTimeout(handles[victim] as Timeout);
        clock.now = 10;
        await runTurns(loop);
        t.deepEqual(
          seen,
          handles.map((_, at) => at).filter((at) => at !== victim),
        );
      },
      0,
      MANY_TIMERS,
    );
  }
});

test('a due timeout can be cancelled by a callback and by an earlier timeout of its turn', (t) =>
  withLoop(async (loop) => {
    const seen: string[] = [];
    const log = (name: string): number => seen.push(name);
    const handles: Timeout[] = [];
    loop.callAt(1, () => {
      seen.push('first');
      loop.removeTimeout(handles[1] as Timeout);
    });
    handles.push(loop.callAt(2, log, 'by callback'), loop.callAt(3, log, 'by timeout'));
    loop.callAt(4, log, 'last');
    loop.addCallback(() => {
      loop.removeTimeout(handles[0] as Timeout);
    });
    await runTurns(loop, 2);
    t.deepEqual(seen, ['first', 'last']);
  }));

test('a timeout may cancel itself while it runs, and be cancelled twice or after it has run', (t) =>
  withLoop(async (loop) => {
    let ran = 0;
    const own: Timeout = loop.callAt(1, () => {
      ran += 1;
      loop.removeTimeout(own);
    });
    const twice = loop.callLater(3600, () => t.fail());
    loop.removeTimeout(twice);
    loop.removeTimeout(twice);
    await runTurns(loop);
    loop.removeTimeout(own);
    loop.removeTimeout(own);
    // The numbers of both are free: nobody else's timeout may go with them.
    loop.callAt(1, () => {
      ran += 1;
    });
    loop.callAt(1, () => {
      ran += 1;
    });
    loop.removeTimeout(own);
    loop.removeTimeout(twice);
    await runTurns(loop);
    t.is(ran, 3);
  }));

test('a loop does not cancel the timeouts of another loop', (t) =>
  withLoop((loop) =>
    withLoop(async (other) => {
      let ran = 0;
      const count = (): void => {
        ran += 1;
      };
      other.callLater(3600, count);
      other.removeTimeout(loop.callLater(-1, count));
      const due = loop.callLater(-1, count);
      loop.addCallback(() => {
        other.removeTimeout(due);
      });
      await runTurns(loop);
      t.is(ran, 2);
    }),
  ));

test('removeTimeout refuses what is no handle', (t) =>
  withLoop((loop) => {
    for (const value of [undefined, null, 0, {}, new Date()]) {
      const error = t.throws(() => loop.removeTimeout(value as never), { instanceOf: TypeError });
      t.like(error, { code: 'ERR_INVALID_ARG_TYPE' });
    }
  }));

test('a handle is opaque: it has no cancel()', (t) =>
  withLoop((loop) => {
    t.false('cancel' in loop.callLater(1, () => {}));
  }));

test('timeouts of a stopped loop wait for the next start', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    loop.callAt(1, () => {
      ran += 1;
    });
    await runTurns(loop);
    clock.now = 2;
    t.is(ran, 0);
    await runTurns(loop);
    t.is(ran, 1);
  }));

test('timeouts that are added and cancelled again by the hundred thousand leave the rest alone', (t) =>
  withFakeTime(async (loop, clock) => {
    let ran = 0;
    loop.callAt(5, () => {
      ran += 1;
    });
    for (let at = 0; at < 100_000; at += 1) {
      loop.removeTimeout(loop.callLater(1 + (at % 7), () => t.fail()));
    }
    clock.now = 10;
    await runTurns(loop);
    t.is(ran, 1);
  }));

test('time() is on the scale of Date.now(), in seconds, and never goes back', (t) =>
  withLoop((loop) => {
    t.true(Math.abs(loop.time() - Date.now() / 1e3) < 60);
    let last = loop.time();
    for (let at = 0; at < 10_000; at += 1) {
      const now = loop.time();
      if (now < last) t.fail();
      last = now;
    }
  }));

test('time() and all deadlines follow timeFunc, whatever its reference point', async (t) => {
  for (const origin of [-1000, 0, 1.8e9, 1e12]) {
    await withFakeTime(async (loop, clock) => {
      t.is(loop.time(), origin);
      let ran = 0;
      loop.callLater(10, () => {
        ran += 1;
      });
      clock.advance(9);
      await runTurns(loop);
      t.is(ran, 0, `at ${origin}`);
      clock.advance(1);
      t.is(loop.time(), origin + 10);
      await runTurns(loop);
      t.is(ran, 1, `at ${origin}`);
    }, origin);
  }
});

test('a timeFunc that is no function is refused', (t) => {
  for (const timeFunc of [null, 5, 'now']) {
    const make = (): IOLoop => new IOLoop({ makeCurrent: false, timeFunc: timeFunc as never });
    t.like(t.throws(make), { code: 'ERR_INVALID_ARG_TYPE' });
  }
});

test('timeouts decades in the past run in the order of their deadlines', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const seen: number[] = [];
  for (const when of [2, 1, -5]) loop.callAt(when, () => seen.push(when));
  loop.callLater(0, () => loop.stop());
  await loop.start();
  loop.close();
  t.deepEqual(seen, [-5, 1, 2]);
});
