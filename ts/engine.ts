/**
 * The machinery of one loop: when a turn runs, and what it does. `docs/loop-iteration.md` is the
 * specification of {@link Engine.turn}.
 */
import { noticeStorages, turnScope, type Context } from './async-context.js';
import { CallbackQueue, type Callback } from './callback-queue.js';
import { capacities } from './capacities.js';
import { systemError } from './errors.js';
import { HandlerTable } from './handlers.js';
import type { Isolation } from './isolation.js';
import { native, type NativeHandle } from './native.js';
import { receiveBlocks } from './receive-blocks.js';
import { ChannelTable } from './streams/channel-table.js';
import { Submissions } from './submissions.js';
import { TimeoutTable, type Timeout } from './timeouts.js';

/** What an engine needs of its loop. */
export interface EngineOptions {
  readonly driver: 'libuv' | 'thread';
  readonly isolation: Isolation;
  /** Seconds. */
  readonly time: () => number;
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
  readonly callbacks = new CallbackQueue();
  readonly timeouts: TimeoutTable;
  readonly handlers: HandlerTable;
  readonly channels: ChannelTable;

  readonly #options: EngineOptions;
  readonly #native: NativeHandle;
  readonly #submissions: Submissions;
  readonly #completions: Int32Array;
  /** The thread driver watches only while the loop sleeps, and has to be told when it does. */
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
  /** Wakes the loop where the core has no alarm of its own. */
  #hostTimer: NodeJS.Timeout | null = null;

  constructor(options: EngineOptions) {
    this.#options = options;
    this.#mustAsk = options.driver === 'thread';
    const { timers, events, receiveBytes, submissions } = capacities;
    this.#native = native.loopOpen(options.driver, options.time(), timers, events, receiveBytes);
    this.#completions = new Int32Array(native.completionCapacity(timers, events));
    this.#submissions = new Submissions(submissions, () => this.#submit());
    this.timeouts = new TimeoutTable(this.#submissions);
    this.handlers = new HandlerTable(this.#native, this.#submissions, (index) => {
      this.channels.displace(index);
    });
    this.channels = new ChannelTable(this.#native, {
      displace: (index) => {
        this.handlers.displace(index);
      },
      wake: () => {
        if (this.#phase === 'sleeping') this.#schedule();
      },
    });
  }

  get running(): boolean {
    return this.#phase !== 'stopped';
  }

  /** Runs turns until {@link stop}; `finished` is called after the last one. */
  start(finished: () => void): void {
    native.loopStart(this.#native, this.#wake);
    this.#finished = finished;
    this.#woken = true;
    this.#schedule();
  }

  /** Ends the loop with the turn that is running, or with one more. */
  stop(): void {
    this.#stopping = true;
    if (this.#phase === 'sleeping') this.#schedule();
  }

  /** Frees everything. Only a stopped engine may be closed. */
  close(): void {
    this.channels.close();
    this.callbacks.clear();
    this.timeouts.clear();
    this.handlers.clear();
    this.#submissions.clear();
    native.loopClose(this.#native);
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

  /** Collect, then run: what is added while a phase runs waits for the next turn. */
  readonly #turn = (): void => {
    const leave = this.#options.enter();
    this.#phase = 'turning';
    this.#overdue = false;
    const more = this.#collect();
    this.callbacks.runBatch(this.#options.isolation.run);
    this.timeouts.fire(this.#options.isolation.run);
    const left = this.handlers.dispatch(this.#options.isolation.runHandler);
    this.channels.dispatch();
    noticeStorages();
    leave();
    this.#woken = more;
    if (this.#stopping) this.#finish();
    else if (more || left || this.#overdue || this.#hasWork()) this.#schedule();
    else this.#sleep();
  };

  #hasWork(): boolean {
    return !this.callbacks.isEmpty || this.channels.isContinuing;
  }

  /** One crossing: due timeouts and ready sources. True when a budget left some behind. */
  #collect(): boolean {
    if (this.handlers.settle()) this.#woken = true;
    if (!this.#woken && this.timeouts.size === 0 && !this.#mustAsk) return false;
    this.#now = this.#options.time();
    const { words, length } = this.#submissions;
    this.channels.prepare();
    const result = native.loopTurn(
      this.#native,
      this.#now,
      words,
      length,
      this.#completions,
      this.channels.modes,
      receiveBlocks.block.bytes,
      receiveBlocks.offset,
    );
    this.#submissions.clear();
    if (result < 0) {
      this.#options.isolation.report(null, systemError(result, 'poll'));
      return false;
    }
    const [due = 0, ready = 0] = this.#completions;
    this.timeouts.collect(this.#completions, HEADER, due);
    this.#collectReady(HEADER + due, ready);
    if ((result & native.TURN_REBUILT) !== 0) native.loopStart(this.#native, this.#wake);
    return (result & native.TURN_MORE) !== 0;
  }

  /** Ready sources, three words each: index, bits, and what was received if it is a stream's. */
  #collectReady(from: number, count: number): void {
    const completions = this.#completions;
    const { modes } = this.channels;
    for (let at = from; at < from + 3 * count; at += 3) {
      const index = completions[at] as number;
      const bits = completions[at + 1] as number;
      if ((modes[index] ?? 0) === 0) this.handlers.collect(index, bits);
      else this.channels.collect(index, bits, completions[at + 2] as number);
    }
  }

  /** The next turn comes after Node has had its share of the thread. */
  #schedule(): void {
    this.#phase = 'scheduled';
    this.#clearHostTimer();
    setImmediate(this.#enterTurn);
  }

  /** The driver calls: the core has something to collect. */
  readonly #wake = (): void => {
    this.#woken = true;
    // A scheduled turn is about to run anyway; a stopped loop was woken by a wake-up in flight.
    if (this.#phase === 'sleeping') this.#enterTurn();
  };

  readonly #enterTurn = (): void => {
    this.#clearHostTimer();
    turnScope().runInAsyncScope(this.#turn);
  };

  #sleep(): void {
    this.#phase = 'sleeping';
    if (this.#submissions.armed || this.#mustAsk || !native.HAS_ALARM) this.#prepareSleep();
  }

  /** Hands the submissions over in a microtask, so that many cost one crossing. */
  #flushSoon(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => {
      this.#flushQueued = false;
      if (this.#phase === 'sleeping') this.#prepareSleep();
    });
  }

  #prepareSleep(): void {
    const { words, length } = this.#submissions;
    const wait = native.loopSleep(this.#native, this.#options.time(), words, length);
    this.#submissions.clear();
    if (wait !== Number.POSITIVE_INFINITY) this.#armHostTimer(wait);
  }

  #submit(): void {
    native.loopSubmit(this.#native, this.#submissions.words, this.#submissions.length);
    this.#submissions.clear();
  }

  #finish(): void {
    this.#phase = 'stopped';
    this.#stopping = false;
    native.loopStop(this.#native);
    const finished = this.#finished;
    this.#finished = null;
    finished?.();
  }

  #armHostTimer(seconds: number): void {
    this.#clearHostTimer();
    const delay = Math.min(Math.max(Math.ceil(seconds * 1e3), 0), LONGEST_HOST_TIMER);
    this.#hostTimer = setTimeout(this.#wake, delay);
  }

  #clearHostTimer(): void {
    if (this.#hostTimer === null) return;
    clearTimeout(this.#hostTimer);
    this.#hostTimer = null;
  }
}

const HEADER = 2;

/** What setTimeout can take; the loop then looks again. */
const LONGEST_HOST_TIMER = 0x7fff_ffff;
