/** The states of a supervisor and its workers, step by step: no thread, no process, no clock. */
import test from 'ava';
import { restartPolicy, Supervisor, type Order, type SpawnedEvents } from '#internal';
import { until } from './helpers/fds.js';

/** A worker that does what the test says. */
class Puppet {
  readonly orders: string[] = [];
  readonly #events: SpawnedEvents;

  constructor(
    readonly task: number,
    events: SpawnedEvents,
  ) {
    this.#events = events;
  }

  ready(): void {
    this.#events.onReport({ type: 'ready', capacity: null });
  }

  exit(code: number | null, error: Error | null = null): void {
    this.#events.onExit({ code, signal: null, error });
  }

  readonly spawned = {
    threadId: 1,
    pid: 1,
    send: ({ type }: Order): void => {
      this.orders.push(type);
    },
    kill: (): void => {
      this.orders.push('kill');
    },
  };
}

function supervise(
  workers: number,
  maxRestarts = 100,
  startTimeout = 60,
): [Supervisor, Puppet[], string[]] {
  const puppets: Puppet[] = [];
  const log: string[] = [];
  const supervisor = new Supervisor(
    {
      workers,
      drain: 30,
      startTimeout,
      restart: restartPolicy({ maxRestarts, minDelay: 0, maxDelay: 0 }),
      start: (task, events) => {
        const puppet = new Puppet(task, events);
        puppets.push(puppet);
        return puppet.spawned;
      },
    },
    {
      onReady: ({ taskId }) => log.push(`ready ${taskId}`),
      onLeave: ({ taskId }) => log.push(`leave ${taskId}`),
      onStopped: () => log.push('stopped'),
      onEnded: () => log.push('ended'),
      onRestart: ({ taskId }) => log.push(`restart ${taskId}`),
    },
  );
  supervisor.start();
  return [supervisor, puppets, log];
}

test('a worker that is not ready in time is killed, and the failure says so', async (t) => {
  const [supervisor, [puppet]] = supervise(1, 100, 0.001);
  await until(() => puppet?.orders.includes('kill') === true, 'the kill');
  puppet?.exit(1);
  await t.throwsAsync(supervisor.ready, {
    code: 'ERR_IOLOOP_WORKERS_FAILED',
    message: /worker 0 cannot begin: it was not ready within startTimeout, 0\.001 s/,
  });
});

test('a group is ready when each task has had a ready worker', async (t) => {
  const [supervisor, puppets, log] = supervise(2);
  puppets[0]?.ready();
  puppets[0]?.exit(1);
  await until(() => puppets.length === 3, 'the replacement');
  puppets[1]?.ready();
  await supervisor.ready;
  puppets[2]?.ready();
  t.deepEqual(log, ['ready 0', 'leave 0', 'restart 0', 'ready 1', 'ready 0']);
  supervisor.close();
  for (const puppet of puppets.slice(1)) puppet.exit(0);
  await supervisor.ended;
});

test('a stop leaves, drains and waits; the group is stopped when the last worker is', async (t) => {
  const [supervisor, puppets, log] = supervise(2);
  for (const puppet of puppets) puppet.ready();
  await supervisor.ready;
  log.length = 0;
  supervisor.close();
  supervisor.close();
  t.deepEqual(log, ['leave 0', 'leave 1']);
  t.deepEqual(
    puppets.map(({ orders }) => orders.join()),
    ['drain', 'drain'],
  );
  // Also one that ends without a report has stopped.
  puppets[0]?.exit(0);
  puppets[1]?.exit(1);
  await supervisor.ended;
  t.deepEqual(log, ['leave 0', 'leave 1', 'stopped', 'ended']);
});

test('a predecessor that crashes during a restart is not replaced twice', async (t) => {
  const [supervisor, puppets, log] = supervise(1);
  puppets[0]?.ready();
  await supervisor.ready;
  const restarted = supervisor.restart();
  t.is(puppets.length, 2);
  puppets[0]?.exit(1);
  puppets[1]?.ready();
  await restarted;
  t.is(puppets.length, 2);
  t.false(log.includes('restart 0'));
  t.is(supervisor.slots[0]?.run?.taskId, 0);
  supervisor.close();
  puppets[1]?.exit(0);
  await supervisor.ended;
});

test('a successor that cannot begin leaves its predecessor alone', async (t) => {
  const [supervisor, puppets, log] = supervise(2);
  for (const puppet of puppets) puppet.ready();
  await supervisor.ready;
  const restarted = supervisor.restart();
  puppets[2]?.exit(null, new Error('broken'));
  const error = await t.throwsAsync(restarted, { code: 'ERR_IOLOOP_WORKERS_FAILED' });
  t.regex(error?.message ?? '', /successor of worker 0 cannot begin: broken/);
  t.deepEqual(
    puppets.map(({ orders }) => orders.join()),
    ['', '', ''],
  );
  t.deepEqual(log.slice(2), ['leave 0']);
  supervisor.close();
  for (const puppet of puppets.slice(0, 2)) puppet.exit(0);
  await supervisor.ended;
});

test('a task is kept when its predecessor and then its successor crash', async (t) => {
  const [supervisor, puppets] = supervise(1);
  puppets[0]?.ready();
  await supervisor.ready;
  const restarted = t.throwsAsync(supervisor.restart(), { code: 'ERR_IOLOOP_WORKERS_FAILED' });
  puppets[0]?.exit(1);
  puppets[1]?.exit(1);
  await restarted;
  await until(() => puppets.length === 3, 'the replacement');
  puppets[2]?.ready();
  supervisor.close();
  puppets[2]?.exit(0);
  await supervisor.ended;
});

test('a close during a restart ends both workers of a task', async (t) => {
  const [supervisor, puppets] = supervise(1);
  puppets[0]?.ready();
  await supervisor.ready;
  const restarted = t.throwsAsync(supervisor.restart(), { code: 'ERR_IOLOOP_WORKERS' });
  supervisor.close();
  t.deepEqual(
    puppets.map(({ orders }) => orders.join()),
    ['drain', 'drain'],
  );
  // It is too late to be ready.
  puppets[1]?.ready();
  puppets[1]?.exit(0);
  puppets[0]?.exit(0);
  await restarted;
  await supervisor.ended;
});

test('a replacement that waits is cancelled by a close', async (t) => {
  const [supervisor, puppets] = supervise(1);
  puppets[0]?.ready();
  await supervisor.ready;
  puppets[0]?.exit(1);
  supervisor.close();
  await supervisor.ended;
  t.is(puppets.length, 1);
});

test('a group without its maxRestarts fails, and drains the other workers', async (t) => {
  const [supervisor, puppets, log] = supervise(2, 0);
  for (const puppet of puppets) puppet.ready();
  await supervisor.ready;
  const failed = t.throwsAsync(supervisor.ended, { code: 'ERR_IOLOOP_WORKERS_FAILED' });
  puppets[0]?.exit(3, new Error('cause'));
  t.deepEqual(puppets[1]?.orders, ['drain']);
  puppets[1]?.exit(0);
  t.is((await failed)?.cause instanceof Error, true);
  t.is(log.at(-1), 'ended');
});

test('kill() ends workers that drain, at once', async (t) => {
  const [supervisor, puppets] = supervise(1);
  puppets[0]?.ready();
  await supervisor.ready;
  supervisor.close();
  supervisor.kill();
  t.deepEqual(puppets[0]?.orders, ['drain', 'kill']);
  puppets[0]?.exit(1);
  await supervisor.ended;
});
