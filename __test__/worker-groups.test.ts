/** `serveWorkers()`, with threads and with processes: serves, restarts, drains, and refuses options. */
import { once } from 'node:events';
import { Server } from 'node:net';
import test from 'ava';
import { serveWorkers, taskId } from 'ioloop';
import { ask, askUntil, send } from './helpers/ask.js';
import { runChild } from './helpers/child.js';
import { PROGRAM, RUNTIMES, serve } from './helpers/worker-groups.js';

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
