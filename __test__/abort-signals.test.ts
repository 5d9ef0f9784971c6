/** One AbortSignal for many waits. An abort is not a failure, and is not reported. */
import { getEventListeners } from 'node:events';
import test from 'ava';
import {
  addAcceptHandler,
  bindSockets,
  IOLoop,
  PeriodicCallback,
  TCPClient,
  TCPServer,
  TimeoutError,
  type IOStream,
} from 'ioloop';
import { runChild } from './helpers/child.js';
import { onLoop, type ReportingLoop, takeReports } from './helpers/loop.js';
import { addressOf, connectTo, portOf } from './helpers/net.js';
import { failureOf, turns, withPair } from './helpers/streams.js';

const CONNECTIONS = 5;

/** Listeners of ours on a signal. */
function listeners(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

test('a hundred waits on one signal have one listener, and end together', async (t) => {
  const { signal, ...controller } = split(new AbortController());
  const reason = new Error('enough');
  await withPair(async (near, far) => {
    const drains = Array.from({ length: 100 }, () => near.drain({ signal }));
    await Promise.all(drains);
    t.is(listeners(signal), 0);
    const reads = [near, far].map((stream) => failureOf(stream.readBytes(1, { signal })));
    t.is(listeners(signal), 1);
    controller.abort(reason);
    t.deepEqual(await Promise.all(reads), [reason, reason]);
    t.is(listeners(signal), 0);
  });
});

test('a signal of the whole program: no warning for ten thousand reads at a time', async (t) => {
  const { code, stderr, stdout } = await runChild(`
    import { getEventListeners } from 'node:events';
    import { IOLoop, IOStream, Socket } from 'ioloop';
    const { signal } = new AbortController();
    await IOLoop.current().runSync(async () => {
      const pairs = Array.from({ length: 50 }, () => Socket.pair().map((socket) => new IOStream(socket)));
      for (let round = 0; round < 200; round += 1) {
        const reads = pairs.map(([near]) => near.readBytes(4, { signal }));
        for (const [, far] of pairs) far.write('ping', { signal });
        await Promise.all(reads);
      }
      console.log(getEventListeners(signal, 'abort').length);
    });
  `);
  t.is(code, 0);
  t.is(stdout, '0\n');
  t.is(stderr, '');
});

/** What `handle` does on each of several connections ends by `abort`; the errors that were reported. */
async function reportsOf(
  handle: (stream: IOStream, signal: AbortSignal) => Promise<unknown>,
  abort: (controller: AbortController) => void,
): Promise<unknown[]> {
  return onLoop(async (loop) => {
    const controller = new AbortController();
    const handleStream = (stream: IOStream): unknown => handle(stream, controller.signal);
    const server = new TCPServer({ loop, handleStream });
    server.listen(0, '127.0.0.1');
    const clients: IOStream[] = [];
    for (let count = 0; count < CONNECTIONS; count += 1) {
      clients.push(await connectTo(loop, addressOf(server)));
    }
    while (server.connections < CONNECTIONS) await turns(clients[0] as IOStream);
    await turns(clients[0] as IOStream);
    abort(controller);
    await server.stop({ drain: true });
    await turns(clients[0] as IOStream);
    for (const client of clients) client.close();
    return takeReports(loop as ReportingLoop).map(({ error }) => error);
  }) as Promise<unknown[]>;
}

const readLines = async (stream: IOStream, signal: AbortSignal): Promise<void> => {
  for (;;) await stream.readUntil('\n', { signal });
};

const readChunks = async (stream: IOStream, signal: AbortSignal): Promise<void> => {
  for await (const chunk of stream.chunks({ signal })) await stream.write(chunk);
};

for (const [kind, reason] of [
  ['none', undefined],
  ['an error', new Error('SIGINT')],
  ['a string', 'SIGINT'],
] as const) {
  test(`a handler that ends by a signal of the program is not reported; its reason: ${kind}`, async (t) => {
    const abort = (controller: AbortController): void => {
      controller.abort(reason);
    };
    t.deepEqual(await reportsOf(readLines, abort), []);
    t.deepEqual(await reportsOf(readChunks, abort), []);
  });
}

const aborted = (signal: AbortSignal): Promise<unknown> =>
  new Promise((resolve) => {
    signal.addEventListener('abort', resolve);
  });

test('a signal that has aborted before a read is not reported either', async (t) => {
  const handle = async (stream: IOStream, signal: AbortSignal): Promise<void> => {
    await aborted(signal);
    await stream.readBytes(1, { signal });
  };
  t.deepEqual(await reportsOf(handle, (controller) => controller.abort()), []);
});

test('an error that is not the reason of a signal is reported, as is a deadline', async (t) => {
  const own = new Error('own');
  const handle = (stream: IOStream, signal: AbortSignal): Promise<void> =>
    readLines(stream, signal).catch(() => {
      throw own;
    });
  const abort = (controller: AbortController): void => {
    controller.abort();
  };
  t.deepEqual(
    await reportsOf(handle, abort),
    Array.from({ length: CONNECTIONS }, () => own),
  );
  const late = async (stream: IOStream, signal: AbortSignal): Promise<void> => {
    await aborted(signal);
    await stream.readBytes(1, { signal: AbortSignal.timeout(1) });
  };
  const names = (await reportsOf(late, abort)).map((error) => (error as Error).name);
  t.deepEqual(
    names,
    Array.from({ length: CONNECTIONS }, () => 'TimeoutError'),
  );
});

test('a callback that ends by a signal of the program is not reported', (t) =>
  withPair(async (near, _far, loop) => {
    const controller = new AbortController();
    loop.addCallback(() => near.readBytes(1, { signal: controller.signal }));
    await turns(near);
    t.true(near.reading);
    controller.abort();
    await turns(near);
    t.false(near.reading);
    t.deepEqual(loop.reports, []);
  }));

test('a periodic callback that ends by a signal of the program is not reported, and goes on', (t) =>
  withPair(async (near, _far, loop) => {
    const reason = new Error('signal');
    let calls = 0;
    const calledAgain = new Promise<void>((resolve) => {
      const periodic = new PeriodicCallback(async () => {
        calls += 1;
        if (calls === 2) {
          periodic.stop();
          resolve();
          return;
        }
        const controller = new AbortController();
        const reading = near.readBytes(1, { signal: controller.signal });
        controller.abort(reason);
        await reading;
      }, 1);
      periodic.start();
    });
    await calledAgain;
    t.deepEqual(loop.reports, []);
  }));

test('the callback of an acceptor that ends by a signal is not reported; its connection closes', (t) =>
  withPair(async (near, _far, loop) => {
    const [socket] = bindSockets(0, '127.0.0.1');
    if (socket === undefined) return;
    const stop = addAcceptHandler(
      socket,
      async () => {
        const controller = new AbortController();
        const reading = near.readBytes(1, { signal: controller.signal });
        controller.abort();
        await reading;
      },
      { loop },
    );
    const client = await connectTo(loop, socket.localAddress);
    t.is(String(await client.readUntilClose()), '');
    t.deepEqual(loop.reports, []);
    stop();
    socket.close();
  }));

test('a timeout of connect() is a failure, also in the TLS handshake: a callback reports it', (t) =>
  onLoop(async (loop) => {
    const server = new TCPServer({ loop, handleStream: () => {} });
    server.listen(0, '127.0.0.1');
    const options = { loop, tls: true, timeout: 0.05 };
    loop.addCallback(() => new TCPClient().connect('127.0.0.1', portOf(server), options));
    while (loop.reports.length === 0) {
      await new Promise((resolve) => {
        loop.callLater(0.01, resolve, null);
      });
    }
    const [report] = takeReports(loop);
    t.true(report?.error instanceof TimeoutError);
    await server[Symbol.asyncDispose]();
  }));

test('connecting, TLS and stopping take the same signal and leave no listener', (t) =>
  onLoop(async (loop) => {
    const { signal } = new AbortController();
    const server = new TCPServer({ loop, handleStream: (stream) => stream.end({ signal }) });
    server.listen(0, '127.0.0.1');
    for (let count = 0; count < 20; count += 1) {
      const stream = await new TCPClient().connect('127.0.0.1', portOf(server), { loop, signal });
      t.is(String(await stream.readUntilClose({ signal })), '');
    }
    await server.stop({ drain: true, signal });
    t.is(listeners(signal), 0);
  }));

test('a call that a closed loop refuses leaves no listener', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  loop.close();
  const { signal } = new AbortController();
  const options = { loop, signal, timeout: 1 };
  await t.throwsAsync(new TCPClient().connect('127.0.0.1', 1, options), {
    code: 'ERR_IOLOOP_CLOSED',
  });
  t.is(listeners(signal), 0);
});

/** A controller's method apart from it. */
function split(controller: AbortController): {
  readonly signal: AbortSignal;
  abort(reason: unknown): void;
} {
  return {
    signal: controller.signal,
    abort: (reason) => {
      controller.abort(reason);
    },
  };
}
