/** Periodic callbacks on a clock that the test advances: nothing is waited for. */
import { IOLoop } from 'ioloop';
import { runTurns, withFakeTime, type FakeClock, type ReportingLoop } from './loop.js';

/** A loop that is current, on a clock that stands at 0. */
export function withPeriodics(
  body: (loop: ReportingLoop, clock: FakeClock) => Promise<unknown>,
): Promise<unknown> {
  return withFakeTime(async (loop, clock) => {
    const previous = IOLoop.current(false);
    loop.makeCurrent();
    try {
      await body(loop, clock);
    } finally {
      if (previous === null) IOLoop.clearCurrent();
      else previous.makeCurrent();
    }
  });
}

/** Lets time pass up to `until` in steps of a sixteenth of a second, with a turn at each. */
export async function pass(loop: IOLoop, clock: FakeClock, until: number): Promise<void> {
  while (clock.now < until) {
    clock.advance(STEP);
    await runTurns(loop);
  }
}

export const STEP = 1 / 16;
