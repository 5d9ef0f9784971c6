/** Groups of workers in tests: the program of the workers, and groups that end with their test. */
import { once } from 'node:events';
import type { ExecutionContext } from 'ava';
import {
  serveWorkers,
  type ServeWorkersOptions,
  type WorkerExit,
  type WorkerGroup,
  type WorkerInfo,
} from 'ioloop';
import type { ProgramData } from './worker-program.js';

/** The program of the workers. */
export const PROGRAM = new URL('./worker-program.js', import.meta.url);

export const RUNTIMES = ['worker_threads', 'child_process'] as const;
type Runtime = (typeof RUNTIMES)[number];

interface TestOptions extends ServeWorkersOptions {
  readonly data?: ProgramData;
}

/** A group of two workers on a port of the system, closed after the test. */
export function serve(
  t: ExecutionContext,
  runtime: Runtime,
  options: TestOptions = {},
): WorkerGroup {
  const listen = { port: 0, address: '127.0.0.1' };
  const group = serveWorkers(PROGRAM, { workers: 2, runtime, listen, signals: [], ...options });
  t.teardown(() => group.close({ drain: 0 }).catch(() => {}));
  return group;
}

/** The next crash or end of a worker. */
export async function exitOf(group: WorkerGroup): Promise<[WorkerInfo, WorkerExit]> {
  return (await once(group, 'exit')) as [WorkerInfo, WorkerExit];
}
