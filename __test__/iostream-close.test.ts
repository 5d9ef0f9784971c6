/** `close()` and `end()` of a stream, and its close callback. */
import { AsyncLocalStorage } from 'node:async_hooks';
import test from 'ava';
import { IOStream, Socket, StreamClosedError } from 'ioloop';
import { serialIf } from './helpers/conditions.js';
import { HAS_PROC, openFds } from './helpers/fds.js';
import { runTurns, withLoop } from './helpers/loop.js';
import { closing, reset } from './helpers/net.js';
import {
  closedBy,
  failureOf,
  isSettled,
  turns,
  withPair,
  withTcpPair,
  localPair,
} from './helpers/streams.js';
import { testOwnSockets } from './helpers/sockets-of.js';

const PLENTY = 8_000_000;

test('close() in every state: what waits fails, and once is enough', async (t) => {
  const states: [string, (near: IOStream, far: IOStream) => unknown][] = [
    ['idle', () => []],
    ['reading', (near) => [near.readBytes(1)]],
    ['reading a large one', (near) => [near.readBytes(1_000_000)]],
    ['reading into', (near) => [near.readInto(Buffer.alloc(5))]],
    ['reading until', (near) => [near.readUntil('\n')]],
    ['writing', (near) => [near.write(Buffer.alloc(PLENTY))]],
    ['draining', (near) => [near.write(Buffer.alloc(PLENTY)), near.drain()]],
    ['shutting down', (near) => [near.write(Buffer.alloc(PLENTY)), near.shutdownWrite()]],
    ['ending', (near) => [near.write(Buffer.alloc(PLENTY)), near.end()]],
    ['ended by the peer', (near, far) => far.shutdownWrite().then(() => [near.write('x')])],
  ];
  for (const [name, enter] of states) {
    await withPair(
      async (near, far) => {
        const waiting = ((await enter(near, far)) as Promise<unknown>[]).map((promise) =>
          promise.then(
            () => 'done',
            (error: unknown) => error,
          ),
        );
        if (name !== 'ended by the peer') await turns(near);
        const fault = new Error(`closed while ${name}`);
        const closed = closing(near);
        near.close(fault);
        near.close(new Error('too late'));
        t.true(near.closed);
        t.is(near.fileno(), -1);
        t.is(near.error, fault, name);
        for (const outcome of await Promise.all(waiting)) {
          if (outcome === 'done') continue;
          t.true(outcome instanceof StreamClosedError, `${name}: ${String(outcome)}`);
          t.is((outcome as StreamClosedError).realError, fault);
        }
        t.is(await closed, fault);
        t.false(near.reading);
        t.false(near.writing);
      },
      { allowHalfOpen: true },
    );
  }
});

test('close() offers what was written to the kernel, and drops what it does not take', async (t) => {
  await withPair(async (near, far) => {
    const written = near.write('goodbye');
    near.close();
    await written;
    t.is((await far.readUntilClose()).toString(), 'goodbye');
  });
  await withPair(async (near, far) => {
    const written = near.write(Buffer.alloc(PLENTY));
    await turns(near);
    near.close();
    t.is(await closedBy(written), null);
    t.true((await far.readUntilClose()).length < PLENTY);
  });
});

test('end() sends everything first', (t) =>
  withPair(async (near, far) => {
    const written = near.write(Buffer.alloc(PLENTY));
    const ended = near.end();
    const again = near.end();
    t.is((await far.readUntilClose()).length, PLENTY);
    await Promise.all([written, ended, again]);
    t.true(near.closed);
    t.is(near.error, null);
    await near.end();
  }));

test('end() that takes too long closes, and says so', (t) =>
  withPair(async (near) => {
    const written = near.write(Buffer.alloc(PLENTY));
    t.is((await failureOf(near.end({ timeout: 0.001 }))).name, 'TimeoutError');
    t.true(near.closed);
    t.is(await closedBy(written), null);
  }));

test('end() with data, a function or wrong options rejects, and leaves the stream as it is', (t) =>
  withPair(async (near, far) => {
    for (const wrong of [
      'text',
      Buffer.from('x'),
      new DataView(new ArrayBuffer(1)),
      ['x'],
      () => {},
    ]) {
      const error = await failureOf(near.end(wrong as never));
      t.is((error as NodeJS.ErrnoException).code, 'ERR_INVALID_ARG_TYPE');
      t.regex(error.message, /end\(\) takes no data and no callback, call write\(\) before it/);
    }
    for (const wrong of [null, 5, { timeout: 'x' }, { signal: {} }]) {
      const error = await failureOf(near.end(wrong as never));
      t.is((error as NodeJS.ErrnoException).code, 'ERR_INVALID_ARG_TYPE');
    }
    t.false(near.closed);
    await near.write('all');
    await near.end();
    t.is((await failureOf(near.end('text' as never))).name, 'TypeError');
    t.is((await far.readUntilClose()).toString(), 'all');
  }));

