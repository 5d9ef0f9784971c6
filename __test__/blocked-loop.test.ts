/**
 * Detection of a blocked loop: the report comes during the block and names the function that blocks;
 * healthy, stopped and debugged loops have none. Each loop is in a child process, whose standard
 * error has the reports between the marks of its program.
 */
import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync, writeFileSync, type ReadStream } from 'node:fs';
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
  const spin = (seconds) => {
    const end = Date.now() + 1e3 * seconds;
    const before = process.cpuUsage();
    for (let used = 0; Date.now() < end || used < 1e6 * seconds; ) {
      const { user, system } = process.cpuUsage(before);
      used = user + system;
    }
  };
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
const NAMED =
  /IOLoop.* in culprit \(.*:\d+:\d+\)(, in the system call .*)?(; functions by their first line)?\n( {4}at .*\n)* {4}at culprit \(.*:\d+:\d+\)\n/;

/** The same in debug mode. */
const NAMED_ORIGIN =
  /IOLoop blocked .* in culprit \(.*\); timeout culprit, registered at registers \(.*:\d+:\d+\)\n/;

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

/** Stacks of native functions and of workers: see `crates/ioloop-napi/src/watchdog/probe.rs`. */
const isSampled = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
const sampled = isSampled ? test.serial : test.serial.skip;

/** A report with a sampled stack of a thread in a system call. */
const IN_SYSTEM_CALL =
  /IOLoop blocked for \d+\.\d+ seconds in culprit \(.*:\d+:\d+\), in the system call \w+.*; functions by their first line\n( {4}at .*\n)* {4}at culprit \(/;

for (const [name, step] of [
  ['a synchronous read', 'readFileSync(process.env.RELEASE)'],
  ['a child process', `execFileSync('cat', [process.env.RELEASE])`],
] as const) {
  sampled(
    `a loop blocked by ${name} is reported during the block, with the function`,
    async (t) => {
      const program = `
      import { execFileSync } from 'node:child_process';
      loop.setBlockingLogThreshold(${THRESHOLD});
      function culprit() {
        mark('block');
        ${step};
        mark('over');
        spin(0.3);
        loop.stop();
      }
      loop.callLater(0.5, culprit);
    `;
      const result = await runs(program, IN_SYSTEM_CALL, 'x');
      t.is(result.code, 0, result.stderr);
      t.regex(during(result), IN_SYSTEM_CALL);
      t.is(result.stderr.split('The stack of').length, 1, 'the report needs no supplement');
    },
  );
}

sampled('a loop blocked by a native function that computes has a stack', async (t) => {
  const result = await runs(`
    import { pbkdf2Sync } from 'node:crypto';
    loop.setBlockingSignalThreshold(${THRESHOLD}, (report) => {
      console.log(JSON.stringify(report));
      loop.stop();
    });
    function culprit() {
      const end = Date.now() + 2000;
      while (Date.now() < end) pbkdf2Sync('a', 'b', 2_000_000, 64, 'sha512');
    }
    loop.callLater(0.3, culprit);
  `);
  const { culprit, stack, reason, systemCall, isExact } = JSON.parse(result.stdout);
  t.regex(culprit, /^culprit \(/);
  t.regex(stack, /at pbkdf2Sync \(node:/);
  t.is(reason, null);
  t.is(systemCall, null);
  t.false(isExact);
});

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
    const next = [second, () => { loop.stop(); }];
    loop.setBlockingSignalThreshold(${THRESHOLD}, (report) => {
      mark(report.culprit);
      loop.callLater(0.5, next.shift());
    });
    function first() { spin(1); }
    function second() { spin(1); }
    loop.callLater(0.5, first);
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
        // On a slow machine the thread may not be paused in time.
        if (!report.isExact) return void loop.callLater(0.1, culprit);
        const current = IOLoop.current(false) === loop;
        const frozen = Object.isFrozen(report);
        console.log(JSON.stringify({ ...report, current, frozen, context: storage.getStore() }));
        loop.logStack(report);
        loop.stop();
      });
    });
    function culprit() { spin(0.5); mark('over'); }
    loop.callLater(0.5, culprit);
  `);
    const report = JSON.parse(result.stdout);
    t.true(report.seconds >= THRESHOLD && report.seconds < 60);
    t.regex(report.culprit, /^culprit \(.*:\d+:\d+\)$/);
    t.regex(report.stack, /^ {4}at (?:.*\n {4}at )?spin \(.*\n {4}at culprit \(/);
    t.is(report.reason, null);
    t.is(report.systemCall, null);
    t.true(report.isExact);
    t.true(report.frozen);
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
      loop.callLater(0.2, function culprit() {
        const end = performance.now() + 600;
        const before = process.cpuUsage();
        while (performance.now() < end || process.cpuUsage(before).user < 3e5);
      });
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

/** A worker whose function `step` blocks its loop. */
const WORKER = `
  import { Worker } from 'node:worker_threads';
  const worker = (step) => new Worker(
    'import { IOLoop } from "ioloop"; import { parentPort } from "node:worker_threads";' +
    'import { existsSync, readFileSync, writeSync } from "node:fs";' +
    'const loop = new IOLoop(); loop.setBlockingLogThreshold(${THRESHOLD});' +
    'function culprit() { parentPort.postMessage(0); writeSync(2, "<block>");' + step +
    ';writeSync(2, "<over>"); loop.stop(); }' +
    'loop.callLater(0.3, culprit); await loop.start(); loop.close();',
    { eval: true, execArgv: ['--input-type=module'] });
  const untilReleased = 'while (!existsSync(process.env.RELEASE))';
