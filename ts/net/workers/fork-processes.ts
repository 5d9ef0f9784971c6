/**
 * `forkProcesses()`, in the manner of `tornado.process.fork_processes()`. Node cannot fork: a child runs
 * the program of its parent from the beginning, and finds its task in the environment.
 */
import { constants } from 'node:os';
import { assertOwnSockets } from '../../sockets/providers.js';
import { isMainThread } from 'node:worker_threads';
import { checkOptions } from '../../support/checks.js';
import type { Duration } from '../../support/duration.js';
import { invalidArgType, unsupported, workersState } from '../../support/errors.js';
import { Socket } from '../../sockets/socket.js';
import { IOLoop } from '../../loop/ioloop.js';
import { drainServers } from '../listening.js';
import { warnOfCrash } from './crash-warning.js';
import { checkDrain, checkSignals, workerCount } from './group-options.js';
import { onSignals } from './group-signals.js';
import { bequeath, checkOrigin } from './inherited.js';
import { Refusal } from './refusal.js';
import { checkMaxRestarts, restartPolicy } from './restart-policy.js';
import { FIRST_INHERITED, spawnTask } from './spawn-process.js';
import { Supervisor } from './supervisor.js';
import { currentTask, forkedTask, type ForkedTask } from './task.js';
import { exitWithin, linkOfProcess } from './worker-link.js';

/** Options of {@link forkProcesses} and `TCPServer.start(n)`. */
export interface ForkProcessesOptions {
  /** Most replacements of crashed processes, of all together; by default 100. */
  readonly maxRestarts?: number | undefined;
  /**
   * Listening sockets of {@link bindSockets} or {@link bindUnixSocket} that the processes inherit: the
   * same call returns them there. The parent keeps them open until no process accepts any more. The
   * file of a Unix socket is removed before the processes accept for the last time.
   */
  readonly sockets?: Iterable<Socket> | undefined;
  /**
   * Longest time in which a process that is stopped finishes its connections, in seconds or as a
   * duration; by default 30.
   */
  readonly drain?: number | Duration | undefined;
  /** Signals of the parent that stop all processes; by default SIGTERM and SIGINT. */
  readonly signals?: readonly NodeJS.Signals[] | undefined;
}

/**
 * Starts `processes` processes that run the program of this one; 0 or `null` stands for one per CPU.
 *
 * In each of them the same call returns a promise of its id, from 0 to `processes - 1`
 * ({@link taskId}). In the parent the promise is never resolved: a process that ends with another code
 * than 0, or by a signal, is replaced by one with the same id, and when all have ended with 0, so does the
 * parent (`process.exit(0)`). It rejects with `ERR_IOLOOP_WORKERS_FAILED` when a process crashes after
 * `maxRestarts` replacements, or before it has called this function.
 *
 * On SIGTERM and SIGINT of the parent, each process stops its servers with `drain`, then its current
 * loop. On a SIGTERM or SIGINT of its own, or when the parent has ended, it does the same; the exit code
 * is then 128 and the number of the signal, so that it is replaced.
 *
 * Call it once, and early: what comes before runs in the parent and in each process.
 *
 * Differs from Tornado: the program is run again, instead of continued.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; `ERR_IOLOOP_WORKERS` for
 * a second call; `ERR_IOLOOP_UNSUPPORTED` in a worker thread.
 */
export function forkProcesses(
  processes: number | null = 0,
  options: ForkProcessesOptions = {},
): Promise<number> {
  checkOptions(options);
  assertOwnSockets('forkProcesses()');
  const workers = workerCount('processes', processes);
  const settings = {
    workers,
    drain: checkDrain(options.drain),
    restart: restartPolicy({ maxRestarts: checkMaxRestarts(options.maxRestarts) }),
    signals: checkSignals(options.signals),
    sockets: [...checkSockets(options.sockets)],
  };
  if (!isMainThread) {
    throw unsupported('forkProcesses() in a worker thread', 'Call it in the main thread');
  }
  const isFirst = !wasCalled;
  const task = forkedTask();
  if (!isFirst || (task === null && currentTask() !== null)) {
    throw workersState('The processes were started already: call forkProcesses() once');
  }
  wasCalled = true;
  return task === null ? supervise(settings) : Promise.resolve(join(task));
}

interface ForkSettings {
  readonly workers: number;
  readonly drain: number;
  readonly restart: ReturnType<typeof restartPolicy>;
  readonly signals: readonly NodeJS.Signals[];
  readonly sockets: readonly Socket[];
}

/** In this process. */
let wasCalled = false;

/** Never resolves. */
async function supervise(settings: ForkSettings): Promise<never> {
  const { workers, drain, sockets } = settings;
  const refusal = new Refusal(sockets);
  const supervisor = new Supervisor(
    {
      ...settings,
      startTimeout: Infinity,
      start: (id, events) => {
        const { calls, numbers } = bequeath(sockets, FIRST_INHERITED);
        const task = { id, workers, drain, parent: process.pid, sockets: calls };
        return spawnTask(task, numbers, events);
      },
    },
    {
      onRestart: warnOfCrash,
      onEnding: () => {
        refusal.begin();
      },
      onStopped: () => {
        refusal.begin();
        for (const socket of sockets) socket.close();
      },
      onEnded: () => {
        endSignals();
      },
    },
  );
  const endSignals = onSignals(
    settings.signals,
    () => {
      supervisor.close();
    },
    () => {
      supervisor.kill();
    },
  );
  supervisor.start();
  try {
    await supervisor.ready;
  } catch (error) {
    // A signal may have ended the group before all of its processes had begun.
    if ((error as { code?: unknown }).code !== 'ERR_IOLOOP_WORKERS') throw error;
  }
  await supervisor.ended;
  process.exit(0);
}

/** This process is a task. */
function join(task: ForkedTask): number {
  let isDraining = false;
  const drain = async (seconds: number): Promise<void> => {
    const drained = drainServers(seconds);
    if (isDraining) return drained;
    isDraining = true;
    link.report({ type: 'stopped' });
    await drained;
    // If it does not run yet, its `start()` returns at once.
    IOLoop.current().stop();
    link.close();
  };
  const link = linkOfProcess(
    (order) => {
      if (order.type !== 'drain') return;
      process.exitCode = 0;
      void drain(order.seconds);
    },
    () => {
      exitWithin(task.drain);
      void drain(task.drain);
    },
  );
  // The loop keeps the process alive while it runs, and the channel does not.
  process.channel?.unref();
  onSignals(['SIGTERM', 'SIGINT'], (signal) => {
    // Not 0, which is a process that has done its work and is not replaced.
    if (!isDraining) process.exitCode = 128 + constants.signals[signal];
    void drain(task.drain);
  });
  link.report({ type: 'ready', capacity: null });
  return task.id;
}

function checkSockets(sockets: Iterable<Socket> | undefined): Iterable<Socket> {
  if (sockets === undefined) return [];
  if (typeof sockets !== 'object' || !(Symbol.iterator in sockets)) {
    throw invalidArgType('sockets', sockets, 'an iterable of sockets');
  }
  for (const socket of sockets) {
    if (!(socket instanceof Socket)) throw invalidArgType('sockets', socket, 'sockets');
    checkOrigin(socket);
  }
  return sockets;
}
