/** Fake timers of a test framework, which replace what Node has: the loop goes on. */
import test from 'ava';
import { runChild } from './helpers/child.js';
import { testOn, testWith } from './helpers/conditions.js';

/** Callbacks, streams, timeouts of a loop, in an environment without real timers. */
const WORK = `
  const { IOLoop, IOStream, Socket } = await import('ioloop');
  globalThis.afterImport?.();
  const loop = IOLoop.current();
  const seen = [];
  late(() => {
    console.log('stuck after', seen);
    process.exit(1);
  }, 20_000);
  await loop.runSync(async () => {
    for (let count = 0; count < 10; count += 1) {
      await new Promise((resolve) => loop.addCallback(resolve));
    }
    seen.push('callbacks');
    const [left, right] = Socket.pair().map((socket) => new IOStream(socket));
    left.write('hello');
    await right.readBytes(5);
    seen.push('stream');
    await new Promise((resolve) => loop.callLater(0.02, resolve));
    seen.push('timeout');
    loop.callLater(0.001, () => {
      throw new Error('reported');
    });
    await new Promise((resolve) => {
      loop.handleCallbackException = resolve;
    });
    seen.push('report');
  });
  console.log(seen.join());
  process.exit(0);
`;
const DONE = 'callbacks,stream,timeout,report\n';

/** Replaces by what never calls. */
const DEAD = `
  const late = setTimeout;
  const handle = () => ({ ref: handle, unref: handle, refresh: handle });
  const dead = (holder, ...names) => {
    for (const name of names) holder[name] = handle;
  };
  const replaceAll = () => {
    dead(globalThis, 'setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask');
    dead(globalThis, 'clearTimeout', 'clearImmediate');
    dead(process, 'nextTick', 'hrtime');
    const now = Date.now();
    Date.now = () => now;
    globalThis.performance = { now: () => 5, timeOrigin: now };
  };
  const replaceTimers = async () => {
    const { default: timers } = await import('node:timers');
    dead(timers, 'setTimeout', 'setImmediate', 'clearTimeout', 'clearImmediate');
    const { syncBuiltinESMExports } = await import('node:module');
    syncBuiltinESMExports();
  };
`;

test('globals that are replaced after the import do not stop a loop', async (t) => {
  const result = await runChild(`${DEAD} globalThis.afterImport = replaceAll; ${WORK}`);
  t.is(result.stdout, DONE, result.stderr);
});

test('exports of node:timers that are replaced after the import do not stop a loop', async (t) => {
  const result = await runChild(`
    ${DEAD}
    await import('ioloop');
    await replaceTimers();
    ${WORK}
  `);
  t.is(result.stdout, DONE, result.stderr);
});

test('global timers that are replaced before the import do not stop a loop', async (t) => {
  const result = await runChild(`
    ${DEAD}
    dead(globalThis, 'setTimeout', 'setInterval', 'setImmediate');
    ${WORK}
  `);
  t.is(result.stdout, DONE, result.stderr);
});

test('an export of node:timers that is replaced before the import does not stop a loop', async (t) => {
  const result = await runChild(`
    ${DEAD}
    const { default: timers } = await import('node:timers');
    dead(timers, 'setImmediate', 'clearImmediate');
    ${WORK}
  `);
  t.is(result.stdout, DONE, result.stderr);
});

for (const when of ['before', 'after'] as const) {
  // Without the alarm of epoll Node's timers end a sleep, and these mocks hide the real ones.
  const testWhen = when === 'before' ? testOn('epoll') : testWith();
  testWhen(
    `the timers of node:test that are mocked ${when} the import do not stop a loop`,
    async (t) => {
      const enable = `mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'setImmediate', 'Date'] });`;
      const result = await runChild(
        `
        import { mock } from 'node:test';
        const late = setTimeout;
        ${when === 'before' ? enable : `globalThis.afterImport = () => { ${enable} };`}
        ${WORK}
      `,
        { nodeOptions: ['--no-warnings'] },
      );
      t.is(result.stdout, DONE, result.stderr);
    },
  );
}

test('fakes that show what they stand for, as those of sinon and Jest do, are seen through', async (t) => {
  const result = await runChild(`
    ${DEAD}
    const { default: timers } = await import('node:timers');
    for (const [holder, name] of [
      [timers, 'setImmediate'],
      [timers, 'setTimeout'],
      [timers, 'clearTimeout'],
      [process, 'nextTick'],
      [globalThis, 'queueMicrotask'],
    ]) {
      const clock = { ['_' + name]: holder[name] };
      holder[name] = Object.assign(() => ({}), { clock });
    }
    ${WORK}
  `);
  t.is(result.stdout, DONE, result.stderr);
});
