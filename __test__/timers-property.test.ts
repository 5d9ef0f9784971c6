/** Timeouts against a sorted list, at the usual capacities and where one to four fill every array. */
import { checkCrossings, crossingsOf } from './helpers/crossings.js';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import test from 'ava';
import type { Timeout } from 'ioloop';
import { USUAL } from './helpers/capacities.js';
import { runTurns, withFakeTime, withLoop, type ReportingLoop } from './helpers/loop.js';

const capacity = fc.integer({ min: 1, max: 4 });
const tiny = fc.record({ submissions: capacity, timers: capacity, events: capacity });
/** Capacities by name, and how many runs they get. */
const CAPACITIES = [
  ['usual', fc.constant(USUAL), 60],
  ['tiny', tiny, 300],
] as const;

/** What is done at a time, or by a timeout that fires. */
type Action =
  | { readonly kind: 'add'; readonly after: number; readonly follow: readonly Action[] }
  | { readonly kind: 'reset'; readonly after: number; readonly pick: number }
  | { readonly kind: 'refresh'; readonly pick: number }
  | { readonly kind: 'cancel'; readonly pick: number };

type Step = Action | { readonly kind: 'turn'; readonly seconds: number };

/**
 * Many equal ones, some in the past. Sums of them are exact: deadlines that differ by a rounding
 * error are in the same nanosecond, and fire in the order of adding.
 */
const span = fc.constantFrom(-1, 0, 2 ** -10, 2 ** -10, 2 ** -9, 0.125, 1, 64);

const { action } = fc.letrec<{ action: Action }>((tie) => ({
  action: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    fc.record({ kind: fc.constant('cancel' as const), pick: fc.nat(50) }),
    fc.record({ kind: fc.constant('refresh' as const), pick: fc.nat(50) }),
    fc.record({ kind: fc.constant('reset' as const), after: span, pick: fc.nat(50) }),
    fc.record({
      kind: fc.constant('add' as const),
      after: span,
      follow: fc.array(tie('action'), { maxLength: 3 }),
    }),
  ),
}));

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 3, arbitrary: action },
  {
    weight: 1,
    arbitrary: span.map((by) => ({ kind: 'turn' as const, seconds: Math.max(by, 0) })),
  },
);

interface Pending {
  readonly name: number;
  when: number;
  delay: number;
  readonly follow: readonly Action[];
  /** Due: a turn has taken it, and not run it yet. */
  state: 'pending' | 'due' | 'done';
}

/** The obvious implementation: a turn takes the first of a sorted list. */
class Model {
  readonly fired: number[] = [];
  /** The results of resets and refreshes. */
  readonly moved: boolean[] = [];
  readonly #all: Pending[] = [];
  readonly #perTurn: number;
  #pending: Pending[] = [];

  constructor(perTurn: number) {
    this.#perTurn = perTurn;
  }

  get isEmpty(): boolean {
    return this.#pending.length === 0;
  }

  run(what: Action, now: number): void {
    if (what.kind === 'add') {
      const { after: delay, follow } = what;
      const name = this.#all.length;
      const added: Pending = { name, when: now + delay, delay, follow, state: 'pending' };
      this.#all.push(added);
      this.#pending.push(added);
    } else if (this.#all.length > 0) {
      const picked = this.#all[what.pick % this.#all.length] as Pending;
      const isDone = picked.state === 'done';
      this.#pending = this.#pending.filter((pending) => pending !== picked);
      if (what.kind === 'cancel') {
        picked.state = 'done';
        return;
      }
      this.moved.push(!isDone);
      if (isDone) return;
      if (what.kind === 'reset') picked.delay = what.after;
      picked.state = 'pending';
      picked.when = now + picked.delay;
      this.#pending.push(picked);
    }
  }

  turn(now: number): void {
    const due = this.#pending.filter(({ when }) => when <= now);
    const taken = due.toSorted((a, b) => a.when - b.when).slice(0, this.#perTurn);
    this.#pending = this.#pending.filter((pending) => !taken.includes(pending));
    for (const timeout of taken) timeout.state = 'due';
    for (const timeout of taken) {
      if (timeout.state !== 'due') continue;
      timeout.state = 'done';
      this.fired.push(timeout.name);
      for (const what of timeout.follow) this.run(what, now);
    }
  }
}

/** The same on a loop. */
class Subject {
  readonly fired: number[] = [];
  readonly moved: boolean[] = [];
  readonly handles: Timeout[] = [];
  readonly #loop: ReportingLoop;

