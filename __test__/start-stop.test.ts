/** Starting and stopping: decisions 2, 3 and 4 of the design. */
import { setImmediate as immediate, setTimeout as timeout } from 'node:timers/promises';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { runTurns, start, withLoop, type ReportingLoop } from './helpers/loop.js';

/** Runs `body` with sockets that have a byte to read. */
async function withReadables(
  count: number,
  body: (readables: Socket[]) => Promise<unknown>,
): Promise<void> {
  const pairs = Array.from({ length: count }, () => Socket.pair());
  for (const [, writer] of pairs) writer.send(Buffer.from('x'));
  try {
    await body(pairs.map(([readable]) => readable));
  } finally {
    for (const socket of pairs.flat()) socket.close();
  }
}

test('stop() before start(): the next start resolves at once and runs nothing', (t) =>
  withLoop(async (loop) => {
    let ran = 0;
    const count = (): void => {
      ran += 1;
    };
    loop.addCallback(count);
    loop.callLater(-1, count);
    loop.stop();
    await loop.start();
    t.is(ran, 0);
    t.false(loop.running);
  }));

test('after a swallowed start the next one is normal, and nothing was lost', (t) =>
  withLoop(async (loop) => {
    let ran = 0;
    const count = (): void => {
      ran += 1;
    };
    loop.addCallback(count);
    loop.callLater(-1, count);
    loop.stop();
    await loop.start();
    await runTurns(loop);
    t.is(ran, 2);
  }));

test('several stops before start() count as one', (t) =>
  withLoop(async (loop) => {
    loop.stop();
    loop.stop();
    loop.stop();
    await loop.start();
    let ran = false;
    await start(loop, () => {
      ran = true;
      loop.stop();
    });
    t.true(ran);
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
    let ran = false;
    await start(loop, () => {
      ran = true;
      loop.stop();
    });
    t.true(ran);
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
    await timeout(1);
    t.true(loop.running);
    loop.stop();
    await running;
    t.false(loop.running);
  }));

test('stop() from outside: what was added before it still runs', (t) =>
  withLoop(async (loop) => {
    const running = loop.start();
    await timeout(1);
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
    await immediate();
    await immediate();
    process.kill(process.pid, 'SIGUSR2');
    await running;
    t.plan(1);
  }),
);

test('start() of a running loop rejects and changes nothing', (t) =>
  withLoop(async (loop) => {
    const running = loop.start();
    const error = await t.throwsAsync(loop.start());
    t.like(error, { code: 'ERR_IOLOOP_RUNNING' });
    t.true(loop.running);
    loop.stop();
    await running;
  }));

test('start() inside a callback rejects, also after stop() in that callback', (t) =>
  withLoop(async (loop) => {
    const code = 'ERR_IOLOOP_RUNNING';
    const rejected: unknown[] = [];
    await start(loop, () => {
      rejected.push(t.throwsAsync(loop.start()));
      loop.stop();
      rejected.push(t.throwsAsync(loop.start()));
    });
    for (const error of await Promise.all(rejected)) t.like(error as Error, { code });
    // The stop belonged to the start before; it is not left for this one.
    let ran = false;
    await start(loop, () => {
      ran = true;
      loop.stop();
    });
    t.true(ran);
  }));

test('nothing runs inside start()', (t) =>
  withLoop(async (loop) => {
    let ran = false;
    loop.addCallback(() => {
      ran = true;
      loop.stop();
    });
    const running = loop.start();
    t.false(ran);
    await Promise.resolve();
    t.false(ran);
    await running;
    t.true(ran);
  }));

test('running is true from start() until the last turn is complete', (t) =>
  withLoop(async (loop) => {
    t.false(loop.running);
    loop.addCallback(() => {
      loop.stop();
    });
    loop.callLater(-1, () => {
      t.true(loop.running);
    });
    const running = loop.start();
    t.true(loop.running);
    await running;
    t.false(loop.running);
  }));

test('a loop is started and stopped a thousand times', (t) =>
  withLoop(async (loop) => {
    let ran = 0;
    for (let round = 0; round < 1000; round += 1) {
      await start(loop, () => {
        ran += 1;
        loop.stop();
      });
    }
    t.is(ran, 1000);
  }));

test('a thousand loops are made, started, stopped and closed', async (t) => {
  let ran = 0;
  for (let round = 0; round < 1000; round += 1) {
    const loop = new IOLoop({ makeCurrent: false });
    await start(loop, () => {
      ran += 1;
      loop.stop();
    });
    loop.close();
  }
  t.is(ran, 1000);
});

test('a loop can be started again from the continuation of start()', (t) =>
  withLoop(async (loop) => {
    const order: string[] = [];
    loop.addCallback(() => {
      order.push('one');
      loop.stop();
      loop.addCallback(() => {
        order.push('two');
        loop.stop();
      });
    });
    await loop.start().then(() => loop.start());
    t.deepEqual(order, ['one', 'two']);
  }));

test('two loops run at the same time, and stop apart from each other', (t) =>
  withLoop((one) =>
    withLoop(async (other) => {
      const order: string[] = [];
      const first = one.start().then(() => order.push('one'));
      const second = other.start().then(() => order.push('other'));
      other.addCallback(() => {
        other.stop();
      });
      await second;
      t.true(one.running);
      one.stop();
      await first;
      t.deepEqual(order, ['other', 'one']);
    }),
  ));

test('a loop stops with many callbacks, timeouts and handlers left, which the next start runs', (t) =>
  withLoop((loop) =>
    withReadables(3, async (readables) => {
      let handled = 0;
      for (const readable of readables) {
        const handler = (): void => {
          loop.removeHandler(readable);
          handled += 1;
          if (handled === readables.length) loop.stop();
        };
        loop.addHandler(readable, handler, IOLoop.READ);
      }
      loop.stop();
      await loop.start();
      t.is(handled, 0);
      await loop.start();
      t.is(handled, 3);
    }),
  ));

test('await using stops a running loop and closes it', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const running = loop.start();
  await loop[Symbol.asyncDispose]();
  t.true(loop.closed);
  await running;
});

test('the events of a stopped loop wait for the next start', (t) =>
  withLoop(async (loop) => {
    const [readable, writer] = Socket.pair();
    let handled = 0;
    const handler = (): void => {
      handled += 1;
      loop.removeHandler(readable);
      loop.stop();
    };
    loop.addHandler(readable, handler, IOLoop.READ);
    await runTurns(loop);
    writer.send(Buffer.from('x'));
    await timeout(2);
    t.is(handled, 0);
    await loop.start();
    t.is(handled, 1);
    readable.close();
    writer.close();
  }));
