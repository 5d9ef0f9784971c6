/** Loops in worker threads: each has its own, and nothing is left when a worker ends. */
import test from 'ava';
import { runChild } from './helpers/child.js';

/** Helpers of the children: workers from source, and what the process has open. */
const PROLOGUE = `
  import { readdirSync, readlinkSync } from 'node:fs';
  import { once } from 'node:events';
  import { Worker } from 'node:worker_threads';
  const worker = (source, workerData) => new Worker(
    'import { parentPort, workerData } from "node:worker_threads";' +
    'import { IOLoop, Socket } from "ioloop";' + source,
    { eval: true, execArgv: ['--input-type=module'], workerData });
  const linux = process.platform === 'linux';
  const count = (what) => linux ? readdirSync('/proc/self/' + what).length : 0;
  const settled = async (what, most) => {
    for (let tries = 0; tries < 2000 && count(what) > most; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return count(what) - most;
  };
`;

async function runs(source: string): Promise<string> {
  const { code, signal, stdout, stderr } = await runChild(PROLOGUE + source);
  if (code !== 0) throw new Error(`ended with ${code ?? signal}: ${stdout}${stderr}`);
  return stdout + stderr;
}

test('a worker has a loop of its own, and its own current loop', async (t) => {
  const output = await runs(`
    const { IOLoop } = await import('ioloop');
    const mine = IOLoop.current();
    const other = worker(\`
      const before = IOLoop.current(false);
      const loop = new IOLoop();
      const [readable, peer] = Socket.pair();
      const seen = [];
      loop.addHandler(readable, () => {
        seen.push(String(readable.recv(10)));
        loop.stop();
      }, IOLoop.READ);
      loop.callLater(0.005, () => peer.send('hello'));
      await loop.start();
      parentPort.postMessage([before, IOLoop.current() === loop, ...seen]);
    \`);
    mine.callLater(0.001, () => {});
    other.once('message', (message) => { console.log(JSON.stringify(message)); mine.stop(); });
    await mine.start();
  `);
  t.is(output, '[null,true,"hello"]\n');
});

test('several loops in each of several threads run at the same time', async (t) => {
  const output = await runs(`
    const source = \`
      const loops = Array.from({ length: 5 }, () => new IOLoop({ makeCurrent: false }));
      let ticks = 0;
      await Promise.all(loops.map((loop) => {
        let left = 20;
        const tick = () => {
          ticks += 1;
          left -= 1;
          if (left === 0) loop.stop();
          else loop.callLater(0.001, tick);
        };
        loop.addCallback(tick);
        return loop.start();
      }));
      for (const loop of loops) loop.close();
      parentPort.postMessage(ticks);
    \`;
    const workers = Array.from({ length: 4 }, () => worker(source));
    const ticks = await Promise.all(workers.map(async (each) => (await once(each, 'message'))[0]));
    console.log(ticks.join());
  `);
  t.is(output, '100,100,100,100\n');
});

test('the addon that only a worker loads survives its end, again and again', async (t) => {
  const output = await runs(`
    for (let round = 0; round < 5; round += 1) {
      const each = worker('const loop = new IOLoop(); await loop.runSync(() => null); loop.close();');
      const [code] = await once(each, 'exit');
      if (code !== 0) throw new Error('exit ' + code);
    }
    console.log('done');
  `);
  t.is(output, 'done\n');
});

test('a worker ends by itself when its loop has stopped, closed or not', async (t) => {
  const output = await runs(`
    for (const end of ['', 'loop.close();']) {
      const each = worker('const loop = new IOLoop(); loop.callLater(1e5, () => {});' +
        'loop.addCallback(() => loop.stop()); await loop.start();' + end);
      console.log((await once(each, 'exit'))[0]);
    }
  `);
  t.is(output, '0\n0\n');
});

test('process.exit() in a handler of a worker ends the worker only', async (t) => {
  const output = await runs(`
    const each = worker(\`
      const loop = new IOLoop();
      const [readable, peer] = Socket.pair();
      peer.send('x');
      loop.addHandler(readable, () => process.exit(5), IOLoop.READ);
      await loop.start();
    \`);
    console.log((await once(each, 'exit'))[0]);
  `);
  t.is(output, '5\n');
});

test('an error that ends a worker reaches its parent', async (t) => {
  const output = await runs(`
    const each = worker(\`
      const loop = new IOLoop();
      loop.handleCallbackException = (callback, error) => { throw error; };
      loop.addCallback(() => { throw new Error('inside'); });
      await loop.start();
    \`);
    const [error] = await once(each, 'error');
    console.log(error.message);
  `);
  t.is(output, 'handleCallbackException failed while it handled an error\n');
});

/** What a worker does when it is terminated. */
const STATES: Readonly<Record<string, string>> = {
  'in the middle of a dispatch': `
    loop.addHandler(workerData, () => { parentPort.postMessage(0); for (;;); }, IOLoop.READ);`,
  'while handlers are called in every turn': `
    let calls = 0;
    loop.addHandler(workerData, () => {
      calls += 1;
      if (calls === 10) parentPort.postMessage(0);
    }, IOLoop.READ);
    for (let count = 0; count < 1000; count += 1) loop.callLater(count / 1e4, () => {});`,
  'while it sleeps': `
    loop.callLater(1e3, () => {});
    loop.addHandler(workerData, () => { loop.removeHandler(workerData); parentPort.postMessage(0); }, IOLoop.READ);`,
};

for (const [state, source] of Object.entries(STATES)) {
  test(`50 workers that are terminated ${state}: no crash, no descriptor and no thread is left`, async (t) => {
    const output = await runs(`
      const { Socket } = await import('ioloop');
      const [readable, peer] = Socket.pair();
      peer.send('x');
      const round = async (size) => {
        await Promise.all(Array.from({ length: size }, async () => {
          const each = worker(${JSON.stringify(`const loop = new IOLoop(); ${source} await loop.start();`)}, readable.fd);
          await once(each, 'message');
          await each.terminate();
        }));
      };
      // The threads that the first workers leave are Node's, which may start two more later.
      await round(5);
      await new Promise((resolve) => setTimeout(resolve, 20));
      const [fds, tasks] = [count('fd'), count('task')];
      for (let rounds = 0; rounds < 10; rounds += 1) await round(5);
      console.log(await settled('fd', fds) <= 0, await settled('task', tasks + 2) <= 0);
    `);
    t.is(output, 'true true\n');
  });
}
