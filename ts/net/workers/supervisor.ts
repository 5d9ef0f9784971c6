/**
 * Keeps a worker for each task of a group: starts them, replaces those that crash, restarts all of them
 * one by one, and ends them.
 *
 * | State of the group | Next |
 * | --- | --- |
 * | starting | running: every task has begun, with a worker that was ready or has ended by itself; ending |
 * | running | ending: {@link Supervisor.close}, a failure, or all workers have ended by themselves |
 * | ending | ended: the last worker has ended |
 * | ended | |
 *
 * A worker that crashes while the group starts is a failure of the group: its program cannot begin.
 */
import { clearTimeout, monotonic, setTimeout } from '../../support/host.js';
import { workersFailed, workersState } from '../../support/errors.js';
import { Deferred } from '../../support/deferred.js';
import { describeExit } from './crash-warning.js';
import type { Report } from './messages.js';
import { Restarts, type RestartPolicy } from './restart-policy.js';
import type { Spawned, SpawnedEvents, WorkerExit } from './spawned.js';
import { RunState, WorkerRun, type RunOwner } from './worker-run.js';

export const enum GroupState {
  Starting,
  Running,
  Ending,
  Ended,
}

export interface SupervisorSettings {
  readonly workers: number;
  /** Seconds. */
  readonly drain: number;
  readonly restart: RestartPolicy;
  /** Seconds; Infinity if its workers report nothing. */
  readonly startTimeout: number;
  /** Starts the thread or process of a task. May throw. */
  readonly start: (taskId: number, events: SpawnedEvents) => Spawned;
}

/** The events of a group. All are optional; none may throw. */
export interface SupervisorEvents {
  onStart?(run: WorkerRun): void;
  onReady?(run: WorkerRun): void;
  /** Before a worker is asked to end, and when it ends without: it gets no more connections. */
  onLeave?(run: WorkerRun): void;
  /** The group ends: before its workers are asked to. */
  onEnding?(): void;
  /** No worker accepts connections any more, and none will. */
  onStopped?(): void;
  /** The last worker has ended. */
  onEnded?(): void;
  onReport?(run: WorkerRun, report: Report): void;
  onExit?(run: WorkerRun, exit: WorkerExit): void;
  /** The task of `run`, which has crashed, gets another worker in `delay` seconds. */
  onRestart?(run: WorkerRun, exit: WorkerExit, delay: number): void;
}

/** The worker of a task. */
interface Slot {
  readonly id: number;
  /** `null` before a replacement starts, and if the worker has ended by itself. */
  run: WorkerRun | null;
  /** The one that is started to take its place, by {@link Supervisor.restart}. */
  successor: WorkerRun | null;
  /** Until the start of a replacement. */
  timer: NodeJS.Timeout | null;
  /** Its worker was ready, or has ended by itself before. */
  hasBegun: boolean;
  restarts: number;
}

export class Supervisor implements RunOwner {
  /** Resolves when the group runs; rejects if it fails or ends before. */
  readonly ready: Promise<void>;
  /** Resolves when the last worker has ended; rejects if the group has failed. */
  readonly ended: Promise<void>;
  readonly #settings: SupervisorSettings;
  readonly #events: SupervisorEvents;
  readonly #restarts: Restarts;
  readonly #slots: readonly Slot[];
  readonly #runs = new Set<WorkerRun>();
  readonly #ready = new Deferred();
  readonly #ended = new Deferred();
  #state = GroupState.Starting;
  #failure: Error | null = null;
  #hasRun = false;
  #isStopped = false;
  #rolling: Promise<void> | null = null;

