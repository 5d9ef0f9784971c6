/** Which task of a group of workers this thread or process is. */
import { isMainThread } from 'node:worker_threads';
import { environment } from '../../support/environment.js';

/** The task of a thread or process, which its successors get as well. */
export interface Task {
  /** From 0 to `workers - 1`. */
  readonly id: number;
  /** The number of tasks of the group. */
  readonly workers: number;
}

/** What a child of `forkProcesses()` gets by its environment. */
export interface ForkedTask extends Task {
  /** The process that has started it: a grandchild inherits the environment, and is no task. */
  readonly parent: number;
  /** Seconds. */
  readonly drain: number;
  /** The listening sockets that it inherits, by the call that has bound them. */
  readonly sockets: readonly InheritedSockets[];
}

/** Sockets of one call of `bindSockets()` or `bindUnixSocket()`. */
export interface InheritedSockets {
  /** See `keyOf` in `inherited.ts`. */
  readonly key: string;
  readonly numbers: readonly number[];
}

/** The name of the variable of a {@link ForkedTask}, as JSON. */
export const TASK_VARIABLE = 'IOLOOP_TASK';

/**
 * The id of this thread or process in its group, from 0 to the number of workers - 1; `null` if it is
 * a worker neither of {@link serveWorkers} nor of {@link forkProcesses}. A worker that replaces
 * another one has its id.
 */
export function taskId(): number | null {
  return currentTask()?.id ?? null;
}

/** The task of this thread or process; `null` if it has none. */
export function currentTask(): Task | null {
  return current ?? forkedTask();
}

/** This thread or process is a worker of `serveWorkers()`. */
export function becomeTask(task: Task): void {
  current = task;
}

/** The task of a child of `forkProcesses()`; `null` elsewhere, and in its other threads. */
export function forkedTask(): ForkedTask | null {
  if (forked === undefined) {
    const text = isMainThread ? environment(TASK_VARIABLE) : undefined;
    const task = text === undefined ? null : (JSON.parse(text) as ForkedTask);
    forked = task !== null && isChildOf(task.parent) ? task : null;
    // Processes that this one starts are not tasks.
    if (text !== undefined) delete process.env[TASK_VARIABLE];
  }
  return forked;
}

/**
 * Whether `parent` has started this process, and not one of its children. It may have ended since: then
 * this process has another parent, and is to end, and not to start processes itself.
 */
function isChildOf(parent: number): boolean {
  if (process.ppid === parent || process.ppid === 1) return true;
  try {
    process.kill(parent, 0);
    return false;
  } catch (error) {
    return (error as { code?: unknown }).code === 'ESRCH';
  }
}

let current: Task | null = null;
/** `undefined` until the environment is read. */
let forked: ForkedTask | null | undefined;
