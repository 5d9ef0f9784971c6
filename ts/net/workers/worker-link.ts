/** The channel of a worker to its supervisor. */
import { workerData, type MessagePort } from 'node:worker_threads';
import type { Beginning, Order, Report } from './messages.js';
import type { Envelope } from './spawn-process.js';
import { GRACE, milliseconds } from './worker-run.js';

export interface WorkerLink {
  report(report: Report): void;
  /** Keeps the thread or process alive no longer, if it did. */
  close(): void;
}

/** Calls `onOrder` with each order; with that to drain as well when the supervisor has ended. */
export function linkOfThread(onOrder: (order: Order) => void): WorkerLink {
  const { port, beginning } = workerData as { port: MessagePort; beginning: Beginning };
  port.on('message', onOrder);
  // As if it had come by the port: in a later task.
  setImmediate(() => {
    onOrder({ type: 'begin', beginning });
  });
  return {
    report: (report) => {
      port.postMessage(report);
    },
    close: () => {
      port.unref();
    },
  };
}

/** {@link linkOfThread} of a process, by its channel of `node:child_process`. */
export function linkOfProcess(onOrder: (order: Order) => void, onOrphaned: () => void): WorkerLink {
  process.on('message', (message) => {
    const order = (message as Partial<Envelope<Order>> | null)?.ioloop;
    if (order !== undefined) onOrder(order);
  });
  process.once('disconnect', onOrphaned);
  // It may have ended while this process was loading.
  if (!process.connected) setImmediate(onOrphaned);
  return {
    report: (report) => {
      if (process.connected) process.send?.({ ioloop: report } satisfies Envelope<Report>, ignore);
    },
    close: () => {
      process.removeListener('disconnect', onOrphaned);
      process.channel?.unref();
    },
  };
}

/** The end of a process whose supervisor is gone: nothing else would end one that does not drain. */
export function exitWithin(drain: number): void {
  setTimeout(() => process.exit(1), milliseconds(drain + GRACE)).unref();
}

function ignore(): void {}
