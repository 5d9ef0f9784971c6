/**
 * The machinery of one loop: when a turn runs, and what it does. `docs/loop-iteration.md` is the
 * specification of {@link Engine.turn}.
 */
import type { AsyncResource } from 'node:async_hooks';
import { noticeStorages, turnScope, type Context } from './async-context.js';
import { CallbackQueue, type Callback } from './callback-queue.js';
import { capacities } from '../support/capacities.js';
import { systemError } from '../support/errors.js';
import { Handlers } from './handlers.js';
import { LoopIO } from './io.js';
import { HANDLERS, SourceTable, STREAMS } from './sources.js';
import * as host from '../support/host.js';
import { HostTimer } from '../support/host-timer.js';
import type { Guard } from './guard.js';
import { native, type NativeHandle } from '../boundary/native.js';
import { receiveBlocks } from '../boundary/receive-blocks.js';
import { ReportGate } from '../support/report-gate.js';
import { Submissions } from '../boundary/submissions.js';
import { TimeoutTable, type Timeout } from './timeouts.js';

/** The dependencies of an engine on its loop. */
export interface EngineOptions {
  readonly driver: 'libuv' | 'thread';
  readonly guard: Guard;
  /** Seconds. Never throws, and is finite. */
  readonly time: () => number;
  /** The clock goes at the pace of the system's and never steps. */
  readonly isSteady: boolean;
  /** Brackets each turn: makes the loop current, gives what undoes that. */
  readonly enter: () => () => void;
}

/**
 * Where a loop is between `start` and the end of its last turn.
 *
 * stopped → scheduled (start) → turning → sleeping | scheduled → … → stopped
 */
type Phase = 'stopped' | 'scheduled' | 'turning' | 'sleeping';

/** One loop, as a guest in Node's: nothing in it ever blocks. */
export class Engine {
  readonly guard: Guard;
  readonly callbacks = new CallbackQueue();
  readonly timeouts: TimeoutTable;
  readonly sources: SourceTable;
  readonly handlers: Handlers;
  readonly io: LoopIO;

