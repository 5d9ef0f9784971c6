/** Connections that one thread accepts and hands over to workers. */
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import {
  IOLoop,
  IOStream,
  serveWorkers,
  Socket,
  TCPServer,
  type Balance,
  type WorkerGroup,
} from 'ioloop';
import { ask, send } from './helpers/ask.js';
import { onLoop, withLoop } from './helpers/loop.js';
import { pair } from './helpers/sockets.js';
import { turns } from './helpers/streams.js';
import type { ProgramData } from './helpers/worker-program.js';

const PROGRAM = new URL('./helpers/worker-program.js', import.meta.url);

function serve(
  t: ExecutionContext,
  balance: Balance,
  data: ProgramData = {},
  workers = 2,
): WorkerGroup {
  const listen = { port: 0, address: '127.0.0.1' };
  const restart = { minDelay: 0, maxDelay: 0 };
  const options = { workers, balance, listen, restart, data, signals: [] };
  const group = serveWorkers(PROGRAM, options);
  t.teardown(() => group.close({ drain: 0 }).catch(() => {}));
  return group;
}

/** The tasks that answer, one connection after the other. */
async function tasks(group: WorkerGroup, count: number): Promise<string> {
  let ids = '';
  for (let left = count; left > 0; left -= 1) ids += (await ask(group.port, 'who'))[0];
  return ids;
}

/** Resolves when the group counts `loads` connections of its workers. */
async function untilLoads(group: WorkerGroup, ...loads: number[]): Promise<void> {
  const present = (): string => group.workers.map(({ connections }) => connections).join();
  while (present() !== loads.join()) await new Promise(setImmediate);
}

test.serial('round-robin: the workers get the connections in turn', async (t) => {
  const group = serve(t, 'round-robin');
  await group.ready;
  const answers = await tasks(group, 10);
  t.true(['0101010101', '1010101010'].includes(answers), answers);
  await untilLoads(group, 0, 0);
});

test.serial(
  'least-connections: the worker with the fewest connections gets the next',
  async (t) => {
    const group = serve(t, 'least-connections');
    await group.ready;
    const held = [send(group.port, 'hold'), send(group.port, 'hold'), send(group.port, 'hold')];
    await Promise.all(held.map((client) => once(client, 'data')));
    const loads = group.workers.map(({ connections }) => connections);
    t.deepEqual(loads.toSorted(), [1, 2]);
    const [idle, busy] = loads[0] === 1 ? [0, 1] : [1, 0];
    // Each is closed before the next: the one with fewer connections gets all of them.
    for (let round = 0; round < 5; round += 1) {
      t.is((await ask(group.port, 'who'))[0], String(idle));
      await untilLoads(group, ...(loads as number[]));
    }
    for (const client of held) client.destroy();
    await untilLoads(group, 0, 0);
    t.not(idle, busy);
  },
);

for (const balance of ['round-robin', 'least-connections'] as const) {
  test.serial(
    `${balance}: a worker that crashes is replaced, and the others serve meanwhile`,
    async (t) => {
      const group = serve(t, balance);
      await group.ready;
      for (let round = 0; round < 3; round += 1) {
        const exited = once(group, 'exit');
        const crashed = send(group.port, 'exit 1').on('error', () => {});
        const answers = await Promise.all(Array.from({ length: 20 }, () => ask(group.port, 'who')));
        // Those that the worker had attached are lost with it, and no others.
        for (const answer of answers) t.regex(answer, /^([01] \d+ \d+|ECONNRESET|)$/);
        await exited;
        crashed.destroy();
        if (group.workers.some(({ state }) => state !== 'ready')) await once(group, 'ready');
        t.regex(await tasks(group, 4), /^[01]{4}$/);
      }
    },
  );

  test.serial(`${balance}: a restart loses no connection`, async (t) => {
    const group = serve(t, balance);
    await group.ready;
    const load = { isOver: false };
    let served = 0;
    const failures: string[] = [];
    const clients = Array.from({ length: 4 }, async () => {
      while (!load.isOver) {
        const answer = await ask(group.port, 'who');
        if (/^[01] \d+ \d+$/.test(answer)) served += 1;
        else failures.push(answer);
      }
    });
    await group.restart();
    load.isOver = true;
    await Promise.all(clients);
    t.deepEqual(failures, []);
    t.true(served > 0);
  });

  test.serial(`${balance}: a close answers what was accepted`, async (t) => {
    const group = serve(t, balance);
    await group.ready;
    const { port } = group;
    const clients = Array.from({ length: 50 }, () => send(port, 'wait'));
    await Promise.all(clients.map((client) => once(client, 'connect')));
    const answers = clients.map(async (client) => {
      let answer = '';
      for await (const chunk of client) answer += String(chunk);
      return answer;
    });
    await group.close();
    for (const answer of await Promise.all(answers)) t.regex(answer, /^[01] \d+ \d+\n$/);
    t.is(await ask(port, 'who'), 'ECONNREFUSED');
    t.is(Socket.detachedCount, 0);
  });
}

