/** `serveWorkers()`: workers that crash are replaced, and a group that cannot go on fails. */
import { once } from 'node:events';
import test from 'ava';
import { serveWorkers, type WorkerInfo } from 'ioloop';
import { ask, askUntil, send } from './helpers/ask.js';
import { runChild } from './helpers/child.js';
import { exitOf, PROGRAM, RUNTIMES, serve } from './helpers/worker-groups.js';

/** A program that sends messages of its own, and throws what cannot be read. */
const UNREADABLE_SOURCE = `export default () => {
  for (const ioloop of [null, 1, { type: 'other' }]) process.send?.({ ioloop });
  throw { get message() { throw 1; }, toString() { throw 2; }, program() {} };
};`;
const UNREADABLE = new URL(`data:text/javascript,${encodeURIComponent(UNREADABLE_SOURCE)}`);

for (const runtime of RUNTIMES) {
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
        // The only worker has exited. The listening socket is open: the kernel accepts connections.
        const answers = await Promise.all([1, 2, 3].map(() => ask(group.port, 'who')));
        for (const answer of answers) t.regex(answer, /^0 \d+ \d+$/);
      }
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
}

test.serial(
  'crashes without a listener are warned about, and a failure ends the process',
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
