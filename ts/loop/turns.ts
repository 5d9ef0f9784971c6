/**
 * The turns of one loop: when one runs, and what it does. `docs/loop-iteration.md` is the
 * specification.
 *
 * | Phase | The next turn | Next phase |
 * | --- | --- | --- |
 * | stopped | none | scheduled: {@link Turns.start} |
 * | scheduled | an immediate of the host runs it | turning |
 * | turning | is this one | stopped: {@link Turns.stop} was called; scheduled: there is work; sleeping |
 * | sleeping | not yet known; see `sleep.ts` | turning: the driver or the host's timer; scheduled: work was added, or {@link Turns.stop} |
 *
 * A wake-up of the driver counts only while sleeping: in the other phases a turn comes anyway, or
 * none does.
 */
import type { AsyncResource } from 'node:async_hooks';
import { NativeLoop } from '../boundary/native-loop.js';
import type { Capacities } from '../support/capacities.js';
import { systemError } from '../support/errors.js';
import * as host from '../support/host.js';
import { ReportGate } from '../support/report-gate.js';
import { noticeStorages, turnScope, type Context } from './async-context.js';
import { CallbackQueue, type Callback } from './callback-queue.js';
import type { Guard } from './guard.js';
import { Handlers } from './handlers.js';
import { LoopIO } from './io.js';
import { Sleep, type SleepOptions } from './sleep.js';
import { HANDLERS, SourceTable, STREAMS } from './sources.js';
import { TimeoutTable, type Timeout } from './timeouts.js';

const enum Phase {
  Stopped,
  Scheduled,
  Turning,
  Sleeping,
}

/** The dependencies of turns on their loop. */
export interface TurnsOptions extends SleepOptions {
  readonly guard: Guard;
  readonly capacities: Capacities;
  /** The clock goes at the pace of the system's and never steps. */
  readonly isSteady: boolean;
  /** Makes the loop current, before a turn. */
  readonly enter: () => void;
  /** Undoes {@link enter}, after it. */
  readonly leave: () => void;
}

/** One loop, as a guest in Node's: nothing in it ever blocks. */
export class Turns {
  readonly guard: Guard;
  readonly callbacks = new CallbackQueue();
  readonly timeouts: TimeoutTable;
  readonly sources: SourceTable;
  readonly handlers: Handlers;
  readonly io: LoopIO;

  readonly #options: TurnsOptions;
  readonly #core: NativeLoop;
  readonly #sleep: Sleep;
  readonly #failures = new ReportGate();
  #phase = Phase.Stopped;
  /** {@link stop} was called. */
  #isStopping = false;
  #onStopped: (() => void) | null = null;
  /** The clock at the entry of the running turn, in seconds. */
  #now = 0;
  /** The driver has called since the last turn, or that one had to leave something behind. */
  #isWoken = false;
  /** A timeout was added in this turn whose deadline is past: no wake-up comes for it. */
  #isOverdue = false;
  /** A budget of this turn left something in the core. */
  #hasMore = false;
  /** A step of this turn has failed. */
  #hasFailed = false;
  /** A microtask prepares the sleep again. */
  #isPreparing = false;

