/**
 * One turn: collect, then run. Its work is fixed before any of it runs; work that is added meanwhile
 * waits for the next turn. `docs/loop-iteration.md` is the specification.
 *
 * | Step | Runs |
 * | --- | --- |
 * | collect | nothing: one crossing, whose reports become lists of objects |
 * | callbacks | those that were queued before the turn |
 * | posts | the calls of other threads that were collected |
 * | timeouts | those that were collected |
 * | handlers | those whose reports were collected |
 * | continue | sources that have spent their budget of the last turn |
 * | streams | those whose reports were collected |
 * | send | nothing: one crossing, if something was written |
 *
 * If the streams answer, there are few of them at a time, whose answers leave before the next are received
 * for (`later-receives.ts`).
 *
 * A step that fails is reported, and the others run. The rest of its work runs in the next turn.
 */
import type { Driver, NativeLoop } from '../boundary/native-loop.js';
import { systemError } from '../support/errors.js';
import { ReportGate } from '../support/report-gate.js';
import { noticeStorages } from './async-context.js';
import type { CallbackQueue } from './callback-queue.js';
import type { Guard } from './guard.js';
import type { Handlers } from './handlers.js';
import type { LoopIO } from './io.js';
import type { Posts } from './posts.js';
import { HANDLERS, STREAMS, type SourceTable } from './sources.js';
import type { TimeoutTable } from './timeouts.js';

/** The parts of a loop that a turn runs. */
export interface TurnParts {
  readonly callbacks: CallbackQueue;
  readonly timeouts: TimeoutTable;
  readonly sources: SourceTable;
  readonly handlers: Handlers;
  readonly io: LoopIO;
  readonly posts: Posts;
}

/** The dependencies of turns on their loop. */
export interface TurnOptions {
  readonly driver: Driver;
  readonly guard: Guard;
  /** Seconds. Never throws, and is finite. */
  readonly time: () => number;
}

/** Runs the turns of one loop, each by {@link run}. */
export class Turn {
  readonly #core: NativeLoop;
  readonly #parts: TurnParts;
  readonly #options: TurnOptions;
  readonly #failures = new ReportGate();
  /** Failures of a collect, reported when it is complete. */
  #collectFailures: unknown[] = [];
  /** The clock when the turn collected, in seconds. */
  now = 0;
  /** A budget has left something in the core. */
  hasMore = false;
  /** A step has failed, outside of user code. */
  hasFailed = false;
  /** How late the first timer of the turn was, in microseconds; -1 if none was due. */
  lateness = NO_TIMER;
  #isWoken = false;
  /** There are calls of other threads to run. */
  #isPosted = false;
  /** The time at which the turn began, in seconds; NaN if the clock is to be read. */
  #given = Number.NaN;

  constructor(core: NativeLoop, parts: TurnParts, options: TurnOptions) {
    this.#core = core;
    this.#parts = parts;
    this.#options = options;
  }

  /** The core may have something to collect. */
  wake(): void {
    this.#isWoken = true;
  }

  /** There are calls of other threads, which a turn need not collect. */
  post(): void {
    this.#isPosted = true;
  }

