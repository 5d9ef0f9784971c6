/** The warning about a crashed worker. */
import type { WorkerExit } from './spawned.js';
import type { WorkerRun } from './worker-run.js';

/** How a worker has ended, as the end of a sentence. */
export function describeExit({ code, signal, error }: WorkerExit): string {
  if (error !== null) return error.message;
  return signal === null ? `exit code ${code}` : `signal ${signal}`;
}

/** Emits the warning `IOLOOP_WORKER_CRASHED`. Back-off limits their number. `delay` is in seconds. */
export function warnOfCrash(run: WorkerRun, exit: WorkerExit, delay: number): void {
  const { taskId, threadId, pid } = run;
  const worker = `worker ${taskId} (${threadId === 0 ? `process ${pid}` : `thread ${threadId}`})`;
  process.emitWarning(
    `The ${worker} has ended: ${describeExit(exit)}. A new one starts in ${delay} s`,
    {
      code: 'IOLOOP_WORKER_CRASHED',
      ...(exit.error?.stack === undefined ? {} : { detail: exit.error.stack }),
    },
  );
}
