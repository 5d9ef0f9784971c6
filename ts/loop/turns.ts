/**
 * The turns of one loop: when one runs. `turn.ts` has its steps.
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
 *
 * After a turn of some streams more are likely to be ready at once. The driver then calls again when Node
 * has run the microtasks and ticks of the turn, instead of going around Node's loop: at most
 * {@link MOST_IN_ROW} times, and for a millisecond. A turn of many streams shares the cost of a round.
 */
import { backend, capabilities } from '../boundary/capabilities.js';
import { unsupportedBy } from '../boundary/unsupported.js';
import type { AsyncResource } from 'node:async_hooks';
import { NativeLoop, type CoreCounts } from '../boundary/native-loop.js';
import { NO_MEMORY_RETRY } from '../boundary/send-batch.js';
import type { Capacities } from '../support/capacities.js';
import * as host from '../support/host.js';
import { capture, turnScope, type Context } from './async-context.js';
import { epochSecondsAt } from './clock.js';
import { CallbackQueue, type Callback } from './callback-queue.js';
import type { Guard } from './guard.js';
import type { RegisteredHandler } from './handler.js';
import { Handlers, type LaterTurns } from './handlers.js';
import { LoopIO, type DeferredWork } from './io.js';
import type { CallKind } from './origins.js';
import { NO_POSTS, Posts, type PostCounts } from './posts.js';
import { waitsFor } from './short-wait.js';
import { Sleep } from './sleep.js';
import { SourceTable } from './sources.js';
import { TimeoutTable, type Timeout } from './timeouts.js';
import type { Timings } from './timings.js';
import { Turn, type TurnOptions, type TurnParts } from './turn.js';

const enum Phase {
  Stopped,
  Scheduled,
  Turning,
  Sleeping,
}

/** By {@link Phase}, for display. */
const PHASE_NAMES = ['stopped', 'scheduled', 'turning', 'sleeping'] as const;

/** The dependencies of turns on their loop. */
export interface TurnsOptions extends TurnOptions {
  readonly capacities: Capacities;
  /** The clock goes at the pace of the system's and never steps. */
  readonly isSteady: boolean;
  /** Seconds of polling before a sleep; 0 for none. */
  readonly busyPoll: number;
  /** Makes the loop current, before a turn. */
  readonly enter: () => void;
  /** Undoes {@link enter}, after it. */
  readonly leave: () => void;
  /** Stops the loop, for another thread. */
  readonly stop: () => void;
}

/** One loop, as a guest in Node's: nothing in it ever blocks. */
export class Turns implements TurnParts, LaterTurns {
  readonly guard: Guard;
  readonly callbacks = new CallbackQueue();
  readonly timeouts: TimeoutTable;
  readonly sources: SourceTable;
  readonly handlers: Handlers;
  readonly io: LoopIO;
  /** `null` unless times are measured. */
  timings: Timings | null = null;
  /** The number of turns. */
  turnCount = 0;
  /** The number of wake-ups by the driver and by Node's timer. */
  wakeups = 0;

  readonly #options: TurnsOptions;
  readonly #core: NativeLoop;
  readonly #sleep: Sleep;
  readonly #turn: Turn;
  #posts: Posts | null = null;
  #phase = Phase.Stopped;
  /** {@link stop} was called. */
  #isStopping = false;
  #onStopped: (() => void) | null = null;
  #isClosed = false;
  /** A timeout was added in this turn whose deadline is past: no wake-up comes for it. */
  #isOverdue = false;
  /** A microtask prepares the sleep again. */
  #isPreparing = false;
  /** Turns that have followed each other without a round of Node's loop, and when the first began. */
  #inRow = 0;
  #rowStart = 0;

