/** In debug mode code that takes long is reported, with the origin of its call. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test from 'ava';
import { IOLoop, PeriodicCallback, TCPClient, TCPServer, type CallOrigin } from 'ioloop';
import { runChild } from './helpers/child.js';

interface Slow {
  readonly loop: IOLoop;
  readonly origin: CallOrigin;
  readonly isStep: boolean;
  readonly seconds: number;
}

/** Seconds: nothing but {@link block} takes as long, on a machine that is not stopped. */
const THRESHOLD = 0.2;

/** Takes longer than the threshold, by the clock that measures it. */
function block(): void {
  const end = performance.now() + 1e3 * THRESHOLD + 10;
  while (performance.now() < end);
}

/** What is slow while `body` runs on a loop in debug mode; other slow code of the machine is left out. */
async function slowIn(body: (loop: IOLoop) => Promise<unknown>): Promise<Slow[]> {
  const loop = new IOLoop({ debug: true, makeCurrent: false });
  loop.slowCallbackDuration = THRESHOLD;
  const seen: Slow[] = [];
  const listen = (message: unknown): void => {
    if ((message as Slow).loop === loop) seen.push(message as Slow);
  };
  subscribe('ioloop:callback:slow', listen);
  try {
    await loop.runSync(async function main() {
      await body(loop);
    });
  } finally {
    unsubscribe('ioloop:callback:slow', listen);
    loop.close({ allFds: true });
  }
  return seen;
}

/** Resolves in a later turn: what was added before has run. */
function turn(loop: IOLoop): Promise<void> {
  return new Promise((resolve) => {
    loop.callLater(0, resolve);
  });
}

function has(slow: readonly Slow[], kind: string, name: string, isStep = false): Slow | undefined {
  return slow.find(
    ({ origin, isStep: step }) => origin.kind === kind && origin.name === name && step === isStep,
  );
}

test('a slow callback is reported with its time and its site', async (t) => {
  const slow = await slowIn(async function registrar(loop) {
    loop.addCallback(function culprit() {
      block();
    });
    await turn(loop);
  });
  const report = has(slow, 'callback', 'culprit');
  t.true((report?.seconds ?? 0) >= THRESHOLD);
  t.regex(report?.origin.site ?? '', /^registrar \(.*debug-slow\.test\.[jt]s:\d+:\d+\)$/);
});

test('a slow timeout, future and periodic callback are reported by their names', async (t) => {
  const slow = await slowIn(async (loop) => {
    loop.callLater(0, function late() {
      block();
    });
    loop.addFuture(Promise.resolve(), function settled() {
      block();
    });
    loop.makeCurrent();
    await new Promise<void>((resolve) => {
      const periodic = new PeriodicCallback(function beat() {
        periodic.stop();
        block();
        resolve();
      }, 1);
      periodic.start();
    });
    await turn(loop);
  });
  IOLoop.clearCurrent();
  t.truthy(has(slow, 'timeout', 'late'));
  t.truthy(has(slow, 'callback', 'settled'));
  t.truthy(has(slow, 'periodic callback', 'beat'));
});

test('the time after an await is that of a step of the same call', async (t) => {
  const slow = await slowIn(async (loop) => {
    await new Promise<void>((resolve) => {
      loop.addCallback(async function stepwise() {
        await Promise.resolve();
        block();
        resolve();
      });
    });
    await turn(loop);
  });
  t.truthy(has(slow, 'callback', 'stepwise', true));
  t.is(has(slow, 'callback', 'stepwise'), undefined);
});

test('steps are found beside other async contexts, of before the loop and after it', async (t) => {
  const { stdout, stderr } = await runChild(`
    import { AsyncLocalStorage } from 'node:async_hooks';
    import { subscribe } from 'node:diagnostics_channel';
    import { IOLoop } from 'ioloop';
    const seen = [];
    subscribe('ioloop:callback:slow', ({ origin, isStep }) => seen.push(origin.name + ' ' + isStep));
    const block = () => { const end = performance.now() + 210; while (performance.now() < end); };
    const run = (name) => {
      const loop = new IOLoop({ debug: true, makeCurrent: false });
      loop.slowCallbackDuration = 0.2;
      const step = { [name]: async () => { await null; block(); loop.callLater(0, () => loop.stop()); } };
      loop.addCallback(step[name]);
      return loop.start();
    };
    const outer = new AsyncLocalStorage();
    await outer.run(1, () => run('before'));
    await new AsyncLocalStorage().run(2, () => run('after'));
    console.log(seen.join());
  `);
  t.is(stdout, 'before true,after true\n', stderr);
});

