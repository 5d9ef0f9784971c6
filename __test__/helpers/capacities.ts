/** Capacities for tests: what takes thousands by default is reached by a few. */
import { capacities, setCapacities, type Capacities } from '#internal';

export type { Capacities };

/** The defaults, for tests of amounts: 64 bytes a turn would take minutes. */
export const USUAL: Readonly<Capacities> = { ...capacities };

/** Each boundary is crossed by two or three of anything. */
export const TINY: Readonly<Capacities> = {
  submissions: 2,
  timers: 2,
  events: 2,
  // Not a boundary of a turn: one more is refused.
  posts: 65_536,
  deadlineVisits: 2,
  touches: 2,
  receives: 2,
  receiveBytes: 16,
  receiveBlock: 64,
  borrowedRoom: 64,
  sendRecords: 2,
  sendBytes: 1024,
  readBudget: 64,
  sendBudget: 64,
  pumpBudget: 64,
  spliceBudget: 128,
  spliceShare: 64,
  flow: 16,
  pipes: 1,
};

/** For tests of the order of timers that are due in the same turn. */
export const MANY_TIMERS = { capacities: { timers: 4096 } } as const;

/** Runs `body` with other capacities; loops that it makes have them. */
export async function withCapacities<T>(
  changed: Partial<Capacities>,
  body: () => T | PromiseLike<T>,
): Promise<T> {
  setCapacities({ ...(isTiny ? TINY : {}), ...changed });
  try {
    return await body();
  } finally {
    restoreCapacities();
  }
}

/** `IOLOOP_TEST_CAPACITIES=tiny` runs any test file with {@link TINY} capacities. */
const isTiny = process.env['IOLOOP_TEST_CAPACITIES'] === 'tiny';

/** Back to what `IOLOOP_TEST_CAPACITIES` says. */
export function restoreCapacities(): void {
  setCapacities(isTiny ? TINY : {});
}