  constructor(options: TurnsOptions) {
    const { driver, guard, time, isSteady, capacities } = options;
    this.#options = options;
    this.guard = guard;
    this.#core = new NativeLoop(driver, time(), isSteady, capacities);
    const { handle, submissions } = this.#core;
    this.timeouts = new TimeoutTable(submissions, (timeout, delay) =>
      this.moveTimeout(timeout, time() + delay),
    );
    this.sources = new SourceTable(handle, guard, capacities.receives);
    this.io = new LoopIO(
      this.sources,
      guard,
      capacities,
      () => {
        this.#wantTurn();
      },
      (func) => {
        if (this.#isClosed) callSoon(func);
        else this.addCallback(func, [], null);
      },
    );
    this.handlers = new Handlers(this.sources, submissions, guard.runHandler, this);
    this.#turn = new Turn(this.#core, this, options);
    this.#sleep = new Sleep(this.#core, options, () => {
      this.wakeups += 1;
      this.#turn.wake();
      if (this.#phase === Phase.Sleeping) this.#enterTurn();
    });
  }

  /** The loop's clock in seconds: never throws, and is finite. */
  get time(): () => number {
    return this.#options.time;
  }

  /** Whether that clock is the default one, which the program cannot move. */
  get isSteady(): boolean {
    return this.#options.isSteady;
  }

  get capacities(): Capacities {
    return this.#options.capacities;
  }

  /** The async context of the caller, for later calls of `func`; debug mode adds their origin. */
  contextOf(_kind: CallKind, _func: Callback): Context {
    return capture();
  }

  /** Where the loop was made, in debug mode. */
  get site(): string | null {
    return null;
  }

  /** For display. */
  get phase(): (typeof PHASE_NAMES)[number] {
    return PHASE_NAMES[this.#phase] as (typeof PHASE_NAMES)[number];
  }

  /**
   * The calls of other threads. Made when the loop is first exposed to them.
   *
   * @throws `ERR_IOLOOP_UNSUPPORTED`.
   */
  get posts(): Posts {
    if (!capabilities.threads) throw unsupportedBy('threads', backend);
    const { stop, driver } = this.#options;
    this.#posts ??= new Posts(this.#core.handle, this.guard, this.io, {
      stop,
      waits: waitsFor(driver),
      onFound: () => {
        this.#turn.post();
        if (this.#phase === Phase.Sleeping) this.#enterTurn();
      },
      onReleased: () => {
        this.#turn.post();
        this.#wantTurn();
      },
    });
    return this.#posts;
  }