  /** Runs the steps. Never throws. `now` is the time in seconds, or NaN if it is not known yet. */
  run(now: number): void {
    this.#given = now;
    this.hasMore = this.hasFailed = false;
    this.lateness = NO_TIMER;
    this.#parts.io.beginTurn();
    this.#parts.sources.beginTurn();
    this.#attempt(this.#collect);
    this.#attempt(this.#runCallbacks);
    if (this.#isPosted) this.#attempt(this.#runPosts);
    this.#attempt(this.#fireTimeouts);
    this.#attempt(this.#dispatchHandlers);
    this.#attempt(this.#continueSources);
    this.#attempt(this.#dispatchStreams);
    while (this.#parts.sources.isReceiving) {
      this.#attempt(this.#sendAnswers);
      if (!this.#attempt(this.#receiveMore)) break;
      this.#attempt(this.#dispatchStreams);
    }
    this.#attempt(this.#send);
    this.#attempt(noticeStorages);
    this.hasMore ||= this.#parts.sources.isReceiving;
    this.#isWoken = this.hasMore || this.hasFailed;
  }

  /** One crossing, unless there is nothing to collect: due timeouts, ready sources, posts. */
  readonly #collect = (): void => {
    if (!this.#hasToCollect()) return;
    const { completions } = this.#core;
    const { sources, timeouts, io } = this.#parts;
    // The clock may be the user's, and add a timeout: it is read before the submissions.
    this.now = Number.isNaN(this.#given) ? this.#options.time() : this.#given;
    sources.prepare();
    const { receives } = io.capacities;
    this.hasMore = this.#core.turn(this.now, sources.modes, io.hasAnswered ? receives : ALL);
    // After a failure the collected reports are still dispatched: these timers have left the wheel,
    // and edges are not reported again.
    if (completions.errno !== 0) this.#keepFailure(systemError(-completions.errno, 'poll'));
    this.lateness = completions.lateness;
    io.counters.received += completions.received;
    io.now = this.now;
    completions.timersTo(timeouts);
    completions.sourcesTo(sources, this.#keepFailure);
    // From here on user code may run, and ids and indices change hands.
    sources.endStale();
    if (this.#collectFailures.length > 0) this.#reportCollectFailures();
    if (this.#core.hasPosts) this.#isPosted = true;
  };

  readonly #keepFailure = (error: unknown): void => {
    this.#collectFailures.push(error);
  };

  #reportCollectFailures(): void {
    const failures = this.#collectFailures;
    this.#collectFailures = [];
    for (const error of failures) this.#fail(error);
  }

  #hasToCollect(): boolean {
    const isUndrained = this.#parts.handlers.submitDrained();
    if (isUndrained || this.#isWoken || this.#parts.timeouts.size > 0) return true;
    // It watches while the loop sleeps, so that it has not called for what came since.
    return this.#options.driver === 'thread';
  }

  readonly #runCallbacks = (): void => {
    this.#parts.callbacks.runBatch(this.#options.guard.run);
  };

  /** After a failure the rest runs in the next turn. */
  readonly #runPosts = (): void => {
    this.#parts.posts.run();
    this.#isPosted = false;
  };

  readonly #fireTimeouts = (): void => {
    this.#parts.timeouts.fire(this.#options.guard.run);
  };

  readonly #dispatchHandlers = (): void => {
    this.#parts.sources.dispatch(HANDLERS);
  };

  readonly #continueSources = (): void => {
    this.#parts.io.continueAll();
  };

  /** Streams that were ready at the beginning, and were not received for. */
  readonly #receiveMore = (): void => {
    const { io, sources } = this.#parts;
    io.counters.received += sources.receive(this.#core, this.#keepFailure);
    if (this.#collectFailures.length > 0) this.#reportCollectFailures();
  };

  readonly #dispatchStreams = (): void => {
    this.#parts.sources.dispatch(STREAMS);
  };

  readonly #sendAnswers = (): void => {
    const { io, sources } = this.#parts;
    io.sendAnswers(sources.dispatched);
  };

  readonly #send = (): void => {
    const { io, sources } = this.#parts;
    io.endTurn(sources.dispatched);
  };

  /** Whether the step has not failed. */
  #attempt(step: () => void): boolean {
    try {
      step();
      return true;
    } catch (error) {
      this.#fail(error);
      return false;
    }
  }

  /** A failure that goes on is reported ever more rarely. */
  readonly #fail = (error: unknown): void => {
    this.hasFailed = true;
    if (this.#failures.opens()) this.#options.guard.report(null, error);
  };
}

const NO_TIMER = -1;
/** More streams than a turn has. */
const ALL = 0x7fff_ffff;