test.serial('the loop that accepts is not the current one', async (t) => {
  const before = IOLoop.current(false);
  const group = serve(t, 'round-robin');
  t.is(IOLoop.current(false), before);
  await group.ready;
  await ask(group.port, 'who');
  t.is(IOLoop.current(false), before);
  await group.close();
});

test.serial('connections wait in the backlog until a worker is ready', async (t) => {
  const group = serve(t, 'round-robin', {}, 1);
  await group.ready;
  for (let round = 0; round < 3; round += 1) {
    const exited = once(group, 'exit');
    const crashed = send(group.port, 'exit 1').on('error', () => {});
    await exited;
    crashed.destroy();
    const answers = await Promise.all([1, 2, 3].map(() => ask(group.port, 'who')));
    for (const answer of answers) t.regex(answer, /^0 \d+ \d+$/);
  }
});

test.serial('a worker is not handed more than maxConnections', async (t) => {
  const group = serve(t, 'least-connections', { maxConnections: 2 });
  await group.ready;
  const held = Array.from({ length: 4 }, () => send(group.port, 'hold'));
  await Promise.all(held.map((client) => once(client, 'data')));
  await untilLoads(group, 2, 2);
  const fifth = send(group.port, 'hold');
  await once(fifth, 'connect');
  const answered = once(fifth, 'data');
  t.deepEqual(
    group.workers.map(({ connections }) => connections),
    [2, 2],
  );
  held[0]?.destroy();
  await answered;
  for (const client of [...held, fifth]) client.destroy();
});

test.serial('a worker whose server was stopped gets no more connections', async (t) => {
  const group = serve(t, 'round-robin', {});
  await group.ready;
  const [stopped] = await ask(group.port, 'stop');
  const other = stopped === '0' ? '1' : '0';
  t.is(await tasks(group, 6), other.repeat(6));
});

test('addConnection() serves a connected socket', (t) =>
  onLoop(async (loop) => {
    const server = new TCPServer({
      loop,
      handleStream: async (stream) => {
        await stream.write('served');
        await stream.end();
      },
    });
    const [near, far] = pair(t);
    server.addConnection(near);
    t.is(server.connections, 1);
    const client = new IOStream(far, { loop });
    t.is(String(await client.readUntilClose()), 'served');
    await turns(client, 2).catch(() => {});
    t.is(loop.metrics().connectionsAccepted, 1);
    await server.stop({ drain: true });
    t.is(server.connections, 0);
    const [late] = pair(t);
    t.throws(
      () => {
        server.addConnection(late);
      },
      { code: 'ERR_IOLOOP_SERVER' },
    );
    t.false(late.closed);
  }));

test('addConnection() closes a socket that is not connected', (t) =>
  withLoop((loop) => {
    const server = new TCPServer({ loop, handleStream: () => t.fail() });
    const socket = Socket.tcp();
    server.addConnection(socket);
    t.true(socket.closed);
    t.is(server.connections, 0);
    void server.stop();
  }));