  /** The calls of other threads since the loop was made. */
  get postCounts(): PostCounts {
    return this.#posts?.counts ?? NO_POSTS;
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
      this.#core.start(this.#onWake, this.#options.busyPoll);
      this.#sleep.onDriverStart();
      this.#onStopped = onStopped;
      this.#turn.wake();
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

  /** What the core has counted since it was made. */
  get coreCounts(): CoreCounts {
    return this.#core.counts;
  }

  /** Frees everything, and reports what fails. The loop must be stopped. */
  close(): void {
    this.#isClosed = true;
    this.guard.attempt(() => this.#posts?.close());
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

  /** See {@link Handlers.add}. */
  addHandler(fd: number, registered: RegisteredHandler): void {
    this.handlers.add(fd, registered);
  }

  /** Calls `begin`, which has `callback` called when a promise is settled. */
  addFuture(_callback: Callback, begin: () => void): void {
    begin();
  }

  /** The loop is about to be closed, and the files of its handlers are not. Debug mode warns. */
  leaveHandlers(): void {}

  /** See {@link Posts.expose}. */
  expose(name: string, func: Callback): void {
    this.posts.expose(name, func);
  }

  /** See {@link LoopIO.continueLater}. */
  continueLater(work: DeferredWork): void {
    this.io.continueLater(work);
  }

  /** {@link continueLater} after {@link NO_MEMORY_RETRY}. */
  retryLater(work: DeferredWork): void {
    const retry = (): void => {
      work.onContinue();
    };
    this.addTimeout(this.time() + NO_MEMORY_RETRY, retry, [], null);
  }

  /** `deadline` is in seconds of the loop's clock; `delay` as of {@link TimeoutTable.add}. */
  addTimeout(
    deadline: number,
    callback: Callback,
    args: readonly unknown[],
    context: Context,
    delay = Number.NaN,
  ): Timeout {
    const timeout = this.timeouts.add(deadline, callback, args, context, delay);
    this.#onArmed(deadline);
    return timeout;
  }

  /** See {@link TimeoutTable.move}. */
  moveTimeout(timeout: Timeout, deadline: number): boolean {
    if (!this.timeouts.move(timeout, deadline)) return false;
    this.#onArmed(deadline);
    return true;
  }

  #onArmed(deadline: number): void {
    if (this.#phase === Phase.Turning) this.#isOverdue ||= deadline <= this.#turn.now;
    else if (this.#phase === Phase.Sleeping) this.#prepareSleepSoon();
  }

  readonly #runTurn = (): void => {
    this.#options.enter();
    this.#phase = Phase.Turning;
    this.#isOverdue = false;
    this.turnCount += 1;
    const { timings } = this;
    // A reading of the clock costs as much as a record: the turn and the sleep after it use these two.
    // There is one call of `run`, so that the compiler may inline it.
    const start = timings === null || timings.sample.passes() ? Number.NaN : host.monotonic();
    this.#turn.run(this.#options.isSteady ? epochSecondsAt(start) : Number.NaN);
    const ended = timings === null ? Number.NaN : this.#record(timings, start);
    this.#options.leave();
    this.#endTurn(ended);
  };

  /**
   * Records a turn, which began at `start` by the host's clock, or is not measured (NaN). Returns when
   * it ended, in seconds of the loop's clock; NaN if that is not known.
   */
  #record(timings: Timings, start: number): number {
    const { lateness } = this.#turn;
    if (lateness >= 0) timings.recordLateness(lateness);
    if (Number.isNaN(start)) return start;
    const end = host.monotonic();
    timings.recordTurn(start, end);
    return this.#options.isSteady ? epochSecondsAt(end) : Number.NaN;
  }

  /** Stops, schedules the next turn, or sleeps. `now` is as in {@link Sleep.begin}. */
  #endTurn(now: number): void {
    const { hasFailed, hasMore } = this.#turn;
    if (!hasFailed) this.#sleep.forgetFailures();
    if (this.#isStopping) {
      this.#finish();
    } else if (this.#isOverdue || !this.callbacks.isEmpty || this.io.isContinuing) {
      this.#schedule();
    } else if (hasFailed) {
      // The rest in the core may be the cause of the failure: it is collected after a pause.
      this.#phase = Phase.Sleeping;
      this.#sleep.pause();
    } else if (hasMore || this.handlers.hasUndrained) {
      this.#schedule();
    } else {
      this.#phase = Phase.Sleeping;
      this.#sleep.begin(now);
    }
  }

  /**
   * Whether the driver is to wake the loop once more, when Node has run the microtasks and ticks of this
   * turn. The thread driver does not ask.
   */
  #continuesRow(): boolean {
    const { now } = this.#turn;
    if (this.#inRow === 0) this.#rowStart = now;
    const { collected } = this.sources;
    const isLikely = collected >= SOME_STREAMS && collected < MANY_STREAMS;
    // Node has other work as well. The clock may be the user's, and step.
    const isShort = this.#inRow < MOST_IN_ROW && now - this.#rowStart < LONGEST_ROW;
    const isNext = this.#phase === Phase.Sleeping && !this.#sleep.isPause && isLikely && isShort;
    this.#inRow = isNext ? this.#inRow + 1 : 0;
    return this.#inRow > 0;
  }

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
  readonly #onWake = (): boolean => {
    if (this.#inRow === 0) this.wakeups += 1;
    this.#turn.wake();
    if (this.#phase === Phase.Sleeping && !this.#sleep.isPause) this.#enterTurn();
    return this.#continuesRow();
  };

  readonly #enterTurn = (): void => {
    // A hook of `async_hooks` that added work had a second immediate made, and the loop has stopped.
    if (this.#phase === Phase.Stopped) return;
    this.#sleep.end();
    let scope: AsyncResource;
    try {
      scope = turnScope();
    } catch (error) {
      this.guard.report(null, error);
      this.#runTurn();
      return;
    }
    scope.runInAsyncScope(this.#runTurn);
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

/** When the running code is done, and outside of its context, as in a turn. */
function callSoon(func: () => void): void {
  host.queueMicrotask(() => {
    turnScope().runInAsyncScope(func);
  });
}

/** Streams with something to read, after which turns follow each other. */
const SOME_STREAMS = 8;
const MANY_STREAMS = 64;
const MOST_IN_ROW = 5;
/** Seconds. */
const LONGEST_ROW = 0.001;
