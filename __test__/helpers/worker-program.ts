/** The program of workers under test: answers lines, and fails when it is asked to. */
import { threadId } from 'node:worker_threads';
import { defineWorker, TCPServer, type IOStream } from 'ioloop';

/** The data of a worker under test. */
export interface ProgramData {
  /** Ids of tasks whose program throws before it listens, at each start. */
  readonly broken?: readonly number[];
  /** Does not listen, and ends by itself. */
  readonly idle?: boolean;
  /** A timer that would keep the worker alive. */
  readonly timer?: boolean;
  readonly maxConnections?: number;
}

/**
 * A line is answered with the id of the task, the process and the thread; `crash` throws out of every
 * guard, `exit N` calls `process.exit()`, `stop` stops the server, `block` its thread, `wait` is answered
 * when the worker is to end, `hold` and `task` (with the id) are not until the client has ended.
 */
export default defineWorker<ProgramData | undefined>((task) => {
  const { broken = [], idle = false, timer = false, maxConnections } = task.data ?? {};
  if (broken.includes(task.taskId)) throw Object.assign(new Error('broken'), { code: 'EBROKEN' });
  if (timer) setInterval(() => {}, 1e6);
  if (idle) {
    task.loop.stop();
    return;
  }
  const handleStream = async (stream: IOStream): Promise<void> => {
    const [command = '', argument] = String(await stream.readUntil('\n'))
      .trim()
      .split(' ');
    switch (command) {
      case 'crash':
        setImmediate(() => {
          throw new Error('crashed');
        });
        return;
      case 'exit':
        process.exit(Number(argument));
      case 'block':
        await stream.write('blocked\n');
        for (;;);
      case 'stop':
        void server.stop();
        break;
      case 'wait':
        await new Promise((resolve) => {
          if (task.signal.aborted) resolve(null);
          else task.signal.addEventListener('abort', resolve);
        });
        break;
      case 'task':
        await stream.write(`${task.taskId}\n`);
        await stream.readUntilClose();
        return;
      case 'hold':
        await stream.write('held\n');
        await stream.readUntilClose();
    }
    await stream.write(`${task.taskId} ${process.pid} ${threadId}\n`);
    await stream.end();
  };
  const server = new TCPServer({ handleStream, maxConnections });
  task.listen(server);
});
