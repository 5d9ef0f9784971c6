/** Loops by the thousand: what they had is given back. */
import test from 'ava';
import { runChild } from './helpers/child.js';

const PROLOGUE = `
  import { readdirSync } from 'node:fs';
  import { IOLoop, Socket } from 'ioloop';
  const linux = process.platform === 'linux';
  const count = (what) => linux ? readdirSync('/proc/self/' + what).length : 0;
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
/** Bytes that the process may grow by over a thousand loops: 16 KiB a loop would be twice this. */
const MOST_GROWTH = 8 * MIB;

test('1,000 loops in a row leave no descriptor and no thread, and the process does not grow', async (t) => {
  const { code, stdout, stderr } = await runChild(`${PROLOGUE}
    const rounds = async (number) => {
      for (let round = 0; round < number; round += 1) await use();
      gc();
      await new Promise(setImmediate);
      gc();
    };
    await rounds(1000);
    const [fds, tasks, rss] = [count('fd'), count('task'), process.memoryUsage.rss()];
    await rounds(1000);
    console.log(count('fd') - fds, count('task') - tasks, process.memoryUsage.rss() - rss);
  `);
  t.is(code, 0, stderr);
  const [fds, tasks, growth] = stdout.trim().split(' ').map(Number) as [number, number, number];
  t.is(fds, 0);
  t.is(tasks, 0);
  t.true(growth < MOST_GROWTH, `${growth / MIB} MiB`);
});

test('1,000 loops at the same time: all run, all give back', async (t) => {
  const { code, stdout, stderr } = await runChild(`${PROLOGUE}
    await use();
    const before = [count('fd'), count('task')];
    await Promise.all(Array.from({ length: 1000 }, async () => {
      const loop = new IOLoop({ makeCurrent: false });
      loop.callLater(0.01, () => loop.stop());
      await loop.start();
      loop.close();
    }));
    const settled = async () => {
      for (let tries = 0; tries < 1000 && count('task') > before[1]; tries += 1) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    await settled();
    console.log(count('fd') - before[0], count('task') - before[1]);
  `);
  t.is(code, 0, stderr);
  t.is(stdout, '0 0\n');
});

test('loops that nobody has closed give their descriptors back when they are collected', async (t) => {
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