  constructor(settings: SupervisorSettings, events: SupervisorEvents) {
    this.#settings = settings;
    this.#events = events;
    this.#restarts = new Restarts(settings.restart);
    this.ready = this.#ready.promise;
    this.ended = this.#ended.promise;
    this.#slots = Array.from({ length: settings.workers }, (_, id) => ({
      id,
      run: null,
      successor: null,
      timer: null,
      hasBegun: false,
      restarts: 0,
    }));
  }

  get state(): GroupState {
    return this.#state;
  }

  /** The tasks, in the order of their ids. */
  get slots(): readonly Readonly<Slot>[] {
    return this.#slots;
  }

  /** Starts all workers. */
  start(): void {
    for (const slot of this.#slots) slot.run = this.#spawn(slot);
  }

  /**
   * Replaces the workers one after the other: each gets a successor, and is asked to end when that is
   * ready. Calls while it goes on share it.
   *
   * Rejects with `ERR_IOLOOP_WORKERS_FAILED` if a successor cannot begin, whose predecessor goes on;
   * with `ERR_IOLOOP_WORKERS` if the group does not run, or ends meanwhile.
   */
  restart(): Promise<void> {
    this.#rolling ??= this.#roll().finally(() => {
      this.#rolling = null;
    });
    return this.#rolling;
  }

  /** Lets all workers finish within `drain` seconds. A further call may shorten the time. */
  close(drain = this.#settings.drain): void {
    if (this.#state >= GroupState.Ending) {
      for (const run of this.#runs) run.drain(drain);
      return;
    }
    this.#state = GroupState.Ending;
    this.#events.onEnding?.();
    for (const slot of this.#slots) this.#cancel(slot);
    for (const run of this.#runs) this.#drain(run, drain);
    this.#settle();
  }

  /** Ends all workers at once. */
  kill(): void {
    if (this.#state < GroupState.Ending) this.close(0);
    for (const run of this.#runs) run.end();
  }

  onReady(run: WorkerRun): void {
    const slot = this.#slotOf(run);
    slot.hasBegun = true;
    this.#events.onReady?.(run);
    if (slot.successor === run) {
      const predecessor = slot.run;
      slot.run = run;
      slot.successor = null;
      if (predecessor !== null) this.#drain(predecessor, this.#settings.drain);
    }
    this.#begin();
  }

  onStopped(run: WorkerRun): void {
    if (run.state < RunState.Draining) this.#events.onLeave?.(run);
    this.#settle();
  }

  onReport(run: WorkerRun, report: Report): void {
    this.#events.onReport?.(run, report);
  }

  onEnded(run: WorkerRun, exit: WorkerExit, wasAsked: boolean): void {
    const slot = this.#slotOf(run);
    this.#runs.delete(run);
    const isCurrent = slot.run === run;
    if (isCurrent) slot.run = null;
    const wasSuccessor = slot.successor === run;
    if (wasSuccessor) slot.successor = null;
    this.#events.onExit?.(run, exit);
    if (this.#state < GroupState.Ending && !wasAsked && isCurrent) this.#replace(slot, run, exit);
    // Its predecessor has crashed meanwhile, and nothing else would start a worker.
    if (this.#state < GroupState.Ending && wasSuccessor && slot.run === null) {
      this.#replace(slot, run, exit);
    }
    this.#settle();
  }

  #replace(slot: Slot, run: WorkerRun, exit: WorkerExit): void {
    // A successor has started already.
    if (slot.successor !== null) return;
    // As in Tornado, a worker that ends by itself without an error has done its work.
    if (exit.code === 0 && exit.error === null) {
      slot.hasBegun = true;
      if (this.#runs.size > 0) this.#begin();
      return;
    }
    if (this.#state === GroupState.Starting && !slot.hasBegun) {
      this.#fail(
        workersFailed(`worker ${slot.id} cannot begin: ${describeExit(exit)}`, exit.error),
      );
      return;
    }
    const delay = this.#restarts.next(slot.id, monotonic() / 1e3, run.lifetime);
    if (delay === null) {
      const { maxRestarts } = this.#settings.restart;
      const why = `worker ${slot.id} has ended (${describeExit(exit)}) after ${maxRestarts} restarts`;
      this.#fail(workersFailed(why, exit.error));
      return;
    }
    slot.restarts += 1;
    this.#events.onRestart?.(run, exit, delay);
    // Also the first one in a later task: never within an event of the one before.
    slot.timer = setTimeout(() => {
      slot.timer = null;
      slot.run = this.#spawn(slot);
    }, delay * 1e3);
  }

  /** The group runs when all of its tasks have begun. */
  #begin(): void {
    if (this.#state !== GroupState.Starting) return;
    if (!this.#slots.every(({ hasBegun }) => hasBegun)) return;
    this.#state = GroupState.Running;
    this.#hasRun = true;
    this.#ready.resolve();
  }

  async #roll(): Promise<void> {
    if (this.#state !== GroupState.Running) {
      throw workersState('The group does not run. Await its promise "ready" first');
    }
    for (const slot of this.#slots) {
      const { run } = slot;
      if (run === null && slot.timer === null) continue;
      this.#cancel(slot);
      const successor = this.#spawn(slot);
      slot.successor = successor;
      await successor.begun;
      this.#assertNotClosed();
      if (successor.state === RunState.Ended) {
        const { exit } = successor;
        const why = exit === null ? '' : `: ${describeExit(exit)}`;
        const message = `the successor of worker ${slot.id} cannot begin${why}`;
        throw workersFailed(message, exit?.error ?? null);
      }
      await run?.ended;
      this.#assertNotClosed();
    }
  }

  /** During {@link restart}: nothing would end a successor that starts later. */
  #assertNotClosed(): void {
    if (this.#state === GroupState.Running) return;
    throw workersState('The group was closed during restart()');
  }

  #spawn(slot: Slot): WorkerRun {
    const { startTimeout, start } = this.#settings;
    const run = new WorkerRun(slot.id, this, startTimeout, (events) => start(slot.id, events));
    this.#runs.add(run);
    this.#events.onStart?.(run);
    return run;
  }

  #drain(run: WorkerRun, drain: number): void {
    if (run.state < RunState.Draining) this.#events.onLeave?.(run);
    run.drain(drain);
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.close();
  }

  /** A replacement that waits does not start. */
  #cancel(slot: Slot): void {
    if (slot.timer !== null) clearTimeout(slot.timer);
    slot.timer = null;
  }

  /** Whether the group is over. */
  #settle(): void {
    const waits = this.#slots.some(({ timer }) => timer !== null);
    if (waits || this.#state === GroupState.Ended) return;
    if (this.#runs.size === 0) this.#state = GroupState.Ending;
    if (this.#state !== GroupState.Ending) return;
    if (!this.#isStopped && [...this.#runs].every((run) => run.isStopped)) {
      this.#isStopped = true;
      this.#events.onStopped?.();
    }
    if (this.#runs.size > 0) return;
    this.#state = GroupState.Ended;
    this.#events.onEnded?.();
    const failure = this.#failure;
    // A failure that is not awaited is an unhandled rejection: of `ready`, or else of `ended`.
    if (failure === null) {
      this.#ready.rejectQuietly(workersState('The group has ended before it was ready'));
      this.#ended.resolve();
    } else if (this.#hasRun) {
      this.#ended.reject(failure);
    } else {
      this.#ready.reject(failure);
      this.#ended.rejectQuietly(failure);
    }
  }

  #slotOf(run: WorkerRun): Slot {
    return this.#slots[run.taskId] as Slot;
  }
}
