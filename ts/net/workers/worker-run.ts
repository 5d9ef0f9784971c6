/**
 * One life of a worker, from its start to its end.
 *
 * | State | Next |
 * | --- | --- |
 * | starting | ready: it reports so; draining: {@link WorkerRun.drain}; ended: it exits, or is killed after `startTimeout` |
 * | ready | draining: {@link WorkerRun.drain}; ended: it exits |
 * | draining | ended: it exits, or is killed when its time is over |
 * | ended | |
 */
import { clearTimeout, monotonic, setTimeout } from '../../support/host.js';
import { Deferred } from '../../support/deferred.js';
import { TimeoutError } from '../../support/errors.js';
import type { Order, Report } from './messages.js';
import { spawn, type Spawned, type SpawnedEvents, type WorkerExit } from './spawned.js';

export const enum RunState {
  Starting,
  Ready,
  Draining,
  Ended,
}

/** The supervisor of a worker. */
export interface RunOwner {
  onReady(run: WorkerRun): void;
  /** The worker accepts no more connections; called at the latest before {@link onEnded}. */
  onStopped(run: WorkerRun): void;
  onReport(run: WorkerRun, report: Report): void;
  /** `wasAsked`: by {@link WorkerRun.drain} or {@link WorkerRun.end}. */
  onEnded(run: WorkerRun, exit: WorkerExit, wasAsked: boolean): void;
}

export class WorkerRun implements SpawnedEvents {
  readonly taskId: number;
  /** Resolves when it is ready, or has ended. */
  readonly begun: Promise<void>;
  /** Resolves when it has ended. */
  readonly ended: Promise<void>;
  readonly #begun = new Deferred();
  readonly #ended = new Deferred();
  readonly #owner: RunOwner;
  readonly #spawned: Spawned;
  readonly #start = monotonic();
  #state = RunState.Starting;
  #isStopped = false;
  #exit: WorkerExit | null = null;
  /** Why it was killed while it was starting. */
  #lateness: Error | null = null;
  #capacity: number | null = null;
  /** When its connections are closed at the latest, while it drains. Seconds of `monotonic()`. */
  #end = Infinity;
  /** Until it has to be ready, or to be over. */
  #limit: NodeJS.Timeout | null;

  constructor(
    taskId: number,
    owner: RunOwner,
    startTimeout: number,
    start: (events: SpawnedEvents) => Spawned,
  ) {
    this.taskId = taskId;
    this.begun = this.#begun.promise;
    this.ended = this.#ended.promise;
    this.#owner = owner;
    this.#limit = setTimeout(() => {
      this.#lateness = new TimeoutError(`it was not ready within startTimeout, ${startTimeout} s`);
      this.kill();
    }, milliseconds(startTimeout));
    this.#spawned = spawn(this, start);
  }

  get state(): RunState {
    return this.#state;
  }

  get threadId(): number {
    return this.#spawned.threadId;
  }

  get pid(): number {
    return this.#spawned.pid;
  }

  /** See {@link Report}; `null` before it is ready. */
  get capacity(): number | null {
    return this.#capacity;
  }

  /** How it has ended; `null` until then. */
  get exit(): WorkerExit | null {
    return this.#exit;
  }

  /** Seconds since its start. */
  get lifetime(): number {
    return (monotonic() - this.#start) / 1e3;
  }

  /** Whether it accepts no more connections. */
  get isStopped(): boolean {
    return this.#isStopped;
  }

  send(order: Order): void {
    if (this.#state !== RunState.Ended) this.#spawned.send(order);
  }

  /** Lets it finish within `seconds`. A further call may shorten the time. */
  drain(seconds: number): void {
    if (this.#state === RunState.Ended) return;
    const end = monotonic() / 1e3 + seconds;
    if (this.#state === RunState.Draining && end >= this.#end) return;
    this.#state = RunState.Draining;
    this.#end = end;
    this.#setLimit(seconds + GRACE);
    this.#spawned.send({ type: 'drain', seconds });
  }

  /** Ends it at once, as a crash. */
  kill(): void {
    this.#spawned.kill();
  }

  /** Ends it at once, as one that is to end. */
  end(): void {
    if (this.#state === RunState.Ended) return;
    this.#state = RunState.Draining;
    this.#end = 0;
    this.#spawned.kill();
  }

  onReport(report: Report): void {
    if (this.#state === RunState.Ended) return;
    switch (report.type) {
      case 'ready':
        if (this.#state !== RunState.Starting) return;
        this.#state = RunState.Ready;
        this.#capacity = report.capacity;
        this.#setLimit(null);
        this.#owner.onReady(this);
        this.#begun.resolve();
        return;
      case 'stopped':
        this.#stop();
        return;
      case 'failed':
      case 'connections':
      case 'inspected':
        this.#owner.onReport(this, report);
    }
  }

  onExit({ code, signal, error }: WorkerExit): void {
    const exit = { code, signal, error: error ?? this.#lateness };
    this.#setLimit(null);
    this.#stop();
    const wasAsked = this.#state === RunState.Draining;
    this.#state = RunState.Ended;
    this.#exit = exit;
    this.#owner.onEnded(this, exit, wasAsked);
    this.#begun.resolve();
    this.#ended.resolve();
  }

  #stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#owner.onStopped(this);
  }

  #setLimit(seconds: number | null): void {
    if (this.#limit !== null) clearTimeout(this.#limit);
    this.#limit = seconds === null ? null : setTimeout(this.#kill, milliseconds(seconds));
  }

  readonly #kill = (): void => {
    this.kill();
  };
}

/** Seconds that a worker has for its end, after its connections are closed. */
export const GRACE = 5;

/** Seconds as a delay of `setTimeout()`, at most the longest one. */
export function milliseconds(seconds: number): number {
  return Math.min(seconds * 1e3, 2 ** 31 - 1);
}
