/**
 * The crossings of one loop that carry submissions and completions, and those that start and stop
 * its driver. Faces `crates/ioloop-napi/src/native_loop.rs` and `turn/mod.rs`.
 */
import { Completions } from './completions.js';
import { native, type NativeHandle } from './native.js';
import { receiveBlocks } from './receive-blocks.js';
import { Submissions } from './submissions.js';
import type { Capacities } from '../support/capacities.js';
import { systemError } from '../support/errors.js';
import { HostTimer } from '../support/host-timer.js';

/**
 * What wakes the JavaScript thread when the loop has something to collect. `libuv`: Node's event
 * loop watches the loop's descriptor. `thread`: a thread waits for it and calls a threadsafe
 * function. `host`: nothing, as there are no descriptors; the loop's turns begin by timers and
 * immediates of the host.
 */
export type Driver = 'libuv' | 'thread' | 'host';

/** What the core of a loop has counted. */
export interface CoreCounts {
  /** Replacements of the selector because of stale registrations. */
  readonly rebuilds: number;
  /** Polls before a sleep, and those of them in which an event has come. */
  readonly busyPolls: number;
  readonly busyPollsAnswered: number;
}

const NO_COUNTS: CoreCounts = { rebuilds: 0, busyPolls: 0, busyPollsAnswered: 0 };

const { TURN_MORE, TURN_ALARMED, TURN_POSTS } = native;

/** The core of one loop. Every method is one crossing. */
export class NativeLoop {
  readonly handle: NativeHandle;
  readonly submissions: Submissions;
  readonly completions: Completions;
  /** The last turn has calls of other threads to take. */
  hasPosts = false;
  /** Of a closed loop, which has none in the core any more. */
  #counts = NO_COUNTS;
  #isClosed = false;
  /** Keeps the host's loop alive while this one runs, in the place of a driver. */
  readonly #hold: HostTimer | null;

  /**
   * `now` is in seconds; the clock is steady if it never steps.
   *
   * @throws `EMFILE` and the like.
   */
  constructor(
    driver: Driver,
    now: number,
    isSteady: boolean,
    { timers, events, receiveBytes, posts, submissions }: Capacities,
  ) {
    const opened = native.loopOpen(driver, now, isSteady, timers, events, receiveBytes, posts);
    if (typeof opened === 'number') throw systemError(opened, 'new IOLoop');
    this.handle = opened;
    this.#hold = driver === 'host' ? new HostTimer(() => this.#hold?.set(Infinity)) : null;
    this.completions = new Completions(timers, events);
    this.submissions = new Submissions(submissions, () => {
      const { words, length } = this.submissions;
      native.loopSubmit(opened, words, length);
      this.submissions.taken();
    });
  }

  /**
   * Starts the driver, which keeps Node's loop alive and calls `wake` when the core has something
   * to collect. The libuv driver polls for `busyPoll` seconds after events before it sleeps.
   *
   * @throws `EMFILE` and the like.
   */
  start(wake: () => void, busyPoll: number): void {
    const result = native.loopStart(this.handle, wake, busyPoll);
    if (result < 0) throw systemError(result, 'start');
    this.#hold?.set(Infinity);
  }

  /** Stops the driver. */
  stop(): void {
    native.loopStop(this.handle);
    this.#hold?.clear();
  }

  /** What the core has counted since it was made. */
  get counts(): CoreCounts {
    if (this.#isClosed) return this.#counts;
    const [rebuilds = 0, busyPolls = 0, busyPollsAnswered = 0] = native.loopCounts(this.handle);
    return { rebuilds, busyPolls, busyPollsAnswered };
  }

  /** Frees everything. */
  close(): void {
    this.#counts = this.counts;
    this.#isClosed = true;
    this.submissions.taken();
    native.loopClose(this.handle);
  }

  /**
   * One turn of the core at `now`, in seconds: fills {@link completions}, and receives for the
   * sources that have a mode for it, at most `receives`: {@link receive} follows for the others. True when
   * a budget left something for the next turn. A system call that failed is among the completions.
   *
   * @throws `EBADF` when the loop is closed.
   */
  turn(now: number, modes: Uint8Array, receives: number): boolean {
    const { submissions } = this;
    const { block, offset } = receiveBlocks;
    const result = native.loopTurn(
      this.handle,
      now,
      submissions.words,
      submissions.length,
      this.completions.words,
      modes,
      block.bytes,
      offset,
      receives,
    );
    submissions.taken();
    if (result < 0) throw systemError(result, 'poll');
    if ((result & TURN_ALARMED) === 0) submissions.alarmFailed();
    else submissions.alarmSet();
    this.hasPosts = (result & TURN_POSTS) !== 0;
    return (result & TURN_MORE) !== 0;
  }

  /**
   * Receives for streams that the turn has reported as `RECEIVED_LATER`. `requests` has two words for
   * each of the `count` streams: its index, or -1 for none, and the result, which is written. Returns the
   * bytes received from all.
   *
   * @throws `EBADF` when the loop is closed.
   */
  receive(requests: Int32Array, count: number, modes: Uint8Array): number {
    const { block, offset } = receiveBlocks;
    const received = native.loopReceive(this.handle, requests, count, modes, block.bytes, offset);
    if (received < 0) throw systemError(received, 'recv');
    return received;
  }

  /**
   * The loop sleeps from now on: sets the alarm, and lets the driver watch. Returns the milliseconds
   * after which the host has to wake the loop; Infinity if the alarm does, or there is no deadline.
   */
  sleep(now: number): number {
    return this.#sleep(now, false);
  }

  /** {@link sleep} without the driver: a selector that cannot be collected stays readable. */
  park(now: number): number {
    return this.#sleep(now, true);
  }

  #sleep(now: number, isPaused: boolean): number {
    const { submissions } = this;
    const { words, length } = submissions;
    const wait = native.loopSleep(this.handle, now, words, length, isPaused);
    submissions.taken();
    if (wait === Number.POSITIVE_INFINITY) submissions.alarmSet();
    else submissions.alarmFailed();
    return 1e3 * wait;
  }
}
