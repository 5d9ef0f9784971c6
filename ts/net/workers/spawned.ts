/** Threads and processes as a supervisor has them. */
import type { Order, Report } from './messages.js';

/** How a worker has ended. */
export interface WorkerExit {
  /** `null` if a signal has ended it, or it could not be started. */
  readonly code: number | null;
  /** The signal that has ended a process. */
  readonly signal: NodeJS.Signals | null;
  /** The uncaught error of a thread, or the failure of its module or its start, if it is known. */
  readonly error: Error | null;
}

/** A thread or a process. Its methods never throw. */
export interface Spawned {
  /** The id of the thread; 0 for a process. */
  readonly threadId: number;
  readonly pid: number;
  send(order: Order): void;
  /** Ends it at once. */
  kill(): void;
}

/** The events of a {@link Spawned}. */
export interface SpawnedEvents {
  onReport(report: Report): void;
  /** Called once, last, and never within the call that has started it. */
  onExit(exit: WorkerExit): void;
}

/** Starts a thread or process. If that fails, it ends with the error. */
export function spawn(events: SpawnedEvents, start: (events: SpawnedEvents) => Spawned): Spawned {
  try {
    return start(events);
  } catch (error) {
    queueMicrotask(() => {
      events.onExit({ code: null, signal: null, error: error as Error });
    });
    return UNSTARTED;
  }
}

const UNSTARTED: Spawned = { threadId: 0, pid: 0, send: () => {}, kill: () => {} };
