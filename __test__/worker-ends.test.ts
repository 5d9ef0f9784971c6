/** Groups of workers that end: at the wrong moment, in the wrong way, with connections that wait. */
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import {
  bindUnixSocket,
  serveWorkers,
  type ServeWorkersOptions,
  type WorkerExit,
  type WorkerGroup,
} from 'ioloop';
import { send } from './helpers/ask.js';
import { openFds } from './helpers/fds.js';
import { PROGRAM, RUNTIMES } from './helpers/worker-groups.js';

function start(
  t: ExecutionContext,
  module: URL | string,
  options: ServeWorkersOptions,
): WorkerGroup {
  const group = serveWorkers(module, { signals: [], ...options });
  t.teardown(() => group.close({ drain: 0 }).catch(() => {}));
  return group;
}

/** A module of a worker. */
function program(source: string): string {
  const imports = `import * as ioloop from ${JSON.stringify(import.meta.resolve('ioloop'))};`;
  return `data:text/javascript,${encodeURIComponent(`${imports}\n${source}`)}`;
}

/** All that a client gets, or the code of its error. */
async function answerOf(client: Socket): Promise<string> {
  let answer = '';
  try {
    for await (const chunk of client) answer += String(chunk);
  } catch (error) {
    return String((error as { code?: unknown }).code);
  }
  return answer;
}

/** The ways in which connections get to workers. */
const WAYS = [
  { runtime: 'worker_threads', balance: 'reuse-port' },
  { runtime: 'worker_threads', balance: 'shared' },
  { runtime: 'worker_threads', balance: 'round-robin' },
  { runtime: 'worker_threads', balance: 'least-connections' },
  { runtime: 'child_process', balance: 'reuse-port' },
  { runtime: 'child_process', balance: 'shared' },
] as const;

for (const way of WAYS) {
  test.serial(
    `${way.runtime}, ${way.balance}: a close answers a backlog of 700 connections`,
    async (t) => {
      const listen = { port: 0, address: '127.0.0.1', backlog: 1024 };
      const group = start(t, PROGRAM, { ...way, workers: 2, listen });
      await group.ready;
      const clients = Array.from({ length: 700 }, () => send(group.port, 'who'));
      const answers = clients.map(answerOf);
      // They are established in this tick, and most of them are in the backlogs.
      await new Promise(setImmediate);
      await group.close();
      for (const answer of await Promise.all(answers)) t.regex(answer, /^[01] \d+ \d+\n$/);
    },
  );
}

