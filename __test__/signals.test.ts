/** Real signals: they wake a loop that sleeps, and what their handlers do is safe. */
import test from 'ava';
import { startChild } from './helpers/child.js';

/** Facts: what the child does once it runs; it gets the signal when it has written `ready`. */
const FACTS: readonly [string, NodeJS.Signals, string, string][] = [
  [
    'stop() in a signal handler wakes a loop that sleeps',
    'SIGUSR1',
    `process.on('SIGUSR1', () => loop.stop());
     await loop.start();
     console.log('stopped');`,
    'stopped\n',
  ],
  [
    'addCallbackFromSignal in a signal handler wakes a loop that sleeps',
    'SIGUSR2',
    `process.on('SIGUSR2', () => loop.addCallbackFromSignal((name) => {
       console.log(name, loop === IOLoop.current());
       loop.stop();
     }, 'called'));
     await loop.start();`,
    'called true\n',
  ],
  [
    'addCallbackFromSignal drops the context that the signal came in',
    'SIGUSR2',
    `const storage = new AsyncLocalStorage();
     storage.run('registered in', () => {
       process.on('SIGUSR2', () => storage.run('inside', () => {
         loop.addCallback(() => console.log('addCallback', storage.getStore()));
         loop.addCallbackFromSignal(() => {
           console.log('addCallbackFromSignal', storage.getStore());
           loop.stop();
         });
       }));
     });
     await loop.start();`,
    'addCallback inside\naddCallbackFromSignal undefined\n',
  ],
  [
    'a timeout and a handler that a signal handler adds come',
    'SIGHUP',
    `const [socket, peer] = Socket.pair();
     const seen = new Set();
     const saw = (what) => {
       if (seen.has(what)) return;
       seen.add(what);
       if (seen.size === 2) { console.log([...seen].sort().join()); loop.stop(); }
     };
     process.on('SIGHUP', () => {
       loop.callLater(0.002, saw, 'timeout');
       loop.addHandler(socket, () => saw('handler'), IOLoop.READ);
       peer.send('x');
     });
     await loop.start();`,
    'handler,timeout\n',
  ],
  [
    'a signal that interrupts the wait is not an error of the loop',
    'SIGWINCH',
    `loop.handleCallbackException = (callback, error) => console.log('reported', error);
     process.on('SIGWINCH', () => {});
     setTimeout(() => {
       for (let count = 0; count < 100; count += 1) process.kill(process.pid, 'SIGWINCH');
       loop.callLater(0.01, () => loop.stop());
     }, 1);
     await loop.start();
     console.log('quiet');`,
    'quiet\n',
  ],
  [
    'SIGINT stops a loop that never sleeps',
    'SIGINT',
    `sleeps = false;
     process.on('SIGINT', () => loop.stop());
     const again = () => loop.addCallback(again);
     again();
     await loop.start();
     console.log('stopped');`,
    'stopped\n',
  ],
  [
    'a signal of process.kill in a callback of the loop',
    'SIGCONT',
    `process.on('SIGUSR1', () => loop.addCallbackFromSignal(() => loop.stop()));
     loop.addCallback(() => process.kill(process.pid, 'SIGUSR1'));
     await loop.start();
     console.log('stopped');`,
    'stopped\n',
  ],
];

for (const [fact, signal, body, written] of FACTS) {
  test(`${fact} (${signal})`, async (t) => {
    const child = startChild(
      `import { AsyncLocalStorage } from 'node:async_hooks';
       import { inspect } from 'node:util';
       import { IOLoop, Socket } from 'ioloop';
       const loop = new IOLoop();
       let sleeps = true;
       const isReady = () => !loop.running || !sleeps || inspect(loop).includes("'sleeping'");
       const look = () => (isReady() ? console.log('ready') : setImmediate(look));
       setImmediate(look);
       ${body}`,
      { timeout: 20_000 },
    );
    await child.wrote('ready');
    child.process.kill(signal);
    const { code, stdout, stderr } = await child.ended;
    t.is(stdout.replace('ready\n', ''), written, stderr);
    t.is(code, 0, stderr);
  });
}

test('a signal without a handler ends the process', async (t) => {
  const child = startChild(`
    import { IOLoop } from 'ioloop';
    setImmediate(() => console.log('ready'));
    await new IOLoop().start();
  `);
  await child.wrote('ready');
  child.process.kill('SIGTERM');
  const { code, signal } = await child.ended;
  t.is(code, null);
  t.is(signal, 'SIGTERM');
});
