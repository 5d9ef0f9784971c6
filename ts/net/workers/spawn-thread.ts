/** Workers that are threads of this process. */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';
import { failureOf } from '../../loop/remote-failure.js';
import { toError } from '../../support/errors.js';
import { isEvaluated } from './exec-argv.js';
import type { Beginning, Report } from './messages.js';
import type { Spawned, SpawnedEvents } from './spawned.js';
import { OWN_URL } from '../../support/own-url.js';

/** Options of threads and processes. */
export interface SpawnOptions {
  readonly env: Readonly<Record<string, string | undefined>> | undefined;
  readonly execArgv: readonly string[] | undefined;
}

/** Starts a thread. @throws The errors of `new Worker()`. */
export function spawnThread(
  beginning: Beginning,
  { env, execArgv }: SpawnOptions,
  events: SpawnedEvents,
): Spawned {
  // A port of its own leaves `parentPort` to the program.
  const { port1: port, port2 } = new MessageChannel();
  // A thread inherits the options of the process, but refuses many of them when they are passed.
  const argv = execArgv ?? (isEvaluated(process.execArgv) ? [] : undefined);
  const worker = new Worker(new URL('./worker-program.js', OWN_URL), {
    name: `ioloop worker ${beginning.id}`,
    workerData: { port: port2, beginning },
    transferList: [port2],
    ...(env === undefined ? {} : { env: { ...env } }),
    ...(argv === undefined ? {} : { execArgv: [...argv] }),
  });
  const { threadId } = worker;
  let error: Error | null = null;
  const receive = (report: Report): void => {
    if (report.type === 'failed') error = toError(failureOf(report.failure));
    events.onReport(report);
  };
  port.on('message', receive);
  port.unref();
  worker.on('error', (thrown) => {
    error = toError(thrown);
  });
  worker.on('exit', (code) => {
    for (let last; (last = receiveMessageOnPort(port)) !== undefined;) {
      receive(last.message as Report);
    }
    port.close();
    events.onExit({ code, signal: null, error });
  });
  return {
    threadId,
    pid: process.pid,
    send: (order) => {
      port.postMessage(order);
    },
    kill: () => {
      void worker.terminate();
    },
  };
}
