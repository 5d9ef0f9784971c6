/** `serveWorkers()` and signals: of a worker's process, and of the process of the group. */
import { once } from 'node:events';
import test from 'ava';
import { runChild } from './helpers/child.js';
import { exitOf, PROGRAM, serve } from './helpers/worker-groups.js';

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
