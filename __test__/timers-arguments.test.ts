/** Times, durations and callbacks of timeouts: which are taken, and which are refused. */
import test from 'ava';
import { IOLoop, type Duration, type Timeout } from 'ioloop';
import { MANY_TIMERS } from './helpers/capacities.js';
import { runTurns, withFakeTime, withLoop } from './helpers/loop.js';

const DAY = 86_400;

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

const NO_NUMBERS: readonly unknown[] = [NaN, '1', '', undefined, null, true, 1n, Symbol('1')];

test('NaN and values that are not numbers are refused as a time, and nothing is added', (t) =>
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

test('a callback that is not a function is refused', (t) =>
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

test('a timeFunc that is not a function is refused', (t) => {
  for (const timeFunc of [null, 5, 'now']) {
    const make = (): IOLoop => new IOLoop({ makeCurrent: false, timeFunc: timeFunc as never });
    t.like(t.throws(make), { code: 'ERR_INVALID_ARG_TYPE' });
  }
});
