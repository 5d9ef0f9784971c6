/** Callbacks: order, arguments, and storms that starve nothing else. */
import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { setImmediate as immediate, setTimeout as timeout } from 'node:timers/promises';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { until } from './helpers/fds.js';
import { asleep, countCalls, countTurns, runTurns, start, withLoop } from './helpers/loop.js';

test('callbacks run first in, first out, each once', (t) =>
  withLoop(async (loop) => {
    // More than fits into one block of the queue.
    const count = 5000;
    const seen: number[] = [];
    for (let at = 0; at < count; at += 1) loop.addCallback((n: number) => seen.push(n), at);
    await runTurns(loop);
    t.deepEqual(
      seen,
      Array.from({ length: count }, (_, at) => at),
    );
  }));

test('the three ways to add a callback share one queue', (t) =>
  withLoop(async (loop) => {
    const seen: string[] = [];
    const log = (name: string): number => seen.push(name);
    loop.spawnCallback(log, 'a');
    loop.addCallback(log, 'b');
    loop.addCallbackFromSignal(log, 'c');
    loop.addCallback(log, 'd');
    await runTurns(loop);
    t.deepEqual(seen, ['a', 'b', 'c', 'd']);
  }));

test('a callback gets the arguments it was added with, and no others', (t) =>
  withLoop(async (loop) => {
    const calls: unknown[][] = [];
    const log = (...args: unknown[]): number => calls.push(args);
    const object = {};
    loop.addCallback(log);
    loop.addCallback(log, undefined);
    loop.addCallback(log, 1, 'two', object, null);
    loop.spawnCallback(log, 3);
    loop.addCallbackFromSignal(log, 4, 5);
    await runTurns(loop);
    t.deepEqual(calls, [[], [undefined], [1, 'two', object, null], [3], [4, 5]]);
    t.is(calls[2]?.[2], object);
  }));

test('a callback never runs inside addCallback', (t) =>
  withLoop((loop) =>
    start(loop, () => {
      let added = false;
      loop.addCallback(() => {
        t.true(added);
        loop.stop();
      });
      added = true;
    }),
  ));

test('a callback that is not a function is refused at once, and nothing is queued', (t) =>
  withLoop(async (loop) => {
    for (const method of ['addCallback', 'spawnCallback', 'addCallbackFromSignal'] as const) {
      for (const callback of [undefined, null, 42, 'callback', {}]) {
        const error = t.throws(() => loop[method](callback as never), { instanceOf: TypeError });
        t.like(error, { code: 'ERR_INVALID_ARG_TYPE' });
      }
    }
    await runTurns(loop);
  }));

test('callbacks added to a stopped loop run when it starts', (t) =>
  withLoop(async (loop) => {
    let ran = false;
    loop.addCallback(() => {
      ran = true;
    });
    await immediate();
    await immediate();
    t.false(ran);
    await runTurns(loop);
    t.true(ran);
  }));

test('a callback wakes a loop that sleeps', (t) =>
  withLoop(async (loop) => {
    const running = loop.start();
    let ran = 0;
    for (let round = 0; round < 3; round += 1) {
      await asleep(loop);
      loop.addCallback(() => {
        ran += 1;
      });
      await until(() => ran > round, 'the callback');
    }
    loop.stop();
    await running;
    t.is(ran, 3);
  }));

test('what a resumed async callback adds wakes a loop that sleeps', (t) =>
  withLoop(async (loop) => {
    let ran = false;
    await start(loop, async () => {
      await asleep(loop);
      loop.addCallback(() => {
        ran = true;
        loop.stop();
      });
    });
    t.true(ran);
  }));

test('a hundred thousand callbacks run in one turn', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    let ran = 0;
    const count = 100_000;
    for (let at = 0; at < count; at += 1) {
      loop.addCallback(() => {
        ran += 1;
      });
    }
    loop.addCallback(() => {
      loop.stop();
    });
    await loop.start();
    t.is(ran, count);
    t.is(counter.turn, 1);
  }));