  readonly #options: EngineOptions;
  readonly #native: NativeHandle;
  readonly #submissions: Submissions;
  readonly #completions: Int32Array;
  /** The thread driver watches only while the loop sleeps: each sleep is a crossing. */
  readonly #mustAsk: boolean;
  #phase: Phase = 'stopped';
  #stopping = false;
  #finished: (() => void) | null = null;
  /** The clock at the entry of the running turn, in seconds. */
  #now = 0;
  /** The core may have something to collect. */
  #woken = false;
  /** A timeout was added whose deadline is past: it wants the next turn, not a wake-up. */
  #overdue = false;
  /** A microtask will hand the submissions over. */
  #flushQueued = false;
  /** Wakes the loop where the core has no alarm of its own, and at the end of a pause. */
  readonly #hostTimer = new HostTimer(() => {
    this.#woken = true;
    if (this.#phase === 'sleeping') this.#enterTurn();
  });
  /** A phase of the running turn has failed. */
  #failed = false;
  readonly #failures = new ReportGate();
  /** Milliseconds of the pause after a turn that failed; 0 after one that did not. */
  #backOff = 0;
  /** When the pause ends that the loop sleeps in, by the host's clock; `null` outside of one. */
  #resumeAt: number | null = null;
  /** The driver does not watch, from the first pause until the loop sleeps without one. */
  #parked = false;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.guard = options.guard;
    this.#mustAsk = options.driver === 'thread';
    const { timers, events, receiveBytes, submissions } = capacities;
    this.#native = open(options, timers, events, receiveBytes);
    this.#completions = new Int32Array(native.completionCapacity(timers, events));
    this.#submissions = new Submissions(submissions, () => this.#submit());
    this.timeouts = new TimeoutTable(this.#submissions);
    const report = (error: unknown): void => {
      this.guard.report(null, error);
    };
    this.sources = new SourceTable(this.#native, report);
    this.handlers = new Handlers(this.sources, this.#submissions, this.guard.runHandler);
    this.io = new LoopIO(this.sources, {
      report,
      wake: () => {
        if (this.#phase === 'sleeping') this.#schedule();
      },
    });
  }

  get running(): boolean {
    return this.#phase !== 'stopped';
  }

  /**
   * Runs turns until {@link stop}; `finished` is called after the last one.
   *
   * @throws `EMFILE` and the like, when the driver cannot start; the engine is stopped then.
   */
  start(finished: () => void): void {
    // From here on: a hook of `async_hooks` may call anything while the driver starts.
    this.#phase = 'scheduled';
    try {
      const result = native.loopStart(this.#native, this.#wake);
      if (result < 0) throw systemError(result, 'start');
      this.#finished = finished;
      this.#woken = true;
      this.#parked = false;
      this.#schedule();
    } catch (error) {
      this.#phase = 'stopped';
      this.#stopping = false;
      this.#finished = null;
      native.loopStop(this.#native);
      throw error;
    }
  }

  /** Ends the loop with the turn that is running, or with one more. */
  stop(): void {
    this.#stopping = true;
    if (this.#phase === 'sleeping') this.#schedule();
  }

  /** Frees everything, and reports what fails. Only a stopped engine may be closed. */
  close(): void {
    this.guard.attempt(() => this.sources.close());
    this.io.close();
    this.guard.attempt(() => this.callbacks.clear());
    this.guard.attempt(() => this.timeouts.clear());
    this.#submissions.taken();
    this.guard.attempt(() => native.loopClose(this.#native));
  }

  addCallback(callback: Callback, args: readonly unknown[], context: Context): void {
    this.callbacks.push(callback, args, context);
    if (this.#phase === 'sleeping') this.#schedule();
  }

  addTimeout(
    deadline: number,
    callback: Callback,
    args: readonly unknown[],
    context: Context,
  ): Timeout {
    const timeout = this.timeouts.add(deadline, callback, args, context);
    if (this.#phase === 'turning') this.#overdue ||= deadline <= this.#now;
    else if (this.#phase === 'sleeping') this.#flushSoon();
    return timeout;
  }

  /**
   * Collect, then run: what is added while a phase runs waits for the next turn. A phase that fails
   * is reported and leaves the others alone, so a turn always ends: in the next, or in sleep.
   */
  readonly #turn = (): void => {
    const leave = this.#options.enter();
    this.#phase = 'turning';
    this.#overdue = false;
    this.#failed = false;
    this.#resumeAt = null;
    const more = this.#attempt(this.#collect);
    this.#attempt(this.#runCallbacks);
    this.#attempt(this.#fireTimeouts);
    this.#attempt(this.#dispatchHandlers);
    this.#attempt(this.#continueStreams);
    this.#attempt(this.#dispatchStreams);
    this.#attempt(this.#noticeStorages);
    leave();
    this.#woken = more || this.#failed;
    if (!this.#failed) this.#backOff = 0;
    if (this.#stopping) this.#finish();
    else if (this.#overdue || this.#hasWork()) this.#schedule();
    else if (this.#failed) this.#pause();
    else if (more || this.handlers.hasUndrained) this.#schedule();
    else this.#sleep();
  };

  readonly #runCallbacks = (): boolean => {
    this.callbacks.runBatch(this.guard.run);
    return false;
  };

  readonly #fireTimeouts = (): boolean => {
    this.timeouts.fire(this.guard.run);
    return false;
  };

  readonly #dispatchHandlers = (): boolean => {
    this.sources.dispatch(HANDLERS);
    return false;
  };

  readonly #continueStreams = (): boolean => {
    this.io.continueAll();
    return false;
  };

  readonly #dispatchStreams = (): boolean => {
    this.sources.dispatch(STREAMS);
    return false;
  };

  readonly #noticeStorages = (): boolean => {
    noticeStorages();
    return false;
  };

  /** Runs a phase of a turn: its result, or true when it fails. */
  #attempt(phase: () => boolean): boolean {
    try {
      return phase();
    } catch (error) {
      this.#fail(error);
      return true;
    }
  }

  /** A phase failed, outside of user code: the next turn comes after a pause. */
  #fail(error: unknown): void {
    this.#failed = true;
    if (this.#failures.opens()) this.guard.report(null, error);
  }

  #hasWork(): boolean {
    return !this.callbacks.isEmpty || this.io.isContinuing;
  }

  /** One crossing: due timeouts and ready sources. True when a budget left some behind. */
  readonly #collect = (): boolean => {
    if (this.handlers.submitDrained()) this.#woken = true;
    if (!this.#woken && this.timeouts.size === 0 && !this.#mustAsk) return false;
    this.#now = this.#options.time();
    const { words, length } = this.#submissions;
    this.sources.prepare();
    const result = native.loopTurn(
      this.#native,
      this.#now,
      words,
      length,
      this.#completions,
      this.sources.modes,
      receiveBlocks.block.bytes,
      receiveBlocks.offset,
    );
    this.#submissions.taken();
    if (result < 0) throw systemError(result, 'poll');
    this.#submissions.armed = (result & TURN_ALARMED) === 0;
    const [due = 0, ready = 0, errno = 0] = this.#completions;
    // A failure stands beside what was collected: timers that left the wheel, edges that do not
    // come again.
    if ((result & TURN_FAILED) !== 0) this.#fail(systemError(-errno, 'poll'));
    this.timeouts.collect(this.#completions, HEADER, due);
    this.#collectReady(HEADER + due, ready);
    return (result & TURN_MORE) !== 0;
  };

  /** Ready sources, three words each: index, bits, and what was received if it is a stream's. */
  #collectReady(from: number, count: number): void {
    const end = from + 3 * count;
    let next = from;
    while (next < end) {
      try {
        while (next < end) {
          const at = next;
          next = at + 3;
          this.#collectSource(at);
        }
      } catch (error) {
        // One source lost its report; the others have theirs.
        this.#fail(error);
      }
    }
  }

  #collectSource(at: number): void {
    const completions = this.#completions;
    this.sources.collect(
      completions[at] as number,
      completions[at + 1] as number,
      completions[at + 2] as number,
    );
  }

  /** The next turn comes after Node has had its share of the thread. */
  #schedule(): void {
    this.#hostTimer.clear();
    // First the effect, then the state: at the end of the stack either may throw.
    host.setImmediate(this.#enterTurn);
    this.#phase = 'scheduled';
  }

  /** The driver calls: the core has something to collect. */
  readonly #wake = (): void => {
    this.#woken = true;
    // A scheduled turn is about to run anyway; a stopped loop was woken by a wake-up in flight. A
    // pause ends by its timer: the set is readable all the while.
    if (this.#phase === 'sleeping' && this.#resumeAt === null) this.#enterTurn();
  };

  readonly #enterTurn = (): void => {
    this.#hostTimer.clear();
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

  #sleep(): void {
    this.#phase = 'sleeping';
    if (this.#submissions.armed || this.#mustAsk || this.#parked) this.#prepareSleep();
  }

  /** Sleeps after a turn that failed, longer each time, and then tries again. */
  #pause(): void {
    this.#backOff = Math.min(Math.max(2 * this.#backOff, FIRST_PAUSE), LONGEST_PAUSE);
    this.#resumeAt = host.monotonic() + this.#backOff;
    this.#parked = true;
    this.#phase = 'sleeping';
    this.#prepareSleep();
  }

  /** Hands the submissions over in a microtask, so that many cost one crossing. */
  #flushSoon(): void {
    if (this.#flushQueued) return;
    host.queueMicrotask(() => {
      this.#flushQueued = false;
      if (this.#phase === 'sleeping') this.#prepareSleep();
    });
    this.#flushQueued = true;
  }

  #prepareSleep(): void {
    const isPaused = this.#resumeAt !== null;
    let wait: number;
    try {
      // The clock may be the user's, and add a timeout: it is read before the submissions.
      const now = this.#options.time();
      const { words, length } = this.#submissions;
      wait = 1e3 * native.loopSleep(this.#native, now, words, length, isPaused);
      this.#submissions.taken();
      this.#submissions.armed = wait !== Number.POSITIVE_INFINITY;
      if (!isPaused) this.#parked = false;
    } catch (error) {
      this.guard.report(null, error);
      wait = LONGEST_PAUSE;
    }
    if (this.#resumeAt !== null) wait = Math.min(wait, this.#resumeAt - host.monotonic());
    if (wait !== Number.POSITIVE_INFINITY) this.#hostTimer.set(wait);
  }

  #submit(): void {
    native.loopSubmit(this.#native, this.#submissions.words, this.#submissions.length);
    this.#submissions.taken();
  }

  #finish(): void {
    this.#phase = 'stopped';
    this.#stopping = false;
    this.guard.attempt(() => native.loopStop(this.#native));
    const finished = this.#finished;
    this.#finished = null;
    finished?.();
  }
}

/** @throws `EMFILE` and the like. */
function open(
  { driver, time, isSteady }: EngineOptions,
  timers: number,
  events: number,
  receiveBytes: number,
): NativeHandle {
  const opened = native.loopOpen(driver, time(), isSteady, timers, events, receiveBytes);
  if (typeof opened === 'number') throw systemError(opened, 'new IOLoop');
  return opened;
}

const { TURN_MORE, TURN_ALARMED, TURN_FAILED } = native;
const HEADER = 3;

/** Milliseconds between a turn that failed and the next. */
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 1_000;
