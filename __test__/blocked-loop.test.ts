/**
 * Reports of a blocked loop: during the block, with the function that blocks. Each loop is in a child
 * process, as in the other tests of blocks: the files run side by side.
 */
import test from 'ava';
import { serialIf } from './helpers/conditions.js';
import { during, isSampled, NAMED, runs, THRESHOLD } from './helpers/blocked.js';
import { runChild } from './helpers/child.js';

const sampled = serialIf(isSampled, 'Linux on x64 or arm64');

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
