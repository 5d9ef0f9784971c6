/** How long a process lives: as long as a loop of it runs. Each in a process of its own. */
import test from 'ava';
import { runChild } from './helpers/child.js';

const PROLOGUE = `
  import { inspect } from 'node:util';
  import { IOLoop, Socket } from 'ioloop';
  const loop = new IOLoop();
  process.on('exit', (code) => console.log('exit', code));
`;

/** Facts, what the child does, how it ends and what it has written until then. */
const FACTS: readonly [string, string, number, string][] = [
  [
    'a running loop keeps the process alive with nothing registered',
    `setTimeout(() => { console.log('alive'); loop.stop(); }, 50).unref();
     await loop.start();`,
    0,
    'alive\nexit 0\n',
  ],
  [
    'a running loop that is not awaited keeps the process alive, too',
    `setTimeout(() => { console.log('alive'); loop.stop(); }, 50).unref();
     void loop.start();`,
    0,
    'alive\nexit 0\n',
  ],
  [
    'a loop that sleeps until a timeout of its own keeps the process alive',
    `loop.callLater(0.05, () => { console.log('timeout'); loop.stop(); });
     await loop.start();`,
    0,
    'timeout\nexit 0\n',
  ],
  [
    'a loop that has never run does not keep the process alive',
    `const [socket] = Socket.pair();
     loop.addHandler(socket, () => {}, IOLoop.READ);
     loop.callLater(1e6, () => {});
     loop.addCallback(() => console.log('never'));`,
    0,
    'exit 0\n',
  ],
  [
    'a loop that has stopped does not keep the process alive, whatever it has left',
    `const [socket, peer] = Socket.pair();
     peer.send('x');
     loop.addHandler(socket, () => loop.stop(), IOLoop.READ);
     loop.callLater(1e6, () => {});
     await loop.start();
     console.log('stopped');`,
    0,
    'stopped\nexit 0\n',
  ],
  [
    'a closed loop does not keep the process alive',
    `loop.addCallback(() => loop.stop());
     await loop.start();
     loop.close();
     new IOLoop({ makeCurrent: false }).close();`,
    0,
    'exit 0\n',
  ],
  [
    'one of two loops keeps the process alive',
    `const other = new IOLoop({ makeCurrent: false });
     other.addCallback(() => other.stop());
     await Promise.all([other.start().then(() => {
       console.log('one');
       setTimeout(() => { console.log('alive'); loop.stop(); }, 20).unref();
     }), loop.start()]);`,
    0,
    'one\nalive\nexit 0\n',
  ],
  [
    'process.exit() in a handler ends the process at once',
    `const [socket, peer] = Socket.pair();
     peer.send('x');
     loop.addHandler(socket, () => process.exit(7), IOLoop.READ);
     await loop.start();
     console.log('never');`,
    7,
    'exit 7\n',
  ],
  [
    'process.exit() in a callback, with a thousand handlers and timeouts left',
    `for (let count = 0; count < 1000; count += 1) {
       const [socket, peer] = Socket.pair();
       peer.send('x');
       loop.addHandler(socket, () => {}, IOLoop.READ);
       loop.callLater(count / 1e3, () => {});
     }
     loop.callLater(0.005, () => process.exit(3));
     await loop.start();`,
    3,
    'exit 3\n',
  ],
  [
    'process.exit() while the loop sleeps, and in runSync',
    `const look = () => (inspect(loop).includes("'sleeping'") ? process.exit(4) : setImmediate(look));
     setImmediate(look);
     await loop.runSync(() => new Promise(() => {}));`,
    4,
    'exit 4\n',
  ],
  [
    'an exit handler may use the loop',
    `process.on('exit', () => {
       loop.addCallback(() => console.log('never'));
       loop.stop();
       try { loop.close(); } catch (error) { console.log(error.code); }
     });
     loop.addCallback(() => process.exit(0));
     await loop.start();`,
    0,
    'exit 0\nERR_IOLOOP_RUNNING\n',
  ],
  [
    'beforeExit comes when the loop has stopped, and may start it again',
    `let starts = 0;
     process.on('beforeExit', () => {
       console.log('beforeExit', loop.running);
       if (starts === 2) return;
       starts += 1;
       loop.callLater(0.005, () => loop.stop());
       void loop.start();
     });`,
    0,
    'beforeExit false\nbeforeExit false\nbeforeExit false\nexit 0\n',
  ],
  [
    'a callback that fails does not end the process',
    `loop.handleCallbackException = (callback, error) => console.log(error.message);
     loop.addCallback(() => { throw new Error('thrown'); });
     loop.addCallback(async () => { throw new Error('rejected'); });
     loop.callLater(0.005, () => loop.stop());
     await loop.start();`,
    0,
    'thrown\nrejected\nexit 0\n',
  ],
  [
    'an uncaught error of other code ends the process, though the loop runs',
    `setTimeout(() => { throw new Error('from elsewhere'); }, 5);
     await loop.start();`,
    1,
    'exit 1\n',
  ],
  [
    'an unhandled rejection of other code ends the process, though the loop runs',
    `setTimeout(() => { void Promise.reject(new Error('from elsewhere')); }, 5);
     await loop.start();`,
    1,
    'exit 1\n',
  ],
  [
    'an uncaught error that is caught lets the loop run on',
    `process.on('uncaughtException', (error) => {
       console.log(error.message);
       loop.addCallback(() => loop.stop());
     });
     setTimeout(() => { throw new Error('from elsewhere'); }, 5);
     await loop.start();`,
    0,
    'from elsewhere\nexit 0\n',
  ],
  [
    'an await of something that a stopped loop would do does not keep the process alive',
    `loop.addCallback(() => loop.stop());
     await loop.start();
     void (async () => {
       await new Promise((resolve) => loop.addCallback(resolve));
       console.log('never');
     })();`,
    0,
    'exit 0\n',
  ],
  [
    'a loop that is running and out of reach still runs',
    `{
       const hidden = new IOLoop({ makeCurrent: false });
       hidden.callLater(0.05, () => { console.log('still here'); hidden.stop(); });
       void hidden.start();
     }
     for (let round = 0; round < 3; round += 1) {
       gc();
       await new Promise(setImmediate);
     }`,
    0,
    'still here\nexit 0\n',
  ],
];

for (const [fact, body, code, written] of FACTS) {
  test(fact, async (t) => {
    const result = await runChild(PROLOGUE + body, { timeout: 20_000 });
    t.is(result.stdout, written, result.stderr);
    t.is(result.code, code, result.stderr);
    t.is(result.signal, null);
  });
}
