/** Calls between threads: order, exact counts when the loop closes, ended threads, what is kept alive. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { postsOf } from '#internal';
import { IOLoop, type RemoteHandle } from 'ioloop';
import { runChild } from './helpers/child.js';
import { withLoop } from './helpers/loop.js';

/** A worker that runs `source` with `remote`, a remote of the handle, `handle` and `parentPort`. */
function worker(source: string, handle: RemoteHandle): Worker {
  return new Worker(
    `import { parentPort, workerData as handle } from 'node:worker_threads';
     import { setTimeout as sleep } from 'node:timers/promises';
     const { IOLoop } = await import(${JSON.stringify(import.meta.resolve('ioloop'))});
     const remote = IOLoop.fromRemote(handle);
     ${source}`,
    { eval: true, execArgv: ['--input-type=module'], workerData: handle },
  );
}

/** Posts numbers until the loop refuses for good; retries while its inbox is full. */
const POST_UNTIL_CLOSED = `
  const join = async () => {
    for (;;) {
      try {
        return await remote.call('join');
      } catch (error) {
        if (error.code !== 'ERR_IOLOOP_INBOX_FULL') throw error;
        await sleep(1);
      }
    }
  };
  const id = await join();
  let accepted = 0;
  for (let code = ''; code !== 'ERR_IOLOOP_CLOSED'; ) {
    try {
      remote.addCallback('hit', id, accepted);
      accepted += 1;
    } catch (error) {
      code = error.code;
      if (code === 'ERR_IOLOOP_INBOX_FULL') await sleep(1);
      else if (code !== 'ERR_IOLOOP_CLOSED') throw error;
    }
  }
  parentPort.postMessage([id, accepted]);
`;

test('calls of several workers arrive in the order of each', async (t) => {
  const WORKERS = 4;
  const EACH = 2_000;
  await withLoop(async (loop) => {
    const next = new Map<number, number>();
    let disordered = 0;
    let ended = 0;
    loop.expose({
      hit: (id: number, value: number) => {
        if (value !== (next.get(id) ?? 0)) disordered += 1;
        next.set(id, value + 1);
      },
      end: () => {
        ended += 1;
        if (ended === WORKERS) loop.stop();
      },
    });
    const workers = Array.from({ length: WORKERS }, (_, id) =>
      worker(
        `for (let value = 0; value < ${EACH}; value += 1) remote.addCallback('hit', ${id}, value);
         remote.addCallback('end');`,
        loop.remote(),
      ),
    );
    const exits = workers.map((thread) => once(thread, 'exit'));
    await loop.start();
    await Promise.all(exits);
    t.is(disordered, 0);
    t.deepEqual([...next.values()], Array<number>(WORKERS).fill(EACH));
  });
});

test('a loop that closes in the middle has run each accepted call exactly once', async (t) => {
  const WORKERS = 4;
  await withLoop(async (loop) => {
    const ran = new Map<number, number>();
    let disordered = 0;
    let total = 0;
    let joined = 0;
    loop.expose({
      join: () => (joined += 1),
      hit: (id: number, value: number) => {
        if (value !== (ran.get(id) ?? 0)) disordered += 1;
        ran.set(id, value + 1);
        total += 1;
        if (total > 2_000 && joined === WORKERS) loop.stop();
      },
    });
    const workers = Array.from({ length: WORKERS }, () => worker(POST_UNTIL_CLOSED, loop.remote()));
    const counts = workers.map((thread) => once(thread, 'message'));
    await loop.start();
    loop.close();
    const results = (await Promise.all(counts)) as [[number, number]][];
    const accepted = new Map(results.map(([result]) => result));
    t.is(disordered, 0);
    for (const [id, count] of accepted) t.is(ran.get(id) ?? 0, count);
    t.is(accepted.size, WORKERS);
  });
});

test('posts between two turns wake the loop once', async (t) => {
  await withLoop(async (loop) => {
    const posts = 5_000;
    let turns = 0;
    let last: unknown = null;
    loop.expose({
      hit: () => {
        // The callbacks of one turn have one macrotask.
        if (last === null) {
          turns += 1;
          last = setImmediate(() => (last = null));
        }
      },
    });
    const thread = worker(
      `for (let left = ${posts}; left > 0; left -= 1) remote.addCallback('hit');
       remote.stop();`,
      loop.remote(),
    );
    const exit = once(thread, 'exit');
    await loop.start();
    await exit;
    const { accepted, wakes } = postsOf(loop).counts;
    t.is(accepted, posts + 1);
    t.true(wakes >= 1 && wakes <= turns + 2, `${wakes} wake-ups, ${turns} turns`);
  });
});

