/** The watch on a loop: its thresholds and actions, its beginning and its end. */
import { execFileSync } from 'node:child_process';
import { createReadStream, mkdtempSync, rmSync, type ReadStream } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { IOLoop } from 'ioloop';
import { serialIf, testWith } from './helpers/conditions.js';
import {
  during,
  EPILOGUE,
  isSampled,
  NAMED,
  PROLOGUE,
  runs,
  THRESHOLD,
} from './helpers/blocked.js';
import { runChild, startChild } from './helpers/child.js';

const sampled = serialIf(isSampled, 'Linux on x64 or arm64');

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

testWith('prlimit')(
  'where the process may start no more threads, a loop runs unwatched, and says so',
  async (t) => {
    const { code, signal, stdout, stderr } = await runChild(`
      import { spawnSync } from 'node:child_process';
      import { IOLoop } from 'ioloop';
      const [first, second, third] = Array.from({ length: 3 }, () => new IOLoop());
      first.handleCallbackException = (callback, error) => console.log('reported:', error.code);
      first.setBlockingLogThreshold(0.2);
      const both = [first.start(), second.start()];
      // The limit does not hold for root.
      if (process.getuid() === 0) process.setuid(65_534);
      spawnSync('prlimit', ['--pid', String(process.pid), '--nproc=1:1']);
      first.addCallback(() => {
        first.setBlockingLogThreshold(null);
        for (const loop of [second, third]) {
          try {
            loop.setBlockingLogThreshold(0.2);
            console.log('set');
          } catch (error) {
            console.log('thrown:', error.code);
          }
        }
        first.stop();
        second.stop();
      });
      await Promise.all(both);
      for (const loop of [first, second, third]) loop.close();
    `);
    t.deepEqual([code, signal], [0, null], stderr);
    t.is(stdout, 'reported: EAGAIN\nthrown: EAGAIN\nset\n');
  },
);

sampled('where Node may start no worker, the stack is sampled', async (t) => {
  const flag = ['--permission', '--experimental-permission'].find((name) =>
    process.allowedNodeEnvironmentFlags.has(name),
  );
  const source = `
    loop.setBlockingLogThreshold(${THRESHOLD});
    loop.callLater(0, function culprit() { spin(3 * ${THRESHOLD}); loop.stop(); });
  `;
  const { code, stderr } = await runChild(PROLOGUE + source + EPILOGUE, {
    nodeOptions: [flag as string, '--allow-addons', '--allow-fs-read=*', '--no-warnings'],
  });
  t.is(code, 0, stderr);
  t.regex(stderr, /IOLoop blocked for .* in culprit .*functions by their first line/);
});
