/** `stop()`: before the start, from a turn, from outside, from signals. */
import { setImmediate as immediate } from 'node:timers/promises';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { withReadables } from './helpers/fds.js';
import { asleep, runTurns, start, withLoop, type ReportingLoop } from './helpers/loop.js';

/** Whether the next start is a normal one: it runs a callback, whose stop ends it. */
async function startsAndStops(loop: ReportingLoop): Promise<boolean> {
  let ran = false;
  await start(loop, () => {
    ran = true;
    loop.stop();
  });
  return ran;
}

/** A callback and a due timeout, counted together. */
function addTwo(loop: ReportingLoop): { readonly ran: number } {
  const counter = { ran: 0 };
  const count = (): void => {
    counter.ran += 1;
  };
  loop.addCallback(count);
  loop.callLater(-1, count);
  return counter;
}

test('stop() before start(): the next start resolves at once and runs nothing', (t) =>
  withLoop(async (loop) => {
    const counter = addTwo(loop);
    loop.stop();
    await loop.start();
    t.is(counter.ran, 0);
    t.false(loop.running);
  }));

test('after a swallowed start the next one is normal, and nothing was lost', (t) =>
  withLoop(async (loop) => {
    const counter = addTwo(loop);
    loop.stop();
    await loop.start();
    await runTurns(loop);
    t.is(counter.ran, 2);
  }));

test('several stops before start() count as one', (t) =>
  withLoop(async (loop) => {
    loop.stop();
    loop.stop();
    loop.stop();
    await loop.start();
    t.true(await startsAndStops(loop));
  }));

test('several stops of a running loop count as one', (t) =>
  withLoop(async (loop) => {
    await start(loop, () => {
      loop.stop();
      loop.stop();
      loop.addCallback(() => {
        loop.stop();
      });
    });
    // The stop that was left runs here, and is not left for the start after.
    await loop.start();
    t.true(await startsAndStops(loop));
  }));

test('an asynchronous method may call stop before and after start()', (t) =>
  withLoop(async (loop) => {
    const method = (delay: number, callback: () => void): void => {
      if (delay === 0) callback();
      else setTimeout(callback, delay);
    };
    method(0, () => {
      loop.stop();
    });
    await loop.start();
    method(1, () => {
      loop.stop();
    });
    await loop.start();
    t.false(loop.running);
  }));

/** Fills a turn, and the next, so that one sees what of it runs. */
function fill(loop: ReportingLoop, readables: Socket[], stopAt: string): string[] {
  const trace: string[] = [];
  const log = (name: string) => (): void => {
    trace.push(name);
    if (name === stopAt) loop.stop();
    if (name.endsWith('nested')) return;
    loop.addCallback(log(`${name} nested`));
  };
  for (const name of ['callback 1', 'callback 2']) loop.addCallback(log(name));
  for (const name of ['timeout 1', 'timeout 2']) loop.callLater(-1, log(name));
  for (const [at, readable] of readables.entries()) {
    loop.addHandler(readable, log(`handler ${at + 1}`), IOLoop.READ);
  }
  return trace;
}

const TURN = ['callback 1', 'callback 2', 'timeout 1', 'timeout 2', 'handler 1', 'handler 2'];

for (const stopAt of TURN) {
  test(`stop() from ${stopAt}: the turn is completed, what it added waits for the next start`, (t) =>
    withLoop((loop) =>
      withReadables(2, async (readables) => {
        const trace = fill(loop, readables, stopAt);
        await loop.start();
        t.deepEqual(trace.slice(0, 4), TURN.slice(0, 4));
        t.deepEqual(trace.slice(4).toSorted(), TURN.slice(4));
        for (const readable of readables) loop.removeHandler(readable);
        const nested = trace.splice(0).map((name) => `${name} nested`);
        await runTurns(loop);
        t.deepEqual(trace, nested);
      }),
    ));
}

test('stop() from outside wakes a loop that sleeps', (t) =>
  withLoop(async (loop) => {
    loop.callLater(3600, () => t.fail());
    const running = loop.start();
    await asleep(loop);
    t.true(loop.running);
    loop.stop();
    await running;
    t.false(loop.running);
  }));

test('stop() from outside: what was added before it still runs', (t) =>
  withLoop(async (loop) => {
    const running = loop.start();
    await asleep(loop);
    let ran = false;
    loop.addCallback(() => {
      ran = true;
    });
    loop.stop();
    await running;
    t.true(ran);
  }));

test('stop() between start() and the first turn: one turn runs', (t) =>
  withLoop(async (loop) => {
    const trace: string[] = [];
    loop.addCallback(() => {
      trace.push('first');
      loop.addCallback(() => trace.push('second'));
    });
    const running = loop.start();
    loop.stop();
    await running;
    t.deepEqual(trace, ['first']);
  }));

test('stop() from a promise that a callback awaits', (t) =>
  withLoop(async (loop) => {
    const stopped: string[] = [];
    await start(loop, async () => {
      await immediate();
      loop.stop();
      stopped.push('after an immediate');
    });
    await start(loop, async () => {
      await Promise.resolve();
      loop.stop();
      stopped.push('after a microtask');
    });
    t.deepEqual(stopped, ['after an immediate', 'after a microtask']);
    t.false(loop.running);
  }));

test.serial('stop() from a signal handler', (t) =>
  withLoop(async (loop) => {
    process.once('SIGUSR2', () => {
      loop.stop();
    });
    await start(loop, () => {
      process.kill(process.pid, 'SIGUSR2');
    });
    t.false(loop.running);
  }),
);

test.serial('a callback that a signal handler adds runs in a loop that sleeps', (t) =>
  withLoop(async (loop) => {
    process.once('SIGUSR2', (signal) => {
      loop.addCallbackFromSignal((name: string) => {
        t.is(name, 'SIGUSR2');
        loop.stop();
      }, signal);
    });
    const running = loop.start();
    await asleep(loop);
    process.kill(process.pid, 'SIGUSR2');
    await running;
    t.plan(1);
  }),
);