test('a connection handler is slow by itself, before and after an await', async (t) => {
  const slow = await slowIn(async function serves(loop) {
    const server = new TCPServer({
      loop,
      async handleStream(stream) {
        block();
        await stream.readBytes(1);
        block();
        await stream.end();
      },
    });
    server.listen(0, '127.0.0.1');
    const client = await new TCPClient().connect('127.0.0.1', server.port, { loop });
    await client.write('x');
    await client.readUntilClose();
    await server.stop({ drain: true });
    await turn(loop);
  });
  const before = has(slow, 'connection handler', 'handleStream');
  const after = has(slow, 'connection handler', 'handleStream', true);
  t.regex(before?.origin.site ?? '', /^serves \(/);
  t.is(after?.origin.site, before?.origin.site);
  // Its time is not that of the loop's handler around it as well.
  const around = has(slow, 'accept handler', '(anonymous)')?.seconds ?? 0;
  t.true(around < (before?.seconds ?? 0), `${around}`);
});

test('the main function of runSync is slow by its name', async (t) => {
  const slow = await slowIn(async () => {
    block();
  });
  t.truthy(has(slow, 'function of runSync', 'main'));
});

test('code outside of the loop is not its business', async (t) => {
  const { stderr, stdout } = await runChild(`
    import { IOLoop } from 'ioloop';
    const loop = new IOLoop({ debug: true });
    loop.slowCallbackDuration = 0.5;
    const block = () => { const end = performance.now() + 550; while (performance.now() < end); };
    const other = (async () => { await null; block(); })();
    setTimeout(block, 1);
    await loop.runSync(async () => { await other; });
    block();
    console.log('done');
  `);
  t.is(stdout, 'done\n');
  t.false(stderr.includes('SLOW'), stderr);
});

test('the threshold is a property, as in asyncio, and can be infinite', (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  t.is(loop.slowCallbackDuration, 0.1);
  loop.slowCallbackDuration = Infinity;
  t.is(loop.slowCallbackDuration, Infinity);
  for (const [value, code] of [
    [0, 'ERR_OUT_OF_RANGE'],
    [-1, 'ERR_OUT_OF_RANGE'],
    [NaN, 'ERR_INVALID_ARG_TYPE'],
    ['1', 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
  ] as const) {
    t.throws(
      () => {
        loop.slowCallbackDuration = value as number;
      },
      { code },
    );
  }
  t.is(loop.slowCallbackDuration, Infinity);
  loop.close();
});

const SLOW = `
  import { IOLoop } from 'ioloop';
  const loop = new IOLoop({ debug: true });
  loop.slowCallbackDuration = 0.02;
  const block = () => { const end = performance.now() + 25; while (performance.now() < end); };
`;

test('the report is a warning of Node, once for a site that is slow again and again', async (t) => {
  const { stderr, code } = await runChild(`
    ${SLOW}
    let calls = 0;
    await loop.runSync(() => new Promise((resolve) => {
      loop.addCallback(function again() {
        block();
        calls += 1;
        if (calls === 10) resolve(); else loop.addCallback(again);
      });
    }));
  `);
  t.is(code, 0, stderr);
  const lines =
    stderr.match(/\[IOLOOP_SLOW_CALLBACK\] Warning: Executing callback again, .*$/gm) ?? [];
  // Two sites: the first registration, and that of the function itself.
  t.is(lines.length, 2, stderr);
  t.regex(lines[0] ?? '', /again, registered at file:\S+:\d+:12, took 0\.\d{3} seconds$/);
  t.regex(lines[1] ?? '', /again, registered at again \(file:\S+\), took/);
});

test('NODE_DEBUG=ioloop has every slow call', async (t) => {
  const { stderr } = await runChild(
    `
    ${SLOW}
    await loop.runSync(() => new Promise((resolve) => {
      for (let call = 0; call < 3; call += 1) loop.addCallback(block);
      loop.callLater(0, resolve);
    }));
    `,
    { env: { NODE_DEBUG: 'ioloop' } },
  );
  t.is(stderr.match(/^IOLOOP \d+: slow: Executing callback block, /gm)?.length, 3, stderr);
});

test('a report that fails does not harm the loop', async (t) => {
  const { stdout, stderr } = await runChild(`
    ${SLOW}
    process.emitWarning = () => { throw new Error('no warnings'); };
    loop.handleCallbackException = (callback, error) => console.log(callback, error.message);
    loop.addCallback(block);
    loop.callLater(0, () => { console.log('goes on'); loop.stop(); });
    await loop.start();
  `);
  // On a starved machine the second function is slow, too.
  t.regex(stdout, /^null no warnings\ngoes on\n/, stderr);
});
