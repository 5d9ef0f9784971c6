/** The order in which timeouts run: by deadline, then as they were added. */
import test from 'ava';
import * as fc from 'fast-check';
import { IOLoop, type Timeout } from 'ioloop';
import { MANY_TIMERS } from './helpers/capacities.js';
import { runTurns, withFakeTime } from './helpers/loop.js';

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

test('timeouts decades in the past run in the order of their deadlines', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const seen: number[] = [];
  for (const when of [2, 1, -5]) loop.callAt(when, () => seen.push(when));
  loop.callLater(0, () => loop.stop());
  await loop.start();
  loop.close();
  t.deepEqual(seen, [-5, 1, 2]);
});
