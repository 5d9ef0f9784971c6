/**
 * Detection of a blocked loop: the report comes during the block and names the function that blocks;
 * healthy, stopped and debugged loops have none. Each loop is in a child process, whose standard
 * error has the reports between the marks of its program.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { IOLoop } from 'ioloop';
import { runChild, startChild, type ChildResult } from './helpers/child.js';

/** Seconds. */
const THRESHOLD = 0.2;

/**
 * Marks on the standard error, and ways to block: `block()` until the test has seen what it waits
 * for, `spin()` for a time.
 */
const PROLOGUE = `
  import { existsSync, readFileSync, writeSync } from 'node:fs';
  import { setTimeout as hostTimer } from 'node:timers/promises';
  import { IOLoop, Socket } from 'ioloop';
  const mark = (text) => writeSync(2, '<' + text + '>');
  const spin = (seconds) => { const end = Date.now() + 1e3 * seconds; while (Date.now() < end); };
  const isReleased = () => existsSync(process.env.RELEASE);
  const block = (step = () => {}) => { mark('block'); while (!isReleased()) step(); mark('over'); };
  const loop = new IOLoop();
`;
const EPILOGUE = `
  await loop.start();
  loop.close();
  mark('end');
`;

/** Runs a program. When its standard error matches `release`, its \`block()\` ends. */
async function runs(source: string, release = /(?!)/, write?: string): Promise<ChildResult> {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
  const file = join(folder, 'release');
  if (write !== undefined) execFileSync('mkfifo', [file]);
  const child = startChild(PROLOGUE + source + EPILOGUE, { env: { RELEASE: file } });
  let stderr = '';
  let isReleased = false;
  child.process.stderr?.on('data', (text) => {
    stderr += String(text);
    if (isReleased || !release.test(stderr)) return;
    isReleased = true;
    writeFileSync(file, write ?? '');
  });
  const result = await child.ended;
  rmSync(folder, { recursive: true });
  return result;
}

/** The output between the marks of the block: what was written while the loop was blocked. */
function during({ stderr }: ChildResult): string {
  return /<block>(.*)<over>/s.exec(stderr)?.[1] ?? `not found in ${stderr}`;
}

/** The line of the function, and its stack. On a slow machine the stack is a second report. */
const NAMED = /IOLoop.* in culprit \(.*:\d+:\d+\)\n( {4}at .*\n)* {4}at culprit \(.*:\d+:\d+\)\n/;

for (const [name, step] of [
  ['while (true)', ''],
  ['Atomics.wait', '() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000)'],
  ['a regular expression', `() => /^(a+)+$/.test('a'.repeat(24) + 'b')`],
] as const) {
  test.serial(
    `a loop blocked by ${name} is reported during the block, with the function`,
    async (t) => {
      const program = `
      loop.setBlockingLogThreshold(${THRESHOLD});
      function culprit() { block(${step}); loop.stop(); }
      loop.callLater(0.5, culprit);
    `;
      const result = await runs(program, NAMED);
      t.is(result.code, 0, result.stderr);
      t.regex(during(result), NAMED);
      t.is(result.stderr.split('IOLoop blocked for').length, 2, 'one report per block');
    },
  );
}

test.serial(
  'a loop blocked by a synchronous read is reported during the block, its stack after it',
  async (t) => {
    const program = `
    loop.setBlockingLogThreshold(${THRESHOLD});
    function culprit() {
      mark('block');
      readFileSync(process.env.RELEASE);
      mark('over');
      spin(1);
      loop.stop();
    }
    loop.callLater(0.5, culprit);
  `;
    // The read ends when the report has come.
    const result = await runs(program, /no stack: .*\n/, 'x');
    t.is(result.code, 0, result.stderr);
    t.regex(during(result), /IOLoop blocked for \d+\.\d+ seconds; no stack: /);
    t.regex(result.stderr, /The stack of the blocked IOLoop.* in culprit \(.*:\d+:\d+\)\n/);
  },
);

test.serial('the first turn is watched', async (t) => {
  const program = `
    loop.setBlockingLogThreshold(${THRESHOLD});
    function culprit() { block(); loop.stop(); }
    loop.addCallback(culprit);
  `;
  t.regex(during(await runs(program, NAMED)), NAMED);
});