`;

for (const [name, step, write] of [
  ['while (true)', `untilReleased + '; '`],
  [
    'Atomics.wait',
    `untilReleased + ' Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1000);'`,
  ],
  ['a regular expression', `untilReleased + ' /^(a+)+$/.test("a".repeat(26) + "b");'`],
  ['a synchronous read', `'readFileSync(process.env.RELEASE);'`, 'x'],
] as const) {
  sampled(`a loop of a worker that is blocked by ${name} is reported as well`, async (t) => {
    const named =
      /IOLoop blocked .* in culprit \(.*\n( {4}at .*\n)* {4}at culprit \(.*:\d+:\d+\)\n/;
    const program = `
      import { once } from 'node:events';
      ${WORKER}
      await once(worker(${step}), 'exit');
      loop.addCallback(() => loop.stop());
    `;
    const result = await runs(program, named, write);
    t.is(result.code, 0, result.stderr);
    t.regex(during(result), named);
  });
}

test.serial('a terminated worker leaves no watch', async (t) => {
  const result = await runChild(`
    import { readdirSync, readFileSync } from 'node:fs';
    import { once } from 'node:events';
    ${WORKER}
    const nameOf = (id) => {
      try {
        return readFileSync('/proc/self/task/' + id + '/comm', 'utf8');
      } catch {
        return '';
      }
    };
    const watchdogs = () => process.platform === 'linux'
      ? readdirSync('/proc/self/task').filter((id) => nameOf(id).startsWith('ioloop-watchdog')).length
      : 0;
    for (const step of ['for (;;);', 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);']) {
      for (let number = 0; number < 5; number += 1) {
        const each = worker(step);
        await once(each, 'message');
        // Some before the report, some after it.
        await new Promise((resolve) => setTimeout(resolve, 100 * number));
        await each.terminate();
      }
    }
    for (let tries = 0; tries < 1000 && watchdogs() > 0; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    console.log('threads', watchdogs());
  `);
  t.is(result.code, 0, result.stderr);
  t.is(result.stdout, 'threads 0\n');
});

sampled('a healthy loop that waits for a CPU has no report', async (t) => {
  const result = await runChild(
    `
    ${PROLOGUE}
    import { spawn } from 'node:child_process';
    import { availableParallelism } from 'node:os';
    // This process has the lowest priority: it waits for a CPU nearly all the time.
    const others = Array.from({ length: 2 * availableParallelism() }, () =>
      spawn('nice', ['-n', '-19', 'sh', '-c', 'while :; do :; done'], { stdio: 'ignore' }));
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
    { through: ['nice', '-n', '19'] },
  );
  t.is(result.code, 0);
  t.is(result.stderr.replaceAll(/nice: .*\n/g, ''), '<end>');
});

sampled('a report cuts no write short', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
  const file = join(folder, 'fifo');
  execFileSync('mkfifo', [file]);
  const child = startChild(
    PROLOGUE +
      `
      import { openSync } from 'node:fs';
      loop.setBlockingLogThreshold(${THRESHOLD});
      function culprit() {
        const descriptor = openSync(process.env.FIFO, 'r+');
        console.log(writeSync(descriptor, Buffer.alloc(1_000_000)));
        loop.stop();
      }
      loop.callLater(0.3, culprit);
      ` +
      EPILOGUE,
    { env: { FIFO: file } },
  );
  let stderr = '';
  let reading: ReadStream | undefined;
  child.process.stderr?.on('data', (text) => {
    stderr += String(text);
    if (stderr.includes('IOLoop blocked')) reading ??= createReadStream(file).resume();
  });
  const result = await child.ended;
  reading?.destroy();
  rmSync(folder, { recursive: true });
  t.is(result.stdout, '1000000\n');
  t.regex(
    result.stderr,
    /IOLoop blocked for .* in the system call write of descriptor \d+; no stack: a signal would end/,
  );
});

