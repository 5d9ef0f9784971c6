/** `serveWorkers()`: one loop per core, in threads or processes. */
import { EventEmitter } from 'node:events';
import { assertOwnSockets } from '../../sockets/providers.js';
import { checkInteger, checkOptions } from '../../support/checks.js';
import { nextTick } from '../../support/host.js';
import { workersState } from '../../support/errors.js';
import { INSPECT, viewOf } from '../../support/inspect.js';
import type { Duration } from '../../support/duration.js';
import type { Address } from '../../sockets/address.js';
import { warnOfCrash } from './crash-warning.js';
import { GroupListeners } from './group-listeners.js';
import { checkDrain, checkSpan, groupSettings, type GroupSettings } from './group-options.js';
import type { ServeWorkersOptions } from './group-options.js';
import { onSignals } from './group-signals.js';
import { HandOver } from './hand-over.js';
import type { Beginning, WorkerFigures } from './messages.js';
import { Queries } from './queries.js';
import { FIRST_INHERITED, spawnProcess } from './spawn-process.js';
import { spawnThread } from './spawn-thread.js';
import type { Spawned, SpawnedEvents, WorkerExit } from './spawned.js';
import { GroupState, Supervisor, type SupervisorEvents } from './supervisor.js';
import { taskId } from './task.js';
import { RunState, type WorkerRun } from './worker-run.js';

/** A thread or a process of a {@link WorkerGroup}. */
export interface WorkerInfo {
  /** From 0 to the number of workers - 1; its successors have the same. */
  readonly taskId: number;
  /** The id of its process. */
  readonly pid: number;
  /** The id of its thread; 0 if it is a process. */
  readonly threadId: number;
}

/** A task of a {@link WorkerGroup}, and its present worker. */
export interface TaskState extends Partial<WorkerInfo> {
  readonly taskId: number;
  /** `'waiting'`: a replacement starts later. `'ended'`: there is no worker, and none will start. */
  readonly state: 'starting' | 'ready' | 'draining' | 'waiting' | 'ended';
  /** Replacements of crashed workers. */
  readonly restarts: number;
  /** Its open connections, if connections are handed over; see {@link Balance}. */
  readonly connections?: number;
}

/** The figures of a worker, of {@link WorkerGroup.metrics}. */
export interface WorkerMetrics extends WorkerInfo, WorkerFigures {}

/** The events of a {@link WorkerGroup}, which are emitted after the fact, by `process.nextTick()`. */
export interface WorkerGroupEvents {
  /** A thread or process was started. */
  start: [worker: WorkerInfo];
  /** A worker is ready. */
  ready: [worker: WorkerInfo];
  /** A worker has ended. */
  exit: [worker: WorkerInfo, exit: WorkerExit];
  /** A crashed worker is replaced in `delay` seconds. */
  restart: [taskId: number, delay: number];
}

/**
 * Runs a module in several workers, each with a loop of its own: threads, or processes. The default
 * export of the module is a {@link WorkerMain}:
 *
 * ```js
 * // server.mjs
 * export default defineWorker(({ listen }) => listen(new TCPServer(handleStream)));
 *
 * // main.mjs
 * const group = serveWorkers(new URL('./server.mjs', import.meta.url), { listen: 8888 });
 * await group.ready;
 * ```
 *
 * A worker that crashes is replaced, with growing delays and up to `maxRestarts` times; the warning
 * `IOLOOP_WORKER_CRASHED` says so. One that ends
 * by itself, with code 0, is not. A group keeps the process alive until all of its workers have ended.
 *
 * `module` is a URL or an absolute path. It may be the module that calls this, if the call is made in
 * the main thread only: where {@link taskId} is `null`.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; the errors of
 * {@link bindSockets}; `ERR_IOLOOP_NOT_CLONEABLE` for `data`; `ERR_IOLOOP_WORKERS` within a worker.
 */
export function serveWorkers(module: string | URL, options: ServeWorkersOptions = {}): WorkerGroup {
  if (taskId() !== null) {
    throw workersState(
      'serveWorkers() was called in a worker. Call it where taskId() is null, such as in another module',
    );
  }
  const settings = groupSettings(module, options);
  assertOwnSockets('serveWorkers()');
  return new WorkerGroup(settings);
}