test('await using ends the stream', (t) =>
  withPair(async (near, far) => {
    {
      await using stream = near;
      void stream.write('in a scope');
    }
    t.true(near.closed);
    t.is((await far.readUntilClose()).toString(), 'in a scope');
  }));

test('the close callback runs once, on the loop, with what closed the stream', (t) =>
  withLoop(async (loop) => {
    const [stream, peer] = localPair(loop);
    const fault = new Error('enough');
    const calls: unknown[] = [];
    stream.setCloseCallback(() => calls.push('replaced'));
    stream.setCloseCallback((error) => calls.push(error));
    stream.close(fault);
    t.deepEqual(calls, [], 'never inside of close()');
    await runTurns(loop, 2);
    t.deepEqual(calls, [fault]);
    // Set too late: in the next turn.
    stream.setCloseCallback((error) => calls.push('late', error));
    await runTurns(loop, 2);
    t.deepEqual(calls, [fault, 'late', fault]);
    stream.setCloseCallback(null);
    await runTurns(loop, 2);
    t.is(calls.length, 3);
    t.throws(() => stream.setCloseCallback(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    peer.close();
  }));

test('what a close callback throws is reported, and the loop goes on', (t) =>
  withLoop(async (loop) => {
    const [stream, peer] = localPair(loop);
    const fault = new Error('in the callback');
    stream.setCloseCallback(() => {
      throw fault;
    });
    stream.close();
    await runTurns(loop, 2);
    t.deepEqual(
      loop.reports.splice(0).map(({ error }) => error),
      [fault],
    );
    peer.close();
  }));

test('the close callback has the context it was set in; a read has that of its caller', async (t) => {
  const storage = new AsyncLocalStorage<string>();
  await withPair(async (near, far) => {
    const closed = storage.run(
      'setter',
      () =>
        new Promise((resolve) => {
          near.setCloseCallback(() => {
            resolve(storage.getStore());
          });
        }),
    );
    const read = storage.run('reader', async () => {
      await near.readBytes(1);
      return storage.getStore();
    });
    await storage.run('writer', async () => {
      await far.write('x');
      t.is(storage.getStore(), 'writer');
    });
    t.is(await read, 'reader');
    storage.run('closer', () => {
      far.close();
    });
    t.is(await closed, 'setter');
  });
});

test('close(error) takes whatever it is given', (t) =>
  withPair(async (near) => {
    near.close('a string' as never);
    t.is(near.error?.message, 'a string');
    t.is((await closedBy(near.readBytes(1)))?.message, 'a string');
  }));

serialIf(HAS_PROC, '/proc')('streams leak no descriptor', async (t) => {
  const before = openFds().size;
  for (let round = 0; round < 20; round += 1) {
    await withTcpPair(async (near, far) => {
      void near.write('x');
      if (round % 2 === 0) reset(far);
      else await far.end();
      await turns(near);
    });
  }
  t.is(openFds().size, before);
});

testOwnSockets('a loop that is closed closes its streams, and rejects what waits', async (t) => {
  const [first, second] = Socket.pair();
  let reading: Promise<unknown> = Promise.resolve();
  await withLoop(async (loop) => {
    const stream = new IOStream(first, { loop });
    reading = stream.readBytes(1);
    reading.catch(() => {});
    await runTurns(loop);
    t.false(await isSettled(reading));
  });
  t.is((await closedBy(reading))?.code, 'ERR_IOLOOP_CLOSED');
  const peer = Buffer.alloc(1);
  t.is(second.recvInto(peer), 0, 'the descriptor is closed');
  second.close();
});

test('a stream of a stopped loop waits, and goes on with it', (t) =>
  withLoop(async (loop) => {
    const [near, far] = localPair(loop);
    const read = near.readUntil('\n');
    void far.write('before the start\n');
    await loop.runSync(async () => {
      t.is((await read).toString(), 'before the start\n');
    });
    near.close();
    far.close();
  }));