test.serial('a continuation of an async function blocks the loop as well', async (t) => {
  const program = `
    loop.setBlockingLogThreshold(${THRESHOLD});
    function continuation() { block(); loop.stop(); }
    loop.callLater(0.5, async () => { await null; continuation(); });
  `;
  const named = / at continuation \(/;
  t.regex(during(await runs(program, named)), named);
});

test.serial('a callback of Node blocks the loop as well', async (t) => {
  const program = `
    loop.setBlockingLogThreshold(${THRESHOLD});
    function continuation() { block(); loop.stop(); }
    void hostTimer(500).then(continuation);
  `;
  const named = / at continuation \(/;
  t.regex(during(await runs(program, named)), named);
});

test.serial('each block is reported once, and the next one again', async (t) => {
  const result = await runs(`
    loop.setBlockingSignalThreshold(${THRESHOLD}, (report) => mark(report.culprit));
    function first() { spin(3); }
    function second() { spin(3); }
    loop.callLater(0.5, first);
    loop.callLater(4, second);
    loop.callLater(9, () => { loop.stop(); });
  `);
  const culprits = [...result.stderr.matchAll(/<(\w+) \(/g)].map(([, name]) => name);
  t.deepEqual(culprits, ['first', 'second'], result.stderr);
});

test.serial(
  'an action gets the report as a callback of the loop, in its async context',
  async (t) => {
    const result = await runs(`
    import { AsyncLocalStorage } from 'node:async_hooks';
    const storage = new AsyncLocalStorage();
    storage.run('context', () => {
      loop.setBlockingSignalThreshold(${THRESHOLD}, (report) => {
        const { seconds, culprit, stack, reason } = report;
        const current = IOLoop.current(false) === loop;
        console.log(JSON.stringify({ seconds, culprit, stack, reason, current, context: storage.getStore() }));
        loop.logStack(report);
        loop.stop();
      });
    });
    function culprit() { spin(3); mark('over'); }
    loop.callLater(0.5, culprit);
  `);
    const report = JSON.parse(result.stdout);
    t.true(report.seconds >= THRESHOLD && report.seconds < 60);
    t.regex(report.culprit, /^culprit \(.*:\d+:\d+\)$/);
    t.regex(report.stack, /^ {4}at spin \(.*\n {4}at culprit \(/);
    t.is(report.reason, null);
    t.is(report.context, 'context');
    t.true(report.current);
    t.regex(
      result.stderr,
      /<over>.*IOLoop blocked for \d+\.\d+ seconds in culprit \(.*\n {4}at spin/s,
    );
  },
);

test.serial('an action that fails is reported as a callback of the loop', async (t) => {
  const result = await runs(`
    loop.handleCallbackException = (callback, error) => { mark(callback.name + ': ' + error.message); loop.stop(); };
    loop.setBlockingSignalThreshold(${THRESHOLD}, function action() { throw new Error('bad action'); });
    loop.callLater(0.3, () => spin(1));
  `);
  t.regex(result.stderr, /<action: bad action>/);
});

test.serial('without an action the process ends by SIGALRM, during the block', async (t) => {
  const result = await runs(`
    loop.setBlockingSignalThreshold(${THRESHOLD}, null);
    function culprit() { mark('block'); spin(50); mark('over'); }
    loop.callLater(0.3, culprit);
  `);
  t.is(result.signal, 'SIGALRM', result.stderr);
  t.regex(result.stderr, /<block>IOLoop blocked for 0\.\d+ seconds/);
  t.notRegex(result.stderr, /<over>/);
});

test.serial('logStack can be overridden', async (t) => {
  const result = await runChild(
    `
      import { IOLoop } from 'ioloop';
      class Mine extends IOLoop {
        logStack(report) { console.log('mine', report.culprit); this.stop(); }
      }
      const loop = new Mine();
      loop.setBlockingLogThreshold(${THRESHOLD});
      loop.callLater(0.5, function culprit() { const end = Date.now() + 3000; while (Date.now() < end); });
      await loop.start();
    `,
  );
  t.regex(result.stdout, /^mine culprit \(/);
  t.notRegex(result.stderr, /blocked/);
});

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
    spin(3);
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

test.serial(
  'a loop of a worker is watched, without a stack; a terminated worker leaves nothing',
  async (t) => {
    const result = await runChild(`
    import { readdirSync, readFileSync } from 'node:fs';
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    const worker = (seconds) => new Worker(
      'import { IOLoop } from "ioloop"; import { parentPort } from "node:worker_threads";' +
      'const loop = new IOLoop(); loop.setBlockingLogThreshold(${THRESHOLD});' +
      'loop.callLater(0.1, () => { parentPort.postMessage(0);' +
      'const end = Date.now() + 1e3 * ' + seconds + '; while (Date.now() < end); loop.stop(); });' +
      'await loop.start(); loop.close();',
      { eval: true, execArgv: ['--input-type=module'] });
    const watchdogs = () => process.platform === 'linux'
      ? readdirSync('/proc/self/task').filter((id) =>
          readFileSync('/proc/self/task/' + id + '/comm', 'utf8').startsWith('ioloop-watchdog')).length
      : 0;
    await once(worker(1), 'exit');
    for (let number = 0; number < 10; number += 1) {
      const each = worker(60);
      await once(each, 'message');
      await each.terminate();
    }
    for (let tries = 0; tries < 1000 && watchdogs() > 0; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    console.log('threads', watchdogs());
  `);
    t.is(result.code, 0, result.stderr);
    t.is(result.stdout, 'threads 0\n');
    t.regex(
      result.stderr,
      /IOLoop blocked for 0\.\d+ seconds; no stack: only the stack of the main thread can be taken\n/,
    );
  },
);

test.serial('the watch keeps no process alive, and a closed loop leaves no thread', async (t) => {
  const result = await runs(`
    loop.setBlockingLogThreshold(60);
    loop.callLater(0.01, () => { loop.stop(); });
    process.on('exit', () => { mark('exit'); });
  `);
  t.is(result.code, 0);
  t.is(result.stderr, '<end><exit>');
});

test.serial('thresholds are checked', (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  for (const wrong of [0, -1, Number.POSITIVE_INFINITY]) {
    t.throws(() => loop.setBlockingLogThreshold(wrong), { code: 'ERR_OUT_OF_RANGE' });
  }
  for (const wrong of ['1', undefined, Number.NaN]) {
    t.throws(() => loop.setBlockingLogThreshold(wrong as never), { code: 'ERR_INVALID_ARG_TYPE' });
  }
  t.throws(() => loop.setBlockingSignalThreshold(1, 'SIGALRM' as never), {
    code: 'ERR_INVALID_ARG_TYPE',
  });
  loop.close();
  t.throws(() => loop.setBlockingLogThreshold(1), { code: 'ERR_IOLOOP_CLOSED' });
});
