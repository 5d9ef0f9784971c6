/** What ended callers and closed loops leave: nothing that another call does not need. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { IOLoop, transfer } from 'ioloop';
import { runChild } from './helpers/child.js';
import { takeReports, withLoop } from './helpers/loop.js';

test('callers that end leave their posts with a loop that does not run, and no memory', async (t) => {
  const { code, stdout, stderr } = await runChild(`
    import { setImmediate as tick } from 'node:timers/promises';
    import { IOLoop } from 'ioloop';
    const CALLERS = 240;
    const loop = new IOLoop();
    const seen = [];
    loop.expose('hit', (value) => seen.push(value));
    const handle = loop.remote();
    let start = 0;
    for (let caller = -40; caller < CALLERS; caller += 1) {
      // A remote that is garbage has ended as one of a thread that has ended. Every other one posts.
      const remote = IOLoop.fromRemote(handle);
      if (caller >= 0 && caller % 2 === 0) remote.addCallback('hit', caller);
      await tick();
      gc();
      if (caller === -1) start = process.memoryUsage.rss();
    }
    const growth = process.memoryUsage.rss() - start;
    loop.addCallback(() => loop.stop());
    await loop.start();
    const isComplete = seen.length === CALLERS / 2 && seen.every((value, at) => value === 2 * at);
    console.log(JSON.stringify({ growth, isComplete, accepted: loop.metrics().postsAccepted }));
  `);
  t.is(code, 0, stderr);
  const { growth, ...calls } = JSON.parse(stdout) as { growth: number };
  t.deepEqual(calls, { isComplete: true, accepted: 120 });
  // A caller has 64 KiB while it may post.
  t.true(growth < (240 * 64 * 1024) / 3, `${growth} bytes`);
});

test('a loop that is closed keeps nothing that was transferred to it', async (t) => {
  const { code, stdout, stderr } = await runChild(`
    import { setImmediate as tick } from 'node:timers/promises';
    import { IOLoop, transfer } from 'ioloop';
    const sizes = [];
    for (let round = 0; round < 5; round += 1) {
      const loop = new IOLoop();
      loop.expose('hit', () => {});
      const remote = IOLoop.fromRemote(loop.remote());
      const bytes = new Uint8Array(16 << 20).fill(1);
      const result = remote.call('hit', transfer(bytes, [bytes.buffer]));
      loop.close();
      await result.catch(({ code }) => code === 'ERR_IOLOOP_CLOSED' || process.exit(1));
      for (let left = 3; left > 0; left -= 1) {
        await tick();
        gc();
      }
      sizes.push(process.memoryUsage.rss());
    }
    console.log(sizes.at(-1) - sizes[0]);
  `);
  t.is(code, 0, stderr);
  t.true(Number(stdout) < 32 << 20, `${stdout} bytes`);
});

test('close() runs the calls behind one whose transfer has not come, which it reports', async (t) => {
  await withLoop(async (loop) => {
    const seen: unknown[] = [];
    loop.expose('hit', (value: unknown) => seen.push(value));
    const posted = new Int32Array(new SharedArrayBuffer(4));
    const thread = new Worker(
      `import { workerData } from 'node:worker_threads';
       const { IOLoop, transfer } = await import(${JSON.stringify(import.meta.resolve('ioloop'))});
       const remote = IOLoop.fromRemote(workerData.handle);
       remote.addCallback('hit', 'before');
       const bytes = new Uint8Array(8);
       remote.addCallback('hit', transfer(bytes, [bytes.buffer]));
       remote.addCallback('hit', 'after');
       Atomics.store(workerData.posted, 0, 1);
       Atomics.notify(workerData.posted, 0);`,
      {
        eval: true,
        execArgv: ['--input-type=module'],
        workerData: { handle: loop.remote(), posted },
      },
    );
    const exit = once(thread, 'exit');
    // This thread takes no port meanwhile.
    Atomics.wait(posted, 0, 0);
    loop.close();
    t.deepEqual(seen, ['before', 'after']);
    t.like(takeReports(loop), { length: 1, 0: { error: { code: 'ERR_IOLOOP_NOT_CLONEABLE' } } });
    await exit;
  });
});

test('a call ends, whatever its function has thrown or returned', async (t) => {
  const evil = new Error('evil');
  Object.defineProperty(evil, 'message', {
    get: () => {
      throw evil;
    },
  });
  await withLoop(async (loop) => {
    loop.expose({
      throws: () => {
        throw evil;
      },
      rejects: () => Promise.reject(evil),
      returns: () => ({
        get value() {
          throw evil;
        },
      }),
      throwsUnreadable: () => {
        const { proxy, revoke } = Proxy.revocable({}, {});
        revoke();
        throw proxy;
      },
    });
    const finished = loop.start();
    const remote = IOLoop.fromRemote(loop.remote());
    for (const name of ['throws', 'rejects', 'returns', 'throwsUnreadable']) {
      await t.throwsAsync(remote.call(name), { code: 'ERR_IOLOOP_NOT_CLONEABLE' }, name);
    }
    const argument = {
      get value() {
        throw evil;
      },
    };
    t.throws(() => remote.addCallback('throws', argument), { code: 'ERR_IOLOOP_NOT_CLONEABLE' });
    t.throws(() => remote.addCallback('throws', transfer(argument, [])), {
      code: 'ERR_IOLOOP_NOT_CLONEABLE',
    });
    loop.stop();
    await finished;
  });
});
