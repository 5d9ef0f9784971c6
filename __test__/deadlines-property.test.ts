/** DeadlineSet and DeadlineQueue against a list that is sorted for each batch. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import test from 'ava';
import { DeadlineQueue, DeadlineSet, type IOLoop } from 'ioloop';
import { USUAL } from './helpers/capacities.js';
import { runTurns, withFakeTime } from './helpers/loop.js';

type Action =
  | { readonly kind: 'set'; readonly key: number; readonly duration: number }
  | { readonly kind: 'reset'; readonly key: number; readonly duration: number }
  | { readonly kind: 'touch'; readonly key: number }
  | { readonly kind: 'delete'; readonly key: number }
  | { readonly kind: 'clear' };

type Step =
  Action | { readonly kind: 'turn'; readonly seconds: number; readonly inside: readonly Action[] };

/**
 * Within a tick of the wheel, on the bounds of its slots and levels, beyond its block of 12 days, and
 * never. Many equal ones, so that deadlines are equal.
 */
const DURATIONS = [
  -1,
  0,
  2 ** -14,
  2 ** -12,
  2 ** -10,
  2 ** -5,
  0.1,
  1,
  1,
  1 / 3,
  32,
  63,
  1024,
  3600,
  2 ** 20,
  2 ** 20 - 2 ** -10,
  3e6,
  1e9,
  1e300,
  Infinity,
];
const duration = fc.constantFrom(...DURATIONS);
const seconds = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.constantFrom(...DURATIONS.filter((span) => span >= 0 && span < 1e10)),
  },
  // A clock that is set back.
  { weight: 1, arbitrary: fc.constantFrom(-1, -(2 ** -12), -5000) },
);
const key = fc.nat(12);

const action: fc.Arbitrary<Action> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('set' as const), key, duration }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('reset' as const), key, duration }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('touch' as const), key }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('delete' as const), key }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
);

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: action },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('turn' as const),
      seconds,
      inside: fc.array(action, { maxLength: 3 }),
    }),
  },
);

interface Entry {
  deadline: number;
  /** As a touch takes it: 24 bits, rounded up. */
  duration: number;
  order: number;
}

/** The obvious implementation. `isSet`: a key that is set again is the last of its deadline. */
class Model {
  readonly entries = new Map<number, Entry>();
  readonly #isSet: boolean;
  #order = 0;

  constructor(isSet: boolean) {
    this.#isSet = isSet;
  }