/**
 * The workers of {@link serveWorkers}. Constructing one directly is not supported.
 *
 * `await using` closes it.
 */
export class WorkerGroup extends EventEmitter<WorkerGroupEvents> implements AsyncDisposable {
  /**
   * Resolves when each worker is ready, or has ended by itself while others go on. Rejects with
   * `ERR_IOLOOP_WORKERS_FAILED` if one of them cannot begin, and with `ERR_IOLOOP_WORKERS` if the group
   * has ended before: it was closed, or all workers have ended by themselves.
   */
  readonly ready: Promise<void>;
  /**
   * Resolves when all workers have ended. Rejects with `ERR_IOLOOP_WORKERS_FAILED` if they have crashed
   * too often; those that are left are closed before. A rejection that is not awaited is an unhandled one.
   */
  readonly closed: Promise<void>;
  /** Where the group listens. Also after it was closed. */
  readonly addresses: readonly Address[];
  readonly #settings: GroupSettings;
  readonly #listeners: GroupListeners;
  /** `null` if the workers accept by themselves. */
  readonly #handOver: HandOver | null;
  readonly #supervisor: Supervisor;
  readonly #endSignals: () => void;
  readonly #queries = new Queries();

  /** @internal */
  constructor(settings: GroupSettings) {
    super();
    this.#settings = settings;
    const { listen, balance, workers } = settings;
    this.#listeners = new GroupListeners(listen, balance, workers);
    this.addresses = this.#listeners.addresses;
    this.#handOver = this.#makeHandOver();
    const start = this.#start.bind(this);
    this.#supervisor = new Supervisor({ ...settings, start }, this.#events());
    this.ready = this.#supervisor.ready;
    this.closed = this.#supervisor.ended;
    this.#endSignals = onSignals(
      settings.signals,
      () => {
        this.#supervisor.close();
      },
      () => {
        this.#supervisor.kill();
      },
    );
    this.#supervisor.start();
  }

  /** The port of the first TCP address; 0 if there is none. */
  get port(): number {
    const tcp = this.addresses.find((address) => 'port' in address);
    return tcp?.port ?? 0;
  }

  /** The tasks and their workers, in the order of their ids. */
  get workers(): TaskState[] {
    return this.#supervisor.slots.map(({ id, run, timer, restarts }) => {
      if (run === null) {
        const state = timer === null ? 'ended' : 'waiting';
        return { taskId: id, state, restarts };
      }
      const handed = this.#handOver === null ? {} : { connections: this.#handOver.loadOf(run) };
      return { ...infoOf(run), state: STATES[run.state], restarts, ...handed };
    });
  }

  /**
   * Replaces all workers, one after the other: each gets a successor, and is drained when that is
   * ready. No connection is refused meanwhile. Calls while it goes on share it.
   *
   * Rejects with `ERR_IOLOOP_WORKERS_FAILED` if a successor cannot begin: its predecessor goes on, and
   * so do the workers that are not replaced yet. Rejects with `ERR_IOLOOP_WORKERS` if the group is not
   * ready or was closed.
   */
  restart(): Promise<void> {
    return this.#supervisor.restart();
  }

  /**
   * Ends the worker of a task at once, one that is blocked too. As after a crash, it is replaced; its
   * connections are lost.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` for an id that is not one of a task.
   */
  kill(id: number): void {
    checkInteger('id', id, 0, this.#settings.workers - 1);
    this.#supervisor.slots[id]?.run?.kill();
  }

  /**
   * Stops accepting, and lets the workers finish their connections within `drain`, by default that of
   * {@link serveWorkers}. Resolves when they have ended. A further call may shorten the time.
   *
   * Rejects as {@link closed}, and with `ERR_INVALID_ARG_TYPE` and the like for `drain`.
   */
  async close(options: { readonly drain?: number | Duration | undefined } = {}): Promise<void> {
    checkOptions(options);
    const { drain } = options;
    const seconds = drain === undefined ? this.#settings.drain : checkDrain(drain);
    this.#supervisor.close(seconds);
    await this.closed;
  }

  /** {@link close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /**
   * The figures of the workers that are ready. Left out are those that end meanwhile, and those that do
   * not answer within `timeout` seconds (5 by default): their threads are blocked.
   *
   * Rejects with `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` and `ERR_OUT_OF_RANGE` for `timeout`.
   */
  async metrics(
    options: { readonly timeout?: number | Duration | undefined } = {},
  ): Promise<WorkerMetrics[]> {
    checkOptions(options);
    const seconds = checkSpan('timeout', options.timeout, METRICS_TIMEOUT);
    const runs = this.#supervisor.slots.flatMap(({ run }) =>
      run === null || run.state !== RunState.Ready ? [] : [run],
    );
    const all = await Promise.all(runs.map((run) => this.#queries.inspect(run, seconds)));
    return runs.flatMap((run, at) => {
      const figures = all[at] ?? null;
      return figures === null ? [] : [{ ...infoOf(run), ...figures }];
    });
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    return viewOf(this, #supervisor in this ? this.#view() : {}, { hidden: HIDDEN });
  }

  #view(): object {
    const { state, slots } = this.#supervisor;
    const ready = slots.filter(({ run }) => run?.state === RunState.Ready).length;
    const { runtime, balance, workers } = this.#settings;
    const { addresses } = this;
    return { state: GROUP_STATES[state], runtime, balance, workers, ready, addresses };
  }

  #makeHandOver(): HandOver | null {
    const { balance } = this.#settings;
    if (balance !== 'round-robin' && balance !== 'least-connections') return null;
    try {
      return new HandOver(this.#listeners.all, balance);
    } catch (error) {
      this.#listeners.close();
      throw error;
    }
  }

  #start(id: number, events: SpawnedEvents): Spawned {
    const { module, workers, data, drain, runtime, listen } = this.#settings;
    const numbers = this.#listeners.of(id).map((socket) => socket.fd);
    const isThread = runtime === 'worker_threads';
    const beginning: Beginning = {
      module,
      id,
      workers,
      data,
      drain,
      listeners: isThread ? numbers : numbers.map((_, at) => FIRST_INHERITED + at),
      isListening: listen.length > 0,
      isHandedOver: this.#handOver !== null,
    };
    return isThread
      ? spawnThread(beginning, this.#settings, events)
      : spawnProcess(beginning, numbers, this.#settings, events);
  }

  #events(): SupervisorEvents {
    return {
      onStart: (run) => {
        this.#emit('start', infoOf(run));
      },
      onReady: (run) => {
        if (run.capacity !== null) this.#handOver?.add(run, run.capacity);
        this.#emit('ready', infoOf(run));
      },
      onLeave: (run) => {
        this.#handOver?.leave(run);
      },
      onEnding: () => {
        this.#listeners.refuseNew();
        this.#handOver?.close();
      },
      onStopped: () => {
        // Its workers may have ended by themselves.
        this.#handOver?.close();
        this.#listeners.close();
      },
      onEnded: () => {
        this.#endSignals();
      },
      onReport: (run, report) => {
        if (report.type === 'connections') this.#handOver?.onReport(run, report);
        if (report.type === 'inspected') this.#queries.onReport(report);
      },
      onExit: (run, exit) => {
        this.#handOver?.end(run);
        this.#queries.end(run);
        this.#emit('exit', infoOf(run), exit);
      },
      onRestart: (run, exit, delay) => {
        warnOfCrash(run, exit, delay);
        this.#emit('restart', run.taskId, delay);
      },
    };
  }

  /** Listeners are user code: they run after the supervisor has done its step. */
  #emit<E extends keyof WorkerGroupEvents>(event: E, ...args: WorkerGroupEvents[E]): void {
    nextTick(() => (this as EventEmitter).emit(event, ...args));
  }
}

/** Seconds. */
const METRICS_TIMEOUT = 5;

const STATES = {
  [RunState.Starting]: 'starting',
  [RunState.Ready]: 'ready',
  [RunState.Draining]: 'draining',
  [RunState.Ended]: 'ended',
} as const;

const GROUP_STATES = {
  [GroupState.Starting]: 'starting',
  [GroupState.Running]: 'running',
  [GroupState.Ending]: 'closing',
  [GroupState.Ended]: 'closed',
} as const;

const HIDDEN = [
  'ready',
  'closed',
  'addresses',
  'domain',
  '_events',
  '_eventsCount',
  '_maxListeners',
];

function infoOf({ taskId: id, pid, threadId }: WorkerRun): WorkerInfo {
  return { taskId: id, pid, threadId };
}
