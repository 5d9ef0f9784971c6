/** Workers that are processes. */
import type { ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { failureOf } from '../../loop/remote-failure.js';
import { nodeChildProcess } from '../../support/builtins.js';
import { toError } from '../../support/errors.js';
import { withoutEval } from './exec-argv.js';
import type { Beginning, Order, Report } from './messages.js';
import type { SpawnOptions } from './spawn-thread.js';
import type { Spawned, SpawnedEvents } from './spawned.js';
import { TASK_VARIABLE, type ForkedTask } from './task.js';
import { OWN_URL } from '../../support/own-url.js';

/** The number of the first descriptor that a child inherits. Those before are stdio and the channel. */
export const FIRST_INHERITED = 4;

/** A message between a supervisor and its process. The program may use the channel as well. */
export interface Envelope<M> {
  readonly ioloop: M;
}

/** Starts a worker of `serveWorkers()`. `numbers` are its listeners. @throws Those of `fork()`. */
export function spawnProcess(
  beginning: Beginning,
  numbers: readonly number[],
  { env = process.env, execArgv = process.execArgv }: SpawnOptions,
  events: SpawnedEvents,
): Spawned {
  const program = fileURLToPath(new URL('./worker-program.js', OWN_URL));
  const child = nodeChildProcess().fork(program, [], {
    env,
    execArgv: withoutEval(execArgv),
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...numbers],
  });
  const spawned = supervise(child, events);
  spawned.send({ type: 'begin', beginning });
  return spawned;
}

/** Runs the program of this process once more, as a task. @throws Those of `spawn()`. */
export function spawnTask(
  task: ForkedTask,
  numbers: readonly number[],
  events: SpawnedEvents,
): Spawned {
  const child = nodeChildProcess().spawn(
    process.execPath,
    [...process.execArgv, ...process.argv.slice(1)],
    {
      env: { ...process.env, [TASK_VARIABLE]: JSON.stringify(task) },
      serialization: 'advanced',
      stdio: ['inherit', 'inherit', 'inherit', 'ipc', ...numbers],
    },
  );
  return supervise(child, events);
}

function supervise(child: ChildProcess, events: SpawnedEvents): Spawned {
  let error: Error | null = null;
  child.on('message', (message) => {
    const report = (message as Partial<Envelope<Report>> | null)?.ioloop;
    // The program may send what it likes.
    if (typeof report?.type !== 'string') return;
    if (report.type === 'failed') error = toError(failureOf(report.failure));
    events.onReport(report);
  });
  child.on('error', (failure) => {
    error = failure;
    // It was not started, so that there is no 'exit'.
    if (child.pid === undefined) events.onExit({ code: null, signal: null, error });
  });
  child.on('exit', (code, signal) => {
    const end = (): void => {
      events.onExit({ code, signal, error });
    };
    // The last messages come before 'disconnect', and perhaps after 'exit'.
    if (child.connected) child.once('disconnect', end);
    else end();
  });
  return {
    threadId: 0,
    pid: child.pid ?? 0,
    send: (order) => {
      // A child that has ended, or closed the channel, is reported by 'exit'.
      if (child.connected) child.send({ ioloop: order } satisfies Envelope<Order>, ignore);
    },
    kill: () => {
      child.kill('SIGKILL');
    },
  };
}

function ignore(): void {}