  constructor(loop: ReportingLoop) {
    this.#loop = loop;
  }

  run(what: Action): void {
    if (what.kind === 'add') {
      const name = this.handles.length;
      const fire = (): void => {
        this.fired.push(name);
        for (const next of what.follow) this.run(next);
      };
      this.handles.push(this.#loop.callLater(what.after, fire));
    } else if (this.handles.length > 0) {
      const picked = this.handles[what.pick % this.handles.length] as Timeout;
      if (what.kind === 'cancel') this.#loop.removeTimeout(picked);
      else if (what.kind === 'refresh') this.moved.push(picked.refresh());
      else this.moved.push(this.#loop.resetTimeout(picked, what.after));
    }
  }
}

for (const [room, capacities, numRuns] of CAPACITIES) {
  test.serial(
    `${room} capacities: timeouts that add, move and cancel others fire as in a sorted list`,
    async (t) => {
      const crossed = await crossingsOf(() =>
        fc.assert(
          fc.asyncProperty(
            capacities,
            fc.array(step, { maxLength: 40, size: 'max' }),
            (few, steps) =>
              withFakeTime(
                async (loop, clock) => {
                  const model = new Model(few.timers);
                  const subject = new Subject(loop);
                  const turn = async (seconds: number): Promise<void> => {
                    clock.advance(seconds);
                    model.turn(clock.now);
                    await runTurns(loop);
                    assert.deepEqual(subject.fired, model.fired);
                  };
                  for (const what of steps) {
                    if (what.kind === 'turn') {
                      await turn(what.seconds);
                    } else {
                      model.run(what, clock.now);
                      subject.run(what);
                    }
                  }
                  while (!model.isEmpty) await turn(100);
                  assert.deepEqual(subject.fired, model.fired);
                  assert.deepEqual(subject.moved, model.moved);
                },
                0,
                { capacities: few },
              ),
          ),
          { numRuns },
        ),
      );
      checkCrossings(t, room, crossed, ['submissions', 'completions']);
    },
  );
}

/** A round of a running loop: what is added and cancelled at once, and by whom. */
const round = fc.record({
  /** From a callback of the loop, or from outside while the loop sleeps. */
  inside: fc.boolean(),
  delays: fc.array(fc.integer({ min: 0, max: 8 }), { minLength: 1, maxLength: 12, size: 'max' }),
  cancelled: fc.array(fc.nat(20), { maxLength: 4 }),
});

for (const [room, capacities, runs] of CAPACITIES) {
  test.serial(`${room} capacities: a loop that sleeps wakes up for each timeout`, async (t) => {
    const crossed = await crossingsOf(() =>
      fc.assert(
        fc.asyncProperty(capacities, fc.array(round, { maxLength: 4 }), (few, rounds) =>
          withLoop(
            async (loop) => {
              const running = loop.start();
              for (const { inside, delays, cancelled } of rounds) {
                await (inside ? onLoop(loop, add) : add());

                async function add(): Promise<void> {
                  const left = new Set<number>();
                  const early: number[] = [];
                  const handles = delays.map((delay, name) => {
                    const when = loop.time() + delay / 1e3;
                    left.add(name);
                    return loop.callAt(when, () => {
                      if (loop.time() < when) early.push(name);
                      left.delete(name);
                    });
                  });
                  for (const pick of cancelled) {
                    const name = pick % handles.length;
                    loop.removeTimeout(handles[name] as Timeout);
                    left.delete(name);
                  }
                  await emptied(left, loop);
                  assert.deepEqual(early, []);
                }
              }
              loop.stop();
              await running;
            },
            { capacities: few },
          ),
        ),
        { numRuns: runs / 5 },
      ),
    );
    checkCrossings(t, room, crossed, ['submissions', 'completions']);
  });
}

function onLoop(loop: ReportingLoop, body: () => Promise<void>): Promise<void> {
  return new Promise((resolve, reject) => {
    loop.addCallback(() => {
      body().then(resolve, reject);
    });
  });
}

/** Waits on Node's clock, so that nothing but the timeouts themselves wakes the loop. */
async function emptied(left: ReadonlySet<number>, loop: ReportingLoop): Promise<void> {
  const end = performance.now() + LATE_MS;
  while (left.size > 0) {
    if (performance.now() > end) {
      loop.stop();
      throw new Error(`timeouts that never fired: ${[...left].join()}`);
    }
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
  }
}

const LATE_MS = 3000;