/** Callbacks that add themselves for ever. */
function storm(loop: IOLoop, width: number): { readonly turns: number } {
  const state = { turns: 0 };
  const again = (): void => {
    loop.addCallback(again);
  };
  const count = (): void => {
    state.turns += 1;
    loop.addCallback(count);
  };
  for (let at = 0; at < width; at += 1) loop.addCallback(again);
  loop.addCallback(count);
  return state;
}

/** An http server of this process, on a port of the system's choice. */
async function withServer(body: (url: string, server: Server) => Promise<unknown>): Promise<void> {
  const server = createServer((_request, response) => response.end('hello'));
  // A slow client would find its connection closed.
  server.keepAliveTimeout = 0;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    await body(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, server);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test("a storm of callbacks does not starve Node's timers, immediates, promises and ticks", (t) =>
  withLoop(async (loop) => {
    storm(loop, 100);
    const running = loop.start();
    for (let round = 0; round < 5; round += 1) {
      await timeout(1);
      await immediate();
      await new Promise<void>((resolve) => {
        process.nextTick(resolve);
      });
    }
    t.true(loop.running);
    loop.stop();
    await running;
  }));

test('a storm of callbacks does not starve fetch and an http server of the same process', (t) =>
  withLoop((loop) =>
    withServer(async (url) => {
      storm(loop, 100);
      const running = loop.start();
      for (let round = 0; round < 5; round += 1) {
        const response = await fetch(url);
        t.is(await response.text(), 'hello');
      }
      loop.stop();
      await running;
    }),
  ));

test("a storm of callbacks does not starve the loop's own timeouts and handlers", (t) =>
  withLoop(async (loop) => {
    const [readable, writer] = Socket.pair();
    storm(loop, 100);
    const running = loop.start();
    await new Promise<void>((resolve) => {
      loop.callLater(0.002, resolve);
    });
    const counter = countCalls(loop, readable, () => loop.removeHandler(readable));
    writer.send('x');
    await until(() => counter.calls > 0, 'the handler');
    loop.stop();
    await running;
    t.is(counter.calls, 1);
    readable.close();
    writer.close();
  }));

test('a storm of timeouts does not starve Node', (t) =>
  withLoop(async (loop) => {
    let fired = 0;
    const again = (): void => {
      fired += 1;
      loop.callLater(0, again);
    };
    again();
    const running = loop.start();
    // Both are awaited: a starved Node would not get here.
    await timeout(1);
    await immediate();
    t.true(fired > 1);
    loop.stop();
    await running;
  }));

test('a storm of immediates in Node does not starve the loop', (t) =>
  withLoop(async (loop) => {
    const [readable, writer] = Socket.pair();
    let storming = true;
    const again = (): void => {
      if (storming) setImmediate(again);
    };
    for (let at = 0; at < 100; at += 1) again();
    const order: string[] = [];
    await start(loop, () => {
      order.push('callback');
      loop.callLater(0.001, () => {
        order.push('timeout');
        writer.send(Buffer.from('x'));
      });
      loop.addHandler(
        readable,
        () => {
          order.push('handler');
          loop.stop();
        },
        IOLoop.READ,
      );
    });
    storming = false;
    loop.removeHandler(readable);
    readable.close();
    writer.close();
    t.deepEqual(order, ['callback', 'timeout', 'handler']);
  }));

test('a busy http server of the same process does not starve the loop', (t) =>
  withLoop((loop) =>
    withServer(async (url) => {
      const load = { on: true };
      const client = async (): Promise<void> => {
        while (load.on) await (await fetch(url)).text();
      };
      const clients = Array.from({ length: 4 }, client);
      const counter = countTurns(loop);
      await start(loop, () => {
        loop.callLater(0.02, () => {
          loop.stop();
        });
      });
      load.on = false;
      await Promise.all(clients);
      t.true(counter.turn > 1);
    }),
  ));

test('a loop in a storm and a loop that sleeps share a thread', (t) =>
  withLoop((noisy) =>
    withLoop(async (quiet) => {
      storm(noisy, 100);
      const running = noisy.start();
      await start(quiet, () => {
        quiet.callLater(0.002, () => {
          quiet.stop();
        });
      });
      t.true(noisy.running);
      noisy.stop();
      await running;
    }),
  ));
