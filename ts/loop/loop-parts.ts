/** The parts of a loop, made by its options, and what they call: the loop, in turn. */
import { capacities } from '../support/capacities.js';
import { callbackError, loopBlocked } from '../support/channels.js';
import { epochSeconds, guardedClock } from './clock.js';
import type { CurrentSlot } from './current.js';
import { DebugGuard } from './debug-guard.js';
import { DebugTurns } from './debug-turns.js';
import type { Driver } from './driver.js';
import { Guard, type Report } from './guard.js';
import type { CheckedLoopOptions } from './loop-options.js';
import { SlowCallbacks } from './slow-callbacks.js';
import { Turns, type TurnsOptions } from './turns.js';
import { Watchdog } from './watchdog.js';

/** An `IOLoop`, without an import of it: `ioloop.ts` stands on this file. */
interface Loop {
  readonly closed: boolean;
  readonly slowCallbackDuration: number;
  handleCallbackException(...args: Parameters<Report>): unknown;
  stop(): void;
}

/** The turns of `loop`, with its guard and its clock. In debug mode they record origins. */
export function makeTurns<L extends Loop>(
  loop: L,
  slot: CurrentSlot<L>,
  driver: Driver,
  { timeFunc, debug, busyPoll }: CheckedLoopOptions,
): Turns {
  const report: Report = (callback, error, origin) => {
    if (callbackError.hasSubscribers) callbackError.publish({ loop, callback, error, origin });
    return loop.handleCallbackException(callback, error, origin);
  };
  const guard = debug ? new DebugGuard(report, new SlowCallbacks(loop)) : new Guard(report);
  const isSteady = timeFunc === epochSeconds;
  const options: TurnsOptions = {
    driver,
    guard,
    time: isSteady ? timeFunc : guardedClock(timeFunc, guard),
    isSteady,
    busyPoll,
    capacities: { ...capacities },
    enter: () => {
      slot.enter(loop);
    },
    leave: () => {
      slot.leave(loop);
    },
    stop: () => {
      loop.stop();
    },
  };
  return guard instanceof DebugGuard ? new DebugTurns(options, guard, loop) : new Turns(options);
}

/** The watchdog of `loop`, whose failures go to `guard`. */
export function makeWatchdog(loop: Loop, guard: Guard): Watchdog {
  return new Watchdog(
    (report) => {
      if (loopBlocked.hasSubscribers) loopBlocked.publish({ loop, report });
    },
    (error) => {
      guard.report(null, error);
    },
  );
}
