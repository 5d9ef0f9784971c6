/** Loops without a report: healthy, stopped and debugged ones, and those that nothing watches. */
import test from 'ava';
import { serialIf } from './helpers/conditions.js';
import { EPILOGUE, isSampled, PROLOGUE, runs, THRESHOLD } from './helpers/blocked.js';
import { runChild, startChild } from './helpers/child.js';

const sampled = serialIf(isSampled, 'Linux on x64 or arm64');

test.serial('null ends the watch, and a later threshold replaces an earlier one', async (t) => {
  const result = await runs(`
    loop.setBlockingSignalThreshold(${THRESHOLD}, null);
    loop.setBlockingSignalThreshold(60, null);
    loop.callLater(0.1, () => spin(1));
    loop.callLater(1.2, () => { loop.setBlockingLogThreshold(${THRESHOLD}); });
    loop.callLater(1.3, () => { loop.setBlockingLogThreshold(null); });
    loop.callLater(1.4, () => { spin(1); loop.stop(); });
  `);
  t.is(result.code, 0);
  t.is(result.stderr, '<end>');
});

test.serial(
  'a busy, healthy loop has no report; nor has what runs before its first turn',
  async (t) => {
    const result = await runs(`
    loop.setBlockingLogThreshold(1.5);
    const started = Date.now();
    const [readable, peer] = Socket.pair();
    loop.addHandler(readable, () => { readable.recv(1); peer.send('x'); }, IOLoop.READ);
    peer.send('x');
    const again = () => {
      spin(0.005);
      if (Date.now() - started < 7000) loop.addCallback(again);
      else loop.stop();
    };
    loop.addCallback(again);
    // The start of a program may take long: it is not the loop that is blocked.
    const running = loop.start();
    spin(1);
    loop.start = () => running;
  `);
    t.is(result.stderr, '<end>');
  },
);

test.serial('the time of a stopped process does not count', async (t) => {
  const child = startChild(
    PROLOGUE +
      `
      loop.setBlockingLogThreshold(1);
      loop.callLater(0.2, () => { console.log('stopping'); process.kill(process.pid, 'SIGSTOP'); });
      loop.callLater(0.5, () => { loop.callLater(0.5, () => loop.stop()); });
      ` +
      EPILOGUE,
  );
  await child.wrote('stopping');
  await new Promise((resolve) => setTimeout(resolve, 3_000));
  child.process.kill('SIGCONT');
  const { stderr } = await child.ended;
  t.is(stderr, '<end>');
});

test.serial('a program that a debugger has paused is not blocked', async (t) => {
  const result = await runs(`
    const { Worker } = await import('node:worker_threads');
    const debug = new Worker(\`
      const { Session } = require('node:inspector');
      const session = new Session();
      session.connectToMainThread();
      session.post('Debugger.enable', () => require('node:worker_threads').parentPort.postMessage('ready'));
      session.on('Debugger.paused', () => {
        setTimeout(() => {
          require('node:fs').writeSync(2, '<resumed>');
          session.post('Debugger.resume', () => session.disconnect());
        }, 4000);
      });
      setTimeout(() => {}, 60_000);
    \`, { eval: true, execArgv: [] });
    debug.once('message', () => { loop.callLater(0.5, breaks); });
    loop.setBlockingLogThreshold(1.5);
    function breaks() { mark('block'); debugger; mark('over'); debug.unref(); loop.stop(); }
  `);
  t.is(result.stderr, '<block><resumed><over><end>');
});

sampled('a healthy loop that waits for a CPU has no report', async (t) => {
  const result = await runChild(
    `
    ${PROLOGUE}
    import { spawn } from 'node:child_process';
    import { availableParallelism } from 'node:os';
    // This process has a low priority: it waits for a CPU nearly all the time. The others end with it.
    const busy = 'while kill -0 ' + process.pid + ' 2>/dev/null; do :; done';
    const others = Array.from({ length: 2 * availableParallelism() }, () =>
      spawn('nice', ['-n', '-10', 'sh', '-c', busy], { stdio: 'ignore' }));
    loop.setBlockingLogThreshold(0.1);
    const end = Date.now() + 5000;
    let garbage = [];
    loop.addCallback(function again() {
      const begun = process.cpuUsage();
      for (let used = 0; used < 5000; ) {
        garbage = [garbage.slice(0, 1), new Array(1000).fill('x')];
        const { user, system } = process.cpuUsage(begun);
        used = user + system;
      }
      if (Date.now() < end) loop.addCallback(again);
      else loop.stop();
    });
    ${EPILOGUE}
    for (const other of others) other.kill('SIGKILL');
    `,
    { through: ['nice', '-n', '10'], timeout: 100_000 },
  );
  t.is(result.code, 0);
  t.is(result.stderr.replaceAll(/nice: .*\n/g, ''), '<end>');
});

sampled('a worker that a debugger has paused is not blocked', async (t) => {
  const result = await runChild(`
    import { Session } from 'node:inspector';
    import { writeSync } from 'node:fs';
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    const session = new Session();
    session.connect();
    const post = (sessionId, method) => session.post('NodeWorker.sendMessageToWorker',
      { sessionId, message: JSON.stringify({ id: 1, method }) });
    session.on('NodeWorker.attachedToWorker', ({ params: { sessionId } }) => {
      post(sessionId, 'Debugger.enable');
      post(sessionId, 'Runtime.runIfWaitingForDebugger');
    });
    session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }) => {
      if (JSON.parse(message).method !== 'Debugger.paused') return;
      setTimeout(() => {
        writeSync(2, '<resumed>');
        post(sessionId, 'Debugger.resume');
      }, 2500);
    });
    await new Promise((resolve) => session.post('NodeWorker.enable', { waitForDebuggerOnStart: true }, resolve));
    const source = \`
      import { writeSync } from 'node:fs';
      import { IOLoop } from 'ioloop';
      const loop = new IOLoop();
      loop.setBlockingLogThreshold(1);
      loop.callLater(0.3, () => { writeSync(2, '<block>'); debugger; writeSync(2, '<over>'); loop.stop(); });
      await loop.start();
    \`;
    await once(new Worker(source, { eval: true, execArgv: ['--input-type=module'] }), 'exit');
    session.disconnect();
  `);
  t.is(result.stderr, '<block><resumed><over>');
});

for (const [name, change] of [
  ['ended', 'loop.setBlockingSignalThreshold(null, null)'],
  ['raised', 'loop.setBlockingSignalThreshold(60, null)'],
] as const) {
  test.serial(`a watch that is ${name} by the function that blocks has no report`, async (t) => {
    const result = await runs(`
      loop.setBlockingSignalThreshold(0.5, null);
      loop.callLater(0.2, () => { ${change}; spin(2); loop.stop(); });
    `);
    t.is(result.code, 0, String(result.signal));
    t.is(result.stderr, '<end>');
  });
}