  run(what: Action, now: number): void {
    if (what.kind === 'clear') {
      this.entries.clear();
      return;
    }
    const entry = this.entries.get(what.key);
    if (what.kind === 'delete') {
      this.entries.delete(what.key);
    } else if (what.kind === 'touch') {
      if (entry !== undefined) entry.deadline = now + entry.duration;
    } else if (what.kind === 'set' || entry !== undefined) {
      const isSame = !this.#isSet && what.kind === 'reset' && entry !== undefined;
      this.#order += 1;
      const changed = {
        deadline: now + what.duration,
        duration: Math.fround(what.duration * (1 + 2 ** -23)),
        order: isSame ? entry.order : this.#order,
      };
      // In a queue a second value, which is named by the key from then on.
      if (!this.#isSet && !isSame) this.entries.delete(what.key);
      this.entries.set(what.key, changed);
    }
  }

  take(now: number, limit: number): number[] {
    const due = [...this.entries].filter(([, { deadline }]) => deadline <= now);
    const sorted = due.toSorted(([, a], [, b]) => a.deadline - b.deadline || a.order - b.order);
    const taken = sorted.slice(0, limit).map(([name]) => name);
    for (const name of taken) this.entries.delete(name);
    return taken;
  }
}

/** A set or a queue, with the same operations. */
interface Subject {
  readonly size: number;
  run(what: Action): void;
  deadline(key: number): number | undefined;
  has(key: number): boolean;
  close(): void;
}

type Make = (loop: IOLoop, batchSize: number, onExpire: (keys: number[]) => void) => Subject;

const makeSet: Make = (loop, batchSize, onExpire) => {
  const set = new DeadlineSet<number>(loop, { onExpire, batchSize });
  return {
    get size() {
      assert.equal([...set].length, set.size);
      return set.size;
    },
    run(what) {
      if (what.kind === 'clear') set.clear();
      else if (what.kind === 'touch') assert.equal(set.touch(what.key), set.has(what.key));
      else if (what.kind === 'delete') assert.equal(set.has(what.key), set.delete(what.key));
      else if (what.kind === 'set' || set.has(what.key)) set.set(what.key, what.duration);
    },
    deadline: (name) => set.deadline(name),
    has: (name) => set.has(name),
    close: () => set.close(),
  };
};

const makeQueue: Make = (loop, batchSize, onExpire) => {
  const queue = new DeadlineQueue<number>(loop, { onExpire, batchSize });
  const handles = new Map<number, number>();
  const handleOf = (name: number): number => handles.get(name) ?? 0;
  return {
    get size() {
      return queue.size;
    },
    run(what) {
      if (what.kind === 'clear') {
        queue.clear();
        return;
      }
      const handle = handleOf(what.key);
      const isThere = queue.has(handle);
      assert.equal(queue.get(handle), isThere ? what.key : undefined);
      if (what.kind === 'touch') {
        assert.equal(queue.touch(handle), isThere);
      } else if (what.kind === 'delete') {
        assert.equal(queue.delete(handle), isThere);
      } else if (what.kind === 'reset') {
        assert.equal(queue.reset(handle, what.duration), isThere);
      } else {
        queue.delete(handle);
        handles.set(what.key, queue.add(what.key, what.duration));
      }
    },
    deadline: (name) => queue.deadline(handleOf(name)),
    has: (name) => queue.has(handleOf(name)),
    close: () => queue.close(),
  };
};

function compare(subject: Subject, model: Model): void {
  assert.equal(subject.size, model.entries.size);
  for (let name = 0; name <= 12; name += 1) {
    assert.equal(subject.has(name), model.entries.has(name));
    assert.equal(subject.deadline(name), model.entries.get(name)?.deadline);
  }
}

const batchSize = fc.integer({ min: 1, max: 5 });
const origin = fc.constantFrom(0, -3, 2 ** 20 - 1, 1.8e9 + 0.3, 2 ** 40);

for (const [name, make] of [
  ['DeadlineSet', makeSet],
  ['DeadlineQueue', makeQueue],
] as const) {
  test.serial(`${name}: batches are those of a sorted list`, async (t) => {
    let batches = 0;
    const steps = fc.array(step, { maxLength: 40, size: 'max' });
    const property = fc.asyncProperty(origin, batchSize, steps, (start, limit, all) =>
      withFakeTime(
        async (loop, clock) => {
          const model = new Model(make === makeSet);
          let called: number[][] = [];
          let inside: readonly Action[] = [];
          const subject = make(loop, limit, (keys) => {
            called.push(keys);
            for (const what of inside) subject.run(what);
          });
          for (const what of all) {
            if (what.kind === 'turn') {
              ({ inside } = what);
              clock.advance(what.seconds);
              const expected = model.take(clock.now, limit);
              if (expected.length > 0) for (const next of inside) model.run(next, clock.now);
              await runTurns(loop);
              assert.deepEqual(called, expected.length > 0 ? [expected] : []);
              batches += called.length;
              called = [];
            } else {
              model.run(what, clock.now);
              subject.run(what);
            }
            compare(subject, model);
          }
          subject.close();
        },
        start,
        { capacities: USUAL },
      ),
    );
    await fc.assert(property, { numRuns: 300 });
    t.true(batches > 300, `${batches} batches`);
  });

  test.serial(`${name}: nothing is lost or out of order where a turn looks at few`, async (t) => {
    let most = 0;
    const visits = fc.integer({ min: 1, max: 4 });
    const steps = fc.array(step, { maxLength: 60, size: 'max' });
    const property = fc.asyncProperty(origin, visits, batchSize, steps, (start, few, limit, all) =>
      withFakeTime(
        async (loop, clock) => {
          const model = new Model(make === makeSet);
          const called: number[] = [];
          const subject = make(loop, limit, (keys) => {
            assert.ok(keys.length <= limit);
            called.push(...keys);
          });
          const expected: number[] = [];
          for (const what of all) {
            if (what.kind === 'turn') {
              clock.advance(what.seconds);
              expected.push(...model.take(clock.now, Infinity));
              let turns = 0;
              for (; called.length < expected.length && turns < 200; turns += 1) {
                await runTurns(loop);
              }
              most = Math.max(most, turns);
              assert.deepEqual(called, expected);
            } else {
              model.run(what, clock.now);
              subject.run(what);
            }
            compare(subject, model);
          }
          subject.close();
        },
        start,
        { capacities: { deadlineVisits: few } },
      ),
    );
    await fc.assert(property, { numRuns: 300 });
    t.true(most > 2, `${most} turns`);
  });
}