for (const runtime of RUNTIMES) {
  test.serial(
    `${runtime}: a worker that ends by itself before it is ready does not keep the group from being so`,
    async (t) => {
      const module = program(`
        if (ioloop.taskId() === 1) process.exit(0);
        export default () => {};`);
      const group = start(t, module, { runtime, workers: 2 });
      await group.ready;
      t.deepEqual(
        group.workers.map(({ state }) => state),
        ['ready', 'ended'],
      );
    },
  );

  test.serial(`${runtime}: a group closes while a module is loading that never ends`, async (t) => {
    const module = program(`
      globalThis.timer = setInterval(() => {}, 1e6);
      await new Promise(() => {});
      export default () => {};`);
    const group = start(t, module, { runtime, workers: 1 });
    const refused = t.throwsAsync(group.ready, { code: 'ERR_IOLOOP_WORKERS' });
    const exited = once(group, 'exit') as Promise<[unknown, WorkerExit]>;
    await once(group, 'start');
    // Longer than a test may take.
    await group.close({ drain: 1000 });
    t.like((await exited)[1], { code: 0, signal: null });
    await refused;
  });

  test.serial(
    `${runtime}: a close shortens the drain of a restart, and of another close`,
    async (t) => {
      const listen = { port: 0, address: '127.0.0.1' };
      const group = start(t, PROGRAM, { runtime, workers: 1, listen, drain: 1000 });
      await group.ready;
      const client = send(group.port, 'hold');
      await once(client, 'data');
      const successor = once(group, 'ready');
      const restarted = t.throwsAsync(group.restart(), { code: 'ERR_IOLOOP_WORKERS' });
      await successor;
      const exits: (number | null)[] = [];
      group.on('exit', (_worker, { code }) => exits.push(code));
      const slowly = group.close();
      await group.close({ drain: 0 });
      await slowly;
      await new Promise(setImmediate);
      // The predecessor was drained, and not killed.
      t.deepEqual(exits, [0, 0]);
      await restarted;
      client.destroy();
    },
  );

  test.serial(
    `${runtime}: a drain waits for connections of a server that was stopped`,
    async (t) => {
      const module = program(`
      export default ({ listen, signal }) => {
        const server = new ioloop.TCPServer(async (stream) => {
          void server.stop();
          signal.addEventListener('abort', () => stream.write('draining'));
          await stream.write('open');
          await stream.readBytes(1);
          await stream.write('done');
          await stream.end();
        });
        listen(server);
      };`);
      const listen = { port: 0, address: '127.0.0.1' };
      const group = start(t, module, { runtime, workers: 1, listen });
      await group.ready;
      const client = connect(group.port, '127.0.0.1');
      t.is(String((await once(client, 'data'))[0]), 'open');
      const closed = group.close({ drain: 1000 });
      t.is(String((await once(client, 'data'))[0]), 'draining');
      client.write('!');
      t.is(await answerOf(client), 'done');
      await closed;
    },
  );

  test.serial(`${runtime}: a restart starts no worker when its group has closed`, async (t) => {
    const listen = { port: 0, address: '127.0.0.1' };
    const group = start(t, PROGRAM, { runtime, workers: 2, listen, drain: 1000 });
    await group.ready;
    const clients = new Map<string, Socket>();
    while (clients.size < 2) {
      const client = send(group.port, 'task');
      const id = String((await once(client, 'data'))[0]).trim();
      if (clients.has(id)) client.destroy();
      else clients.set(id, client);
    }
    let starts = 0;
    group.on('start', () => (starts += 1));
    const successor = once(group, 'ready');
    const restarted = t.throwsAsync(group.restart(), { code: 'ERR_IOLOOP_WORKERS' });
    await successor;
    const closed = group.close();
    // The first task's predecessor ends, and the worker of the second one is there still.
    clients.get('0')?.destroy();
    await restarted;
    clients.get('1')?.destroy();
    await closed;
    t.is(starts, 1);
  });

  test.serial(
    `${runtime}: the file of a Unix socket is removed at the close, unless another one is there`,
    async (t) => {
      const directory = mkdtempSync(join(tmpdir(), 'ioloop-'));
      t.teardown(() => {
        rmSync(directory, { recursive: true });
      });
      const path = join(directory, 'socket');
      const first = start(t, PROGRAM, { runtime, workers: 1, listen: { path } });
      await first.ready;
      const client = connect({ path });
      client.write('hold\n');
      await once(client, 'data');
      const closed = first.close({ drain: 0.1 });
      // At once: connections would be reset when the worker has accepted for the last time.
      t.false(existsSync(path));
      await closed;

      const second = start(t, PROGRAM, { runtime, workers: 1, listen: { path } });
      await second.ready;
      const other = bindUnixSocket(path);
      await second.close({ drain: 0 });
      t.true(existsSync(path));
      other.close();
    },
  );
}

test.serial('the arguments of task.listen() are checked, however connections come', async (t) => {
  const module = program(`
    export default (task) => {
      const codes = [{}, null, stopped()].map((server) => {
        try { task.listen(server); } catch (error) { return error.code; }
      });
      throw new Error(codes.join());
      function stopped() {
        const server = new ioloop.TCPServer(() => {});
        void server.stop();
        return server;
      }
    };`);
  for (const balance of ['shared', 'round-robin'] as const) {
    const listen = { port: 0, address: '127.0.0.1' };
    const group = start(t, module, { workers: 1, listen, balance });
    const message = /ERR_INVALID_ARG_TYPE,ERR_INVALID_ARG_TYPE,ERR_IOLOOP_SERVER/;
    await t.throwsAsync(group.ready, { message });
  }
});

test.serial('options that no worker could be started with leave nothing behind', (t) => {
  const before = openFds().size;
  const refused: [options: unknown, code: string][] = [
    [{ signals: ['SIGKILL'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ signals: ['SIGTERM', 'SIGSTOP'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ signals: ['toString'] }, 'ERR_INVALID_ARG_VALUE'],
    [{ execArgv: '--no-warnings' }, 'ERR_INVALID_ARG_TYPE'],
    [{ execArgv: [1] }, 'ERR_INVALID_ARG_TYPE'],
    [{ env: 'PATH=/' }, 'ERR_INVALID_ARG_TYPE'],
    [{ env: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ runtime: 'child_process', data: new SharedArrayBuffer(8) }, 'ERR_IOLOOP_NOT_CLONEABLE'],
  ];
  for (const [options, code] of refused) {
    const call = (): unknown => serveWorkers(PROGRAM, { listen: 0, ...(options as object) });
    t.throws(call, { code }, JSON.stringify(options));
  }
  t.is(openFds().size, before);
});

test.serial('a signal that is listed twice is one signal', async (t) => {
  const options = { workers: 1, signals: ['SIGUSR2', 'SIGUSR2'] as const };
  const group = start(t, program('export default () => {};'), options);
  await group.ready;
  process.kill(process.pid, 'SIGUSR2');
  await group.closed;
  t.is(process.listenerCount('SIGUSR2'), 0);
});
