/** `serveWorkers()`, with threads and with processes: serves, replaces, restarts, drains, and gives up. */
import { once } from 'node:events';
import { Server } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import {
  serveWorkers,
  taskId,
  type ServeWorkersOptions,
  type WorkerExit,
  type WorkerGroup,
  type WorkerInfo,
} from 'ioloop';
import { ask, askUntil, send } from './helpers/ask.js';
import { runChild } from './helpers/child.js';
import type { ProgramData } from './helpers/worker-program.js';

const PROGRAM = new URL('./helpers/worker-program.js', import.meta.url);
const RUNTIMES = ['worker_threads', 'child_process'] as const;
type Runtime = (typeof RUNTIMES)[number];

interface TestOptions extends ServeWorkersOptions {
  readonly data?: ProgramData;
}

/** A group of two workers on a port of the system, closed after the test. */
function serve(t: ExecutionContext, runtime: Runtime, options: TestOptions = {}): WorkerGroup {
  const listen = { port: 0, address: '127.0.0.1' };
  const group = serveWorkers(PROGRAM, { workers: 2, runtime, listen, signals: [], ...options });
  t.teardown(() => group.close({ drain: 0 }).catch(() => {}));
  return group;
}

/** The next crash or end of a worker. */
async function exitOf(group: WorkerGroup): Promise<[WorkerInfo, WorkerExit]> {
  return (await once(group, 'exit')) as [WorkerInfo, WorkerExit];
}

/** A program that sends messages of its own, and throws what cannot be read. */
const UNREADABLE_SOURCE = `export default () => {
  for (const ioloop of [null, 1, { type: 'other' }]) process.send?.({ ioloop });
  throw { get message() { throw 1; }, toString() { throw 2; }, program() {} };
};`;
const UNREADABLE = new URL(`data:text/javascript,${encodeURIComponent(UNREADABLE_SOURCE)}`);