sampled('a watch that has ended leaves no names of functions behind', async (t) => {
  const result = await runChild(`
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    const source = \`
      import { IOLoop } from 'ioloop';
      const loop = new IOLoop();
      let left = 320;
      let before = 0;
      loop.addCallback(function again() {
        loop.setBlockingLogThreshold(60);
        loop.setBlockingLogThreshold(null);
        left -= 1;
        if (left === 300) before = process.memoryUsage.rss();
        if (left > 0) loop.addCallback(again);
        else loop.stop();
      });
      await loop.start();
      console.log(Math.round((process.memoryUsage.rss() - before) / 1e6));
    \`;
    await once(new Worker(source, { eval: true, execArgv: ['--input-type=module'] }), 'exit');
  `);
  t.is(result.code, 0, result.stderr);
  t.true(Number(result.stdout) < 40, `${result.stdout} MB`);
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

test.serial('in debug mode the report has where the function was registered', async (t) => {
  // On a slow machine the thread may not be paused in time: a sampled stack has no origin.
  const result = await runs(
    `
    const debugged = new IOLoop({ debug: true, makeCurrent: false });
    debugged.setBlockingLogThreshold(${THRESHOLD});
    function culprit() {
      spin(0.4);
      if (isReleased()) debugged.stop();
      else registers();
    }
    function registers() { debugged.callLater(0.1, culprit); }
    registers();
    await debugged.start();
    loop.addCallback(() => loop.stop());
  `,
    NAMED_ORIGIN,
  );
  t.regex(result.stderr, NAMED_ORIGIN);
});

test.serial('a block is published on a channel and counted, after it', async (t) => {
  const result = await runs(`
    import { subscribe } from 'node:diagnostics_channel';
    subscribe('ioloop:loop:blocked', ({ loop: blocked, report }) => {
      console.log(blocked === loop, /^culprit \\(/.test(report.culprit), loop.metrics().blocks);
      loop.stop();
    });
    loop.setBlockingLogThreshold(${THRESHOLD});
    console.log(loop.metrics().blocks);
    function culprit() { spin(0.5); }
    loop.callLater(0.3, culprit);
  `);
  t.is(result.stdout, '0\ntrue true 1\n', result.stderr);
});

test.serial('a pause of the garbage collector is a block', async (t) => {
  const result = await runs(`
    loop.setBlockingSignalThreshold(0.05, ({ seconds }) => { mark('report'); loop.stop(); });
    const kept = [];
    const fill = () => { for (let i = 0; i < 3e6; i += 1) kept.push({ i, next: kept[i - 1] }); };
    fill();
    function collects() { const end = Date.now() + 1000; while (Date.now() < end) gc(); }
    loop.callLater(0.2, collects);
  `);
  t.regex(result.stderr, /<report>/);
});

test.serial('loops of a process have thresholds of their own', async (t) => {
  const result = await runs(`
    const other = new IOLoop({ makeCurrent: false });
    const seen = [];
    loop.setBlockingSignalThreshold(60, () => seen.push('long'));
    other.setBlockingSignalThreshold(${THRESHOLD}, () => { seen.push('short'); other.stop(); });
    const running = other.start();
    other.callLater(0.3, () => spin(1));
    running.then(() => { other.close(); mark(seen.join()); loop.stop(); });
  `);
  t.is(result.stderr, '<short><end>');
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

test.serial('a watch that the function begins which blocks has a report', async (t) => {
  const result = await runs(
    `
    function culprit() { loop.setBlockingLogThreshold(${THRESHOLD}); block(); loop.stop(); }
    loop.callLater(0.2, culprit);
  `,
    NAMED,
  );
  t.regex(during(result), NAMED);
});

test.serial('a loop that is closed right after its block reports it', async (t) => {
  const result = await runs(
    `
    loop.setBlockingLogThreshold(${THRESHOLD});
    function culprit() { loop.stop(); block(); }
    loop.callLater(0.2, culprit);
  `,
    NAMED,
  );
  t.is(result.code, 0);
  t.regex(during(result), NAMED);
});

test.serial('a process may exit in a block', async (t) => {
  const result = await runs(`
    loop.setBlockingLogThreshold(0.05);
    loop.callLater(0.2, () => { spin(0.5); process.exit(7); });
  `);
  t.is(result.code, 7, result.stderr);
});

test.serial('thresholds may be tiny or huge', async (t) => {
  const result = await runs(`
    let reports = 0;
    loop.setBlockingSignalThreshold(0.001, () => { reports += 1; });
    loop.callLater(0.1, () => spin(0.2));
    loop.callLater(1, () => {
      loop.setBlockingSignalThreshold(1e300, null);
      loop.callLater(0.1, () => { spin(0.2); mark(reports > 0); loop.stop(); });
    });
  `);
  t.is(result.stderr, '<true><end>');
});

test.serial('SIGALRM goes to a listener of the program', async (t) => {
  const result = await runs(`
    process.on('SIGALRM', () => { mark('alarm'); loop.stop(); });
    loop.setBlockingSignalThreshold(${THRESHOLD}, null);
    loop.callLater(0.2, () => spin(1));
  `);
  t.is(result.code, 0);
  t.regex(result.stderr, /<alarm><end>$/);
});

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
