/** Loops by the hundred: the memory of a module of WebAssembly grows under them, and is given back. */
import test from 'ava';
import { IOLoop } from 'ioloop';
import { runChild } from './helpers/child.js';

test('loops whose timeouts add timeouts, while the memory grows: each fires once, and on time', async (t) => {
  const loops = Array.from({ length: 200 }, () => new IOLoop({ makeCurrent: false }));
  const early: number[] = [];
  const counts = await Promise.all(
    loops.map(async (loop) => {
      let fired = 0;
      const fire = (deadline: number): void => {
        fired += 1;
        if (loop.time() < deadline) early.push(loop.time() - deadline);
        if (fired === 150) loop.stop();
      };
      for (let at = 0; at < 50; at += 1) {
        const deadline = loop.time() + at / 5e3;
        loop.addTimeout(deadline, () => {
          for (const later of [0, 0.002]) {
            const next = loop.time() + later;
            loop.addTimeout(next, fire, next);
          }
          fire(deadline);
        });
      }
      await loop.start();
      return fired;
    }),
  );
  for (const loop of loops) loop.close();
  t.deepEqual(new Set(counts), new Set([150]));
  t.deepEqual(early, []);
});

test('a million timeouts and then loops that come and go leave no memory behind', async (t) => {
  const { code, stdout, stderr } = await runChild(`
    import { IOLoop } from 'ioloop';
    // What native objects had is given back by tasks after the collection.
    const memory = async () => {
      const least = { heap: Infinity, external: Infinity };
      for (let round = 0; round < 10; round += 1) {
        gc();
        await new Promise((resolve) => setImmediate(resolve));
        const { heapUsed, external } = process.memoryUsage();
        least.heap = Math.min(least.heap, heapUsed / 2 ** 20);
        least.external = Math.min(least.external, external / 2 ** 20);
      }
      return least;
    };
    const made = async (count) => {
      for (let round = 0; round < count; round += 1) {
        const loop = new IOLoop({ makeCurrent: false });
        loop.callLater(1, () => {});
        loop.close();
        if (round % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const loop = new IOLoop({ makeCurrent: false });
    let fired = 0;
    for (let at = 0; at < 1e6; at += 1) loop.addTimeout(at % 1000, () => { fired += 1; });
    loop.addCallback(() => loop.callLater(0, () => loop.stop()));
    await loop.start();
    loop.close();
    await made(3000);
    const before = await memory();
    await made(10_000);
    console.log(JSON.stringify({ fired, before, after: await memory() }));
  `);
  t.is(code, 0, stderr);
  const { fired, before, after } = JSON.parse(stdout);
  t.log({ before, after });
  t.is(fired, 1e6);
  t.true(after.heap < before.heap + 3, stdout);
  t.true(after.external < before.external + 8, stdout);
});