  constructor(options: TurnsOptions) {
    const { driver, guard, time, isSteady, capacities } = options;
    this.#options = options;
    this.guard = guard;
    this.#core = new NativeLoop(driver, time(), isSteady, capacities);
    const { handle, submissions } = this.#core;
    this.timeouts = new TimeoutTable(submissions);
    this.sources = new SourceTable(handle, guard);
    this.handlers = new Handlers(this.sources, submissions, guard.runHandler);
    this.io = new LoopIO(this.sources, guard, capacities, () => {
      this.#wantTurn();
    });
    this.#sleep = new Sleep(this.#core, options, () => {
      this.#isWoken = true;
      if (this.#phase === Phase.Sleeping) this.#enterTurn();
    });
  }

  get running(): boolean {
    return this.#phase !== Phase.Stopped;
  }

  /**
   * Runs turns until {@link stop}; `onStopped` is called after the last one.
   *
   * @throws `EMFILE` and the like, when the driver cannot start; the loop is stopped then.
   */
  start(onStopped: () => void): void {
    // From here on: a hook of `async_hooks` may call anything while the driver starts.
    this.#phase = Phase.Scheduled;
    try {
      this.#core.start(this.#onWake);
      this.#sleep.onDriverStart();
      this.#onStopped = onStopped;
      this.#isWoken = true;
      this.#schedule();
    } catch (error) {
      this.#phase = Phase.Stopped;
      this.#isStopping = false;
      this.#onStopped = null;
      this.#core.stop();
      throw error;
    }
  }

  /** Ends the loop with the turn that is running, or with one more. */
  stop(): void {
    this.#isStopping = true;
    this.#wantTurn();
  }

  /** Frees everything, and reports what fails. The loop must be stopped. */
  close(): void {
    this.sources.close();
    this.io.close();
    this.guard.attempt(() => this.callbacks.clear());
    this.guard.attempt(() => this.timeouts.clear());
    this.guard.attempt(() => this.#core.close());
  }

  addCallback(callback: Callback, args: readonly unknown[], context: Context): void {
    this.callbacks.push(callback, args, context);
    this.#wantTurn();
  }

  /** `deadline` is in seconds of the loop's clock. */
  addTimeout(
    deadline: number,
    callback: Callback,
    args: readonly unknown[],
    context: Context,
  ): Timeout {
    const timeout = this.timeouts.add(deadline, callback, args, context);
    if (this.#phase === Phase.Turning) this.#isOverdue ||= deadline <= this.#now;
    else if (this.#phase === Phase.Sleeping) this.#prepareSleepSoon();
    return timeout;
  }

  /**
   * Collect, then run: what is added while a step runs waits for the next turn. A step that fails is
   * reported and leaves the others alone, so a turn always ends: in the next, or in sleep.
   */
  readonly #turn = (): void => {
    this.#options.enter();
    this.#phase = Phase.Turning;
    this.#isOverdue = this.#hasMore = this.#hasFailed = false;
    this.#attempt(this.#collect);
    this.#attempt(this.#runCallbacks);
    this.#attempt(this.#fireTimeouts);
    this.#attempt(this.#dispatchHandlers);
    this.#attempt(this.#continueStreams);
    this.#attempt(this.#dispatchStreams);
    this.#attempt(noticeStorages);
    this.#options.leave();
    this.#endTurn();
  };

  /** Stops, schedules the next turn, or sleeps. */
  #endTurn(): void {
    this.#isWoken = this.#hasMore || this.#hasFailed;
    if (!this.#hasFailed) this.#sleep.forgetFailures();
    if (this.#isStopping) {
      this.#finish();
    } else if (this.#isOverdue || !this.callbacks.isEmpty || this.io.isContinuing) {
      this.#schedule();
    } else if (this.#hasFailed) {
      // What the core has left may be what has failed: it is collected after a pause.
      this.#phase = Phase.Sleeping;
      this.#sleep.pause();
    } else if (this.#hasMore || this.handlers.hasUndrained) {
      this.#schedule();
    } else {
      this.#phase = Phase.Sleeping;
      this.#sleep.begin();
    }
  }

  /** One crossing, unless there is nothing to collect: due timeouts and ready sources. */
  readonly #collect = (): void => {
    if (!this.#hasToCollect()) return;
    // The clock may be the user's, and add a timeout: it is read before the submissions.
    this.#now = this.#options.time();
    this.sources.prepare();
    this.#hasMore = this.#core.turn(this.#now, this.sources.modes);
    // A failure stands beside what was collected: timers that have left the wheel, edges that are
    // not reported again.
    const { completions } = this.#core;
    if (completions.errno !== 0) this.#fail(systemError(-completions.errno, 'poll'));
    completions.timersTo(this.timeouts);
    completions.sourcesTo(this.sources, this.#fail);
  };

  /** The thread driver has to be asked: it does not call while turns follow each other. */
  #hasToCollect(): boolean {
    const isUndrained = this.handlers.submitDrained();
    const { driver } = this.#options;
    return isUndrained || this.#isWoken || this.timeouts.size > 0 || driver === 'thread';
  }

  readonly #runCallbacks = (): void => {
    this.callbacks.runBatch(this.guard.run);
  };

  readonly #fireTimeouts = (): void => {
    this.timeouts.fire(this.guard.run);
  };

  readonly #dispatchHandlers = (): void => {
    this.sources.dispatch(HANDLERS);
  };

  readonly #continueStreams = (): void => {
    this.io.continueAll();
  };

  readonly #dispatchStreams = (): void => {
    this.sources.dispatch(STREAMS);
  };

  /** Runs a step of a turn. */
  #attempt(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error);
    }
  }

  /** A step has failed, outside of user code. */
  readonly #fail = (error: unknown): void => {
    this.#hasFailed = true;
    if (this.#failures.opens()) this.guard.report(null, error);
  };

  /** The next turn comes after Node has had its share of the thread. */
  #schedule(): void {
    this.#sleep.cancelTimer();
    // First the effect, then the state: at the end of the stack either may throw.
    host.setImmediate(this.#enterTurn);
    this.#phase = Phase.Scheduled;
  }

  /** Work was added: a loop that sleeps has a turn soon. */
  #wantTurn(): void {
    if (this.#phase === Phase.Sleeping) this.#schedule();
  }

  /** The driver calls: the core has something to collect. */
  readonly #onWake = (): void => {
    this.#isWoken = true;
    if (this.#phase === Phase.Sleeping && !this.#sleep.isPause) this.#enterTurn();
  };

  readonly #enterTurn = (): void => {
    this.#sleep.end();
    let scope: AsyncResource;
    try {
      scope = turnScope();
    } catch (error) {
      this.guard.report(null, error);
      this.#turn();
      return;
    }
    scope.runInAsyncScope(this.#turn);
  };

  /** In a microtask, so that many timeouts cost one crossing. */
  #prepareSleepSoon(): void {
    if (this.#isPreparing) return;
    host.queueMicrotask(() => {
      this.#isPreparing = false;
      if (this.#phase === Phase.Sleeping) this.#sleep.prepare();
    });
    this.#isPreparing = true;
  }

  #finish(): void {
    this.#phase = Phase.Stopped;
    this.#isStopping = false;
    this.guard.attempt(() => this.#core.stop());
    const onStopped = this.#onStopped;
    this.#onStopped = null;
    onStopped?.();
  }
}