for (const runtime of RUNTIMES) {
  for (const balance of ['reuse-port', 'shared'] as const) {
    test.serial(
      `${runtime}, ${balance}: each worker serves connections on a loop of its own`,
      async (t) => {
        const group = serve(t, runtime, { balance });
        await group.ready;
        t.is(taskId(), null);
        t.deepEqual(
          group.workers.map(({ taskId: id, state, restarts }) => [id, state, restarts]),
          [
            [0, 'ready', 0],
            [1, 'ready', 0],
          ],
        );
        const known = group.workers.map(
          ({ taskId: id, pid, threadId }) => `${id} ${pid} ${threadId}`,
        );
        t.is(new Set(known).size, 2);
        // The kernel chooses: in the end each of them is chosen.
        const answers = new Set<string>();
        await askUntil(group.port, 'who', (answer) => answers.add(answer).size === 2);
        t.deepEqual([...answers].toSorted(), known);
      },
    );
  }

  for (const [name, line, expected] of [
    ['an uncaught exception', 'crash', { code: 1, signal: null }],
    ['process.exit()', 'exit 7', { code: 7, signal: null }],
  ] as const) {
    test.serial(
      `${runtime}: a worker that ends by ${name} is replaced by one with its id`,
      async (t) => {
        const group = serve(t, runtime);
        await group.ready;
        const exited = exitOf(group);
        const restarted = once(group, 'restart');
        const client = send(group.port, line).on('error', () => {});
        const [worker, exit] = await exited;
        client.destroy();
        t.like(exit, expected);
        if (runtime === 'worker_threads' && line === 'crash') t.is(exit.error?.message, 'crashed');
        // A first crash is answered at once.
        t.deepEqual(await restarted, [worker.taskId, 0]);
        const [successor] = (await once(group, 'ready')) as [WorkerInfo];
        t.is(successor.taskId, worker.taskId);
        t.notDeepEqual(successor, worker);
        const answer = await askUntil(group.port, 'who', (text) =>
          text.startsWith(`${worker.taskId}`),
        );
        t.is(answer, `${successor.taskId} ${successor.pid} ${successor.threadId}`);
        t.is(group.workers[worker.taskId]?.restarts, 1);
      },
    );
  }

  test.serial(
    `${runtime}: connections that wait for a crashed worker are served by its successor`,
    async (t) => {
      const group = serve(t, runtime, { workers: 1, restart: { minDelay: 0, maxDelay: 0 } });
      await group.ready;
      for (let round = 0; round < 3; round += 1) {
        const exited = exitOf(group);
        const crashed = send(group.port, 'exit 1').on('error', () => {});
        await exited;
        crashed.destroy();
        // There is no worker now, and the listener is open.
        const answers = await Promise.all([1, 2, 3].map(() => ask(group.port, 'who')));
        for (const answer of answers) t.regex(answer, /^0 \d+ \d+$/);
      }
    },
  );

  test.serial(
    `${runtime}: a restart replaces each worker, and no connection is refused or reset`,
    async (t) => {
      const group = serve(t, runtime);
      await group.ready;
      const before = new Set(group.workers.map(({ pid, threadId }) => `${pid} ${threadId}`));
      const load = { isOver: false };
      const failures: string[] = [];
      let served = 0;
      const clients = Array.from({ length: 4 }, async () => {
        while (!load.isOver) {
          const answer = await ask(group.port, 'who');
          if (/^[01] \d+ \d+$/.test(answer)) served += 1;
          else failures.push(answer);
        }
      });
      const waiting = [send(group.port, 'wait'), send(group.port, 'wait')];
      const answers = waiting.map(async (client) => String((await once(client, 'data'))[0]));
      await Promise.all([group.restart(), group.restart()]);
      load.isOver = true;
      await Promise.all(clients);
      t.deepEqual(failures, []);
      t.true(served > 0);
      const after = group.workers.map(({ pid, threadId }) => `${pid} ${threadId}`);
      t.false(after.some((worker) => before.has(worker)));
      // Those of the predecessors were drained.
      for (const answer of await Promise.all(answers)) {
        t.true(before.has(answer.trim().slice(2)), answer);
      }
      t.deepEqual(
        group.workers.map(({ restarts }) => restarts),
        [0, 0],
      );
    },
  );

  test.serial(
    `${runtime}: a close answers what was accepted, and refuses what comes later`,
    async (t) => {
      const group = serve(t, runtime);
      await group.ready;
      const clients = Array.from({ length: 50 }, () => send(group.port, 'wait'));
      await Promise.all(clients.map((client) => once(client, 'connect')));
      // Some of them are in the backlogs still.
      const answers = clients.map(async (client) => {
        let answer = '';
        for await (const chunk of client) answer += String(chunk);
        return answer;
      });
      const { port } = group;
      await group.close();
      for (const answer of await Promise.all(answers)) t.regex(answer, /^[01] \d+ \d+\n$/);
      t.is(await ask(port, 'who'), 'ECONNREFUSED');
      t.deepEqual(
        group.workers.map(({ state }) => state),
        ['ended', 'ended'],
      );
      await t.throwsAsync(group.restart(), { code: 'ERR_IOLOOP_WORKERS' });
      await group.close();
    },
  );

  test.serial(
    `${runtime}: connections that outlast the drain are closed, and timers keep no worker alive`,
    async (t) => {
      const group = serve(t, runtime, { data: { timer: true } });
      await group.ready;
      const client = send(group.port, 'hold');
      await once(client, 'data');
      const closed = once(client, 'close');
      const exits: (number | null)[] = [];
      group.on('exit', (_worker, { code }) => exits.push(code));
      await group.close({ drain: 0.05 });
      await closed;
      t.deepEqual(exits, [0, 0]);
    },
  );

  test.serial(
    `${runtime}: workers that end by themselves are not replaced, and end the group`,
    async (t) => {
      const group = serve(t, runtime, { data: { idle: true } });
      let exits = 0;
      group.on('exit', () => (exits += 1));
      await group.closed;
      await new Promise(setImmediate);
      t.is(exits, 2);
      t.deepEqual(
        group.workers.map(({ restarts, state }) => [restarts, state]),
        [
          [0, 'ended'],
          [0, 'ended'],
        ],
      );
    },
  );

  test.serial(
    `${runtime}: a worker that cannot begin is a failure of the group, with its error`,
    async (t) => {
      const group = serve(t, runtime, { data: { broken: [1] } });
      const error = await t.throwsAsync(group.ready, { code: 'ERR_IOLOOP_WORKERS_FAILED' });
      t.regex(error?.message ?? '', /worker 1 cannot begin: broken/);
      t.like(error?.cause, { message: 'broken', code: 'EBROKEN' });
      t.is(await ask(group.port, 'who'), 'ECONNREFUSED');
    },
  );

  test.serial(
    `${runtime}: a module that does not exist, has no program or fails unreadably is a failure of the group`,
    async (t) => {
      for (const [module, pattern] of [
        [new URL('./no-such-module.js', import.meta.url), /Cannot find module/],
        [new URL('./helpers/ask.js', import.meta.url), /"default of .*ask\.js" must be a function/],
        [UNREADABLE, /worker 0 cannot begin: A value cannot be copied/],
      ] as const) {
        const group = serveWorkers(module, { workers: 1, runtime, signals: [] });
        await t.throwsAsync(group.ready, { code: 'ERR_IOLOOP_WORKERS_FAILED', message: pattern });
      }
    },
  );

  test.serial(
    `${runtime}: a group whose workers crash too often fails, after it has ended the others`,
    async (t) => {
      const group = serve(t, runtime, { restart: { maxRestarts: 1, minDelay: 0 } });
      await group.ready;
      const failed = t.throwsAsync(group.closed, { code: 'ERR_IOLOOP_WORKERS_FAILED' });
      const exits: (number | null)[] = [];
      group.on('exit', (_worker, { code }) => exits.push(code));
      for (let crash = 0; crash < 2; crash += 1) {
        await Promise.all([once(group, 'exit'), ask(group.port, 'exit 3')]);
      }
      t.regex((await failed)?.message ?? '', /has ended \(exit code 3\) after 1 restarts/);
      t.deepEqual(exits, [3, 3, 0]);
      t.is(await ask(group.port, 'who'), 'ECONNREFUSED');
    },
  );

  test.serial(`${runtime}: metrics() has the figures of each worker`, async (t) => {
    const group = serve(t, runtime);
    await group.ready;
    const client = send(group.port, 'hold');
    await once(client, 'data');
    const figures = await group.metrics();
    t.deepEqual(
      figures.map((each) => each.taskId),
      [0, 1],
    );
    t.is(
      figures.reduce((sum, { connections }) => sum + connections, 0),
      1,
    );
    t.is(
      figures.reduce((sum, { metrics }) => sum + metrics.connectionsAccepted, 0),
      1,
    );
    t.true(figures.every(({ metrics }) => metrics.turns > 0));
    client.destroy();
    await group.close();
    t.deepEqual(await group.metrics(), []);
  });

  test.serial(`${runtime}: metrics() leaves out a worker that is blocked`, async (t) => {
    const group = serve(t, runtime, { workers: 1 });
    await group.ready;
    await once(
      send(group.port, 'block').on('error', () => {}),
      'data',
    );
    t.deepEqual(await group.metrics({ timeout: { milliseconds: 50 } }), []);
    await t.throwsAsync(group.metrics({ timeout: -1 }), { code: 'ERR_OUT_OF_RANGE' });
    const exited = once(group, 'exit');
    group.kill(0);
    await exited;
  });
}

