/**
 * Timeouts at the edge of what one crossing carries: whatever was armed fires by itself, in a loop
 * that nothing else wakes.
 */
import test from 'ava';
import { withCapacities } from './helpers/capacities.js';
import { until } from './helpers/fds.js';
import { asleep, start, withLoop, type ReportingLoop } from './helpers/loop.js';

type Timeout = ReturnType<ReportingLoop['callLater']>;

/** Runs `arm` in a turn, sleeps, and waits for as many timeouts as it says. */
async function fires(
  submissions: number,
  arm: (loop: ReportingLoop, fired: () => void) => number,
): Promise<number> {
  let count = 0;
  let expected = -1;
  await withCapacities({ submissions }, () =>
    withLoop(async (loop) => {
      const running = start(loop, () => {
        expected = arm(loop, () => {
          count += 1;
        });
      });
      // Nothing here causes a turn of the loop.
      await until(() => count === expected, `timeout ${count} of ${expected}`);
      loop.stop();
      await running;
    }),
  );
  return count - expected;
}

const SUBMISSIONS = 8;

for (const [armed, removed] of [
  [SUBMISSIONS, 0],
  [SUBMISSIONS + 1, 0],
  [2 * SUBMISSIONS + 1, 0],
  [SUBMISSIONS, 1],
  [SUBMISSIONS + 2, SUBMISSIONS / 2],
  [5 * SUBMISSIONS, 2 * SUBMISSIONS],
] as const) {
  test(`${armed} armed and ${removed} removed in a turn fire, of ${SUBMISSIONS} that a crossing carries`, async (t) => {
    const surplus = await fires(SUBMISSIONS, (loop, fired) => {
      const timeouts = Array.from({ length: armed }, () => loop.callLater(0.02, fired));
      for (const timeout of timeouts.slice(0, removed)) loop.removeTimeout(timeout);
      return armed - removed;
    });
    t.is(surplus, 0);
  });
}

for (const capacity of [1, 2, 3, 7]) {
  test(`arming and removing at random fires what is left, ${capacity} to a crossing`, async (t) => {
    for (let seed = 1; seed <= 25; seed += 1) {
      const random = numbers(seed * 1_009 + capacity);
      const surplus = await fires(capacity, (loop, fired) => {
        const left = new Set<Timeout>();
        const steps = random(40);
        for (let step = 0; step < steps; step += 1) {
          const [first] = left;
          if (random(3) > 0 || first === undefined) {
            left.add(loop.callLater(random(20) / 1e3, fired));
          } else {
            left.delete(first);
            loop.removeTimeout(first);
          }
        }
        return left.size;
      });
      t.is(surplus, 0, `seed ${seed}`);
    }
  });
}

test('timeouts that are armed while the loop sleeps fire, one to a crossing', async (t) => {
  let fired = 0;
  await withCapacities({ submissions: 1 }, () =>
    withLoop(async (loop) => {
      const running = loop.start();
      for (let round = 1; round <= 5; round += 1) {
        await asleep(loop);
        for (let count = 0; count < 4; count += 1) {
          loop.callLater(0.01, () => {
            fired += 1;
          });
        }
        await until(() => fired === 4 * round, 'the timeouts');
      }
      loop.stop();
      await running;
    }),
  );
  t.is(fired, 20);
});

test('2,049 timeouts of one turn fire, with the capacities of every loop', async (t) => {
  const surplus = await fires(2048, (loop, fired) => {
    for (let count = 0; count < 2049; count += 1) loop.callLater(0.02, fired);
    return 2049;
  });
  t.is(surplus, 0);
});

/** Integers below a bound, repeatable (xorshift). */
function numbers(seed: number): (bound: number) => number {
  let state = seed;
  return (bound) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}
