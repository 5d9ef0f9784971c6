/** Loops by the thousand: what they had is given back. */
import test from 'ava';
import { runChild } from './helpers/child.js';

const PROLOGUE = `
  import { readdirSync, readFileSync } from 'node:fs';
  import { IOLoop, Socket } from 'ioloop';
  const linux = process.platform === 'linux';
  const count = (what) => linux ? readdirSync('/proc/self/' + what).length : 0;
  const nameOf = (task) => {
    try { return readFileSync('/proc/self/task/' + task + '/comm', 'utf8'); } catch { return 'ended'; }
  };
  // Ours by name: Node may start one of its own at any time.
  const drivers = () => linux ? readdirSync('/proc/self/task').map(nameOf)
    .filter((name) => name.startsWith('ioloop')).length : 0;
  const use = async () => {
    const loop = new IOLoop();
    const [readable, peer] = Socket.pair();
    peer.send('x');
    loop.addHandler(readable, () => loop.stop(), IOLoop.READ);
    loop.callLater(1e6, () => {});
    loop.addCallback(() => loop.addCallback(() => {}));
    await loop.start();
    loop.close({ allFds: true });
    peer.close();
  };
`;

const MIB = 2 ** 20;
/**
 * Bytes that the process may grow by over a thousand loops: 16 KiB a loop would be twice this. V8's heap
 * grows by steps as large, but not in each of three thousand; what leaks does.
 */
const MOST_GROWTH = 8 * MIB;
/** Threads that Node may start meanwhile; a leak would be a thousand. */
const NODES_OWN = 5;

test('1,000 loops in a row leave no descriptor and no thread, and the process does not grow', async (t) => {
  const { code, stdout, stderr } = await runChild(`${PROLOGUE}
    const rounds = async (number) => {
      for (let round = 0; round < number; round += 1) await use();
      gc();
      await new Promise(setImmediate);
      gc();
    };
    await rounds(1000);
    const [fds, tasks] = [count('fd'), count('task')];
    let growth = Infinity;
    for (let tries = 0; tries < 3 && growth >= ${MOST_GROWTH}; tries += 1) {
      const rss = process.memoryUsage.rss();
      await rounds(1000);
      growth = Math.min(growth, process.memoryUsage.rss() - rss);
    }
    console.log(count('fd') - fds, count('task') - tasks, drivers(), growth);
  `);
  t.is(code, 0, stderr);
  const [fds = 1, tasks = 1, drivers = 1, growth = 1] = stdout.trim().split(' ').map(Number);
  t.is(fds, 0);
  t.is(drivers, 0);
  t.true(tasks < NODES_OWN, `${tasks} threads more`);
  t.true(growth < MOST_GROWTH, `${growth / MIB} MiB`);
});

test('1,000 loops at the same time: all run, all give back', async (t) => {
  const { code, stdout, stderr } = await runChild(`${PROLOGUE}
    await use();
    const before = [count('fd')];
    await Promise.all(Array.from({ length: 1000 }, async () => {
      const loop = new IOLoop({ makeCurrent: false });
      loop.callLater(0.01, () => loop.stop());
      await loop.start();
      loop.close();
    }));
    const settled = async () => {
      for (let tries = 0; tries < 1000 && drivers() > 0; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await settled();
    console.log(count('fd') - before[0], drivers());
  `);
  t.is(code, 0, stderr);
  t.is(stdout, '0 0\n');
});

test('loops that were not closed release their descriptors when they are collected', async (t) => {
  const { code, stdout, stderr } = await runChild(`${PROLOGUE}
    await use();
    const before = count('fd');
    await (async () => {
      for (let round = 0; round < 100; round += 1) {
        const loop = new IOLoop({ makeCurrent: false });
        loop.callLater(1e6, () => {});
        loop.addCallback(() => loop.stop());
        await loop.start();
      }
    })();
    for (let tries = 0; tries < 100 && count('fd') > before; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      gc();
    }
    // The last may still be held by a register of the machine.
    console.log(count('fd') - before < 10);
  `);
  t.is(code, 0, stderr);
  t.is(stdout, 'true\n');
});