test.serial('a process that is killed is replaced', async (t) => {
  const group = serve(t, 'child_process');
  await group.ready;
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    const pid = group.workers[0]?.pid as number;
    const exited = exitOf(group);
    const ready = once(group, 'ready');
    process.kill(pid, signal);
    const [worker, exit] = await exited;
    t.is(worker.pid, pid);
    // It is drained on SIGTERM, and its code says by which signal.
    t.like(exit, signal === 'SIGKILL' ? { code: null, signal } : { code: 143, signal: null });
    await ready;
  }
});

test.serial('processes drain, and end, when their parent is killed', async (t) => {
  const { stdout } = await runChild(`
    import { serveWorkers } from 'ioloop';
    const listen = { port: 0, address: '127.0.0.1' };
    const program = new URL(${JSON.stringify(PROGRAM.href)});
    const group = serveWorkers(program, { workers: 2, runtime: 'child_process', listen });
    await group.ready;
    console.log(JSON.stringify(group.workers.map(({ pid }) => pid)));
    process.kill(process.pid, 'SIGKILL');
  `);
  // The output is complete when the last process that has inherited it has ended.
  t.is((JSON.parse(stdout) as number[]).length, 2);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test.serial(
    `${signal} of the process drains its group, and the process ends with code 0`,
    async (t) => {
      const { code, stdout, stderr } = await runChild(`
      import { once } from 'node:events';
      import { connect } from 'node:net';
      import { serveWorkers } from 'ioloop';
      const listen = { port: 0, address: '127.0.0.1' };
      const program = new URL(${JSON.stringify(PROGRAM.href)});
      const group = serveWorkers(program, { workers: 2, listen });
      await group.ready;
      const client = connect(group.port, '127.0.0.1');
      client.write('wait\\n');
      client.on('data', (answer) => console.log(String(answer).slice(2).trim() > '' ? 'answer' : ''));
      client.on('connect', () => process.kill(process.pid, '${signal}'));
      await Promise.all([group.closed, once(client, 'close')]);
      console.log(process.listenerCount('${signal}'));
    `);
      t.is(stdout, 'answer\n0\n', stderr);
      t.is(code, 0);
    },
  );
}

test.serial('a second signal ends the process at once', async (t) => {
  const { signal } = await runChild(`
    import { connect } from 'node:net';
    import { serveWorkers } from 'ioloop';
    const listen = { port: 0, address: '127.0.0.1' };
    const program = new URL(${JSON.stringify(PROGRAM.href)});
    const group = serveWorkers(program, { workers: 1, listen, drain: 1000 });
    await group.ready;
    const client = connect(group.port, '127.0.0.1');
    client.write('hold\\n');
    client.once('data', () => {
      process.kill(process.pid, 'SIGTERM');
      setImmediate(() => process.kill(process.pid, 'SIGTERM'));
    });
  `);
  t.is(signal, 'SIGTERM');
});

test.serial(
  'crashes that nobody listens for are warned about, and a failure ends the process',
  async (t) => {
    const { code, stderr } = await runChild(`
    import { connect } from 'node:net';
    import { serveWorkers } from 'ioloop';
    const listen = { port: 0, address: '127.0.0.1' };
    const program = new URL(${JSON.stringify(PROGRAM.href)});
    const group = serveWorkers(program, { workers: 1, listen, restart: { maxRestarts: 1, minDelay: 0 } });
    await group.ready;
    const crash = () => connect(group.port, '127.0.0.1').on('error', () => {}).write('crash\\n');
    group.on('ready', crash);
    crash();
  `);
    t.is(code, 1);
    t.regex(
      stderr,
      /IOLOOP_WORKER_CRASHED.*The worker 0 \(thread \d+\) has ended: crashed\. A new one starts in 0 s/,
    );
    t.regex(stderr, /ERR_IOLOOP_WORKERS_FAILED/);
  },
);

test.serial('the module that calls serveWorkers() may be that of the workers', async (t) => {
  const { stdout, stderr } = await runChild(`
    import { writeFileSync } from 'node:fs';
    const source = \`
      import { serveWorkers, taskId } from \${JSON.stringify(${JSON.stringify(import.meta.resolve('ioloop'))})};
      export default ({ taskId: id, workers, data, loop }) => {
        console.log(id, workers, data.greeting, taskId());
        try { serveWorkers(import.meta.url); } catch (error) { console.log(error.code); }
        loop.stop();
      };
      if (taskId() === null) serveWorkers(import.meta.url, { workers: 1, data: { greeting: 'hello' } });
    \`;
    await import('data:text/javascript,' + encodeURIComponent(source));
  `);
  t.is(stdout, '0 1 hello 0\nERR_IOLOOP_WORKERS\n', stderr);
});

test.serial('a port that is taken is an error of the call, and nothing is left open', async (t) => {
  const other = new Server().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  const listen = [
    { port: 0, address: '127.0.0.1' },
    { port, address: '127.0.0.1' },
  ];
  t.throws(() => serveWorkers(PROGRAM, { listen, balance: 'shared' }), { code: 'EADDRINUSE' });
  other.close();
});

test.serial('wrong options are refused', (t) => {
  const refused: [module: unknown, options: unknown, code: string][] = [
    [1, {}, 'ERR_INVALID_ARG_TYPE'],
    ['./relative.mjs', {}, 'ERR_INVALID_ARG_VALUE'],
    [PROGRAM, null, 'ERR_INVALID_ARG_TYPE'],
    [PROGRAM, { workers: -1 }, 'ERR_OUT_OF_RANGE'],
    [PROGRAM, { workers: 1.5 }, 'ERR_OUT_OF_RANGE'],
    [PROGRAM, { workers: '2' }, 'ERR_INVALID_ARG_TYPE'],
    [PROGRAM, { runtime: 'fork' }, 'ERR_INVALID_ARG_VALUE'],
    [PROGRAM, { balance: 'random' }, 'ERR_INVALID_ARG_VALUE'],
    [PROGRAM, { balance: 'round-robin', runtime: 'child_process' }, 'ERR_INVALID_ARG_VALUE'],
    [PROGRAM, { listen: '8888' }, 'ERR_INVALID_ARG_TYPE'],
    [PROGRAM, { listen: {} }, 'ERR_INVALID_ARG_TYPE'],
    [PROGRAM, { listen: 70_000 }, 'ERR_OUT_OF_RANGE'],
    [PROGRAM, { listen: { port: 0, address: 'no.host' } }, 'ERR_INVALID_ARG_VALUE'],
    [PROGRAM, { drain: -1 }, 'ERR_OUT_OF_RANGE'],
    [PROGRAM, { drain: NaN }, 'ERR_INVALID_ARG_TYPE'],
    [PROGRAM, { startTimeout: 'soon' }, 'ERR_INVALID_ARG_TYPE'],
    [PROGRAM, { restart: 1 }, 'ERR_INVALID_ARG_TYPE'],
    [PROGRAM, { restart: { maxRestarts: -1 } }, 'ERR_OUT_OF_RANGE'],
    [PROGRAM, { restart: { minDelay: 20 } }, 'ERR_OUT_OF_RANGE'],
    [PROGRAM, { signals: 'SIGTERM' }, 'ERR_INVALID_ARG_TYPE'],
    [PROGRAM, { signals: ['SIGNOTHING'] }, 'ERR_INVALID_ARG_VALUE'],
    [PROGRAM, { data: () => {} }, 'ERR_IOLOOP_NOT_CLONEABLE'],
  ];
  for (const [module, options, code] of refused) {
    t.throws(
      () => serveWorkers(module as never, options as never),
      { code },
      JSON.stringify(options),
    );
  }
});

test.serial('a group whose workers Node does not permit fails, and the process ends', async (t) => {
  const flag = ['--permission', '--experimental-permission'].find((name) =>
    process.allowedNodeEnvironmentFlags.has(name),
  );
  const source = `
    import { serveWorkers } from 'ioloop';
    for (const runtime of ['worker_threads', 'child_process']) {
      const group = serveWorkers(new URL('data:text/javascript,'), { runtime, workers: 2, listen: 0 });
      await group.ready.catch(({ code, cause }) => console.log(code, cause.code));
    }
  `;
  const { code, stdout, stderr } = await runChild(source, {
    nodeOptions: [flag as string, '--allow-addons', '--allow-fs-read=*', '--no-warnings'],
  });
  t.is(code, 0, stderr);
  t.is(stdout, 'ERR_IOLOOP_WORKERS_FAILED ERR_ACCESS_DENIED\n'.repeat(2));
});