test('a pending call rejects when the thread of the loop ends', async (t) => {
  const thread = new Worker(
    `import { parentPort } from 'node:worker_threads';
     const { IOLoop } = await import(${JSON.stringify(import.meta.resolve('ioloop'))});
     const loop = new IOLoop();
     loop.expose({ never: () => { parentPort.postMessage('called'); return new Promise(() => {}); } });
     parentPort.postMessage(loop.remote());
     await loop.start();`,
    { eval: true, execArgv: ['--input-type=module'] },
  );
  const [handle] = (await once(thread, 'message')) as [RemoteHandle];
  const remote = IOLoop.fromRemote(handle);
  const called = once(thread, 'message');
  const rejected = t.throwsAsync(remote.call('never'), { code: 'ERR_IOLOOP_CLOSED' });
  await called;
  await thread.terminate();
  await rejected;
  t.throws(() => remote.addCallback('never'), { code: 'ERR_IOLOOP_CLOSED' });
});

test('workers are terminated while they post and while they call', async (t) => {
  const WORKERS = 20;
  await withLoop(async (loop) => {
    const arrived = new Set<number>();
    let wanted = 0;
    let onArrival = (): void => {};
    loop.expose({
      hit: (id: number) => {
        arrived.add(id);
        if (id === wanted) onArrival();
      },
      ask: (id: number) => id,
    });
    const finished = loop.start();
    for (let id = 0; id < WORKERS; id += 1) {
      const hasArrived = new Promise<void>((resolve) => (onArrival = resolve));
      wanted = id;
      const thread = worker(
        `for (;;) {
           try { for (let left = 50; left > 0; left -= 1) remote.addCallback('hit', ${id}); } catch {}
           await Promise.all([remote.call('ask', 1), remote.call('ask', 2)]).catch(() => {});
         }`,
        loop.remote(),
      );
      await hasArrived;
      await thread.terminate();
    }
    loop.stop();
    await finished;
    t.is(arrived.size, WORKERS);
  });
});

test('loops whose workers are terminated while they are called leave nothing pending', async (t) => {
  const WORKERS = 8;
  const codes: unknown[] = [];
  for (let id = 0; id < WORKERS; id += 1) {
    const thread = new Worker(
      `import { parentPort } from 'node:worker_threads';
       const { IOLoop } = await import(${JSON.stringify(import.meta.resolve('ioloop'))});
       const loop = new IOLoop();
       loop.expose({ ask: async (value) => value });
       parentPort.postMessage(loop.remote());
       await loop.start();`,
      { eval: true, execArgv: ['--input-type=module'] },
    );
    const [handle] = (await once(thread, 'message')) as [RemoteHandle];
    const remote = IOLoop.fromRemote(handle);
    await remote.call('ask', id);
    const calls = Array.from({ length: 200 }, (_, value) => remote.call('ask', value));
    const [results] = await Promise.all([Promise.allSettled(calls), thread.terminate()]);
    for (const result of results) {
      if (result.status === 'rejected') codes.push((result.reason as { code: unknown }).code);
    }
  }
  t.true(codes.every((code) => code === 'ERR_IOLOOP_CLOSED'));
});

test('a remote keeps no process alive, and a call that waits does', async (t) => {
  const prologue = `
    import { IOLoop } from 'ioloop';
    const loop = new IOLoop();
    loop.expose({ add: (left, right) => left + right });
    const remote = IOLoop.fromRemote(loop.remote());
    process.on('exit', (code) => console.log('exit', code));
  `;
  const idle = await runChild(`${prologue}
    remote.addCallback('add', 1, 2);
    const sum = remote.call('add', 1, 2);
    const finished = loop.start();
    console.log(await sum);
    loop.stop();
    await finished;
  `);
  t.is(idle.stdout, '3\nexit 0\n', idle.stderr);
  const waiting = await runChild(`${prologue}
    setTimeout(async () => { remote.stop(); await loop.start(); loop.close(); }, 50).unref();
    console.log(await remote.call('add', 1, 2));
  `);
  t.is(waiting.stdout, '3\nexit 0\n', waiting.stderr);
});
