/** Errors of user code: reported once, and the loop goes on. */
import test from 'ava';
import { capabilities } from '#internal';
import { IOLoop, PeriodicCallback, Socket } from 'ioloop';
import { runChild } from './helpers/child.js';
import { start, takeReports, withLoop, type ReportingLoop } from './helpers/loop.js';

/** Ways to hand a callback to a loop; each gives what undoes it. */
const KINDS: readonly [string, (loop: ReportingLoop, callback: () => unknown) => () => void][] = [
  ['addCallback', (loop, callback) => done(loop.addCallback(callback))],
  ['spawnCallback', (loop, callback) => done(loop.spawnCallback(callback))],
  ['addCallbackFromSignal', (loop, callback) => done(loop.addCallbackFromSignal(callback))],
  ['callLater', (loop, callback) => done(loop.callLater(0, callback))],
  ['callAt', (loop, callback) => done(loop.callAt(0, callback))],
  ['addTimeout', (loop, callback) => done(loop.addTimeout({ seconds: 0 }, callback))],
  ['addFuture', (loop, callback) => done(loop.addFuture(Promise.resolve(), callback))],
  [
    'addHandler',
    (loop, callback) => {
      const [readable, writer] = Socket.pair();
      writer.send(Buffer.from('x'));
      const handler = (): unknown => {
        // Once is enough: the error is not to be reported twice.
        readable.recv(1);
        return callback();
      };
      Object.defineProperty(handler, 'original', { value: callback });
      loop.addHandler(readable, handler, IOLoop.READ);
      return () => {
        loop.removeHandler(readable);
        readable.close();
        writer.close();
      };
    },
  ],
  [
    'PeriodicCallback',
    (loop, callback) => {
      const periodic = new PeriodicCallback(() => {
        periodic.stop();
        return callback();
      }, 1);
      loop.addCallback(() => {
        periodic.start();
      });
      return () => periodic.stop();
    },
  ],
];

function done(_result: unknown): () => void {
  return () => {};
}

/** Ways to fail with an error. */
const FAILURES: readonly [string, (error: unknown) => unknown][] = [
  [
    'throws',
    (error) => {
      throw error;
    },
  ],
  [
    'rejects',
    async (error) => {
      await Promise.resolve();
      throw error;
    },
  ],
  [
    'returns a thenable that rejects',
    (error) => ({
      // oxlint-disable-next-line unicorn/no-thenable
      then(_resolve: unknown, reject: (reason: unknown) => void): void {
        setImmediate(reject, error);
      },
    }),
  ],
  [
    'returns a thenable that rejects twice and throws',
    (error) => ({
      // oxlint-disable-next-line unicorn/no-thenable
      then(_resolve: unknown, reject: (reason: unknown) => void): void {
        reject(error);
        reject(new Error('again'));
        throw new Error('and again');
      },
    }),
  ],
  [
    'returns an object whose then is a getter that throws',
    (error) => ({
      // oxlint-disable-next-line unicorn/no-thenable
      get then(): never {
        throw error;
      },
    }),
  ],
];

for (const [kind, add] of KINDS) {
  for (const [how, fail] of FAILURES) {
    test(`a callback of ${kind} that ${how} is reported once, and the loop goes on`, (t) =>
      withLoop(async (loop) => {
        const error = new Error('on purpose');
        const undo = add(loop, () => fail(error));
        const running = loop.start();
        while (loop.reports.length === 0) await aTurn(loop);
        // Long enough for a second report of the same.
        for (let round = 0; round < 5; round += 1) await aTurn(loop);
        undo();
        loop.stop();
        await running;
        const reports = takeReports(loop);
        t.is(reports.length, 1);
        t.is(reports[0]?.error, error);
        t.is(typeof reports[0]?.callback, 'function');
      }));
  }
}

/** One turn of a running loop, and the immediates of Node after it. */
async function aTurn(loop: IOLoop): Promise<void> {
  await new Promise<void>((resolve) => {
    loop.addCallback(resolve);
  });
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
}

test('the callback that failed is reported with its error', (t) =>
  withLoop(async (loop) => {
    const callback = (error: Error): never => {
      throw error;
    };
    const errors = [new Error('1'), new Error('2')] as const;
    loop.addCallback(callback, errors[0]);
    await start(loop, () => {
      loop.callLater(-1, callback, errors[1]);
      loop.callLater(0, () => {
        loop.stop();
      });
    });
    t.deepEqual(
      takeReports(loop),
      errors.map((error) => ({ callback, error })),
    );
  }));

test('anything that is thrown is reported as it is', (t) =>
  withLoop(async (loop) => {
    const thrown = [undefined, null, 0, 'text', Symbol('s'), { code: 'X' }];
    for (const value of thrown) {
      loop.addCallback(() => {
        throw value;
      });
    }
    await start(loop, () => {
      loop.stop();
    });
    t.deepEqual(
      takeReports(loop).map(({ error }) => error),
      thrown,
    );
  }));

test('the rest of the turn runs after an error', (t) =>
  withLoop(async (loop) => {
    const order: string[] = [];
    const fail = (): never => {
      throw new Error('on purpose');
    };
    loop.addCallback(fail);
    loop.addCallback(() => order.push('callback'));
    loop.callLater(-2, fail);
    loop.callLater(-1, () => order.push('timeout'));
    await start(loop, () => {
      loop.stop();
    });
    t.deepEqual(order, ['callback', 'timeout']);
    t.is(takeReports(loop).length, 2);
  }));

test('a promise that is fulfilled is not reported', (t) =>
  withLoop(async (loop) => {
    loop.addCallback(async () => 'fine');
    await start(loop, async () => {
      await Promise.resolve();
      loop.stop();
    });
    t.deepEqual(loop.reports, []);
  }));

test('a rejection that comes when the loop has stopped, or is closed, is still reported', async (t) => {
  const reports: unknown[] = [];
  const loop = new IOLoop({ makeCurrent: false });
  loop.handleCallbackException = (_callback, error) => {
    reports.push(error);
  };
  const error = new Error('late');
  let reject = (_reason: Error): void => {};
  await start(loop, () => {
    loop.stop();
    return new Promise((_resolve, refuse) => {
      reject = refuse;
    });
  });
  loop.close();
  reject(error);
  await new Promise((resolve) => {
    setImmediate(resolve);
  });
  t.deepEqual(reports, [error]);
});

test('by default an error is logged to stderr with its stack, and the process goes on', async (t) => {
  const { code, stdout, stderr } = await runChild(`
    import { IOLoop } from 'ioloop';
    const loop = new IOLoop();
    loop.addCallback(function named() { throw new Error('first failure'); });
    loop.addCallback(async () => { throw new Error('second failure'); });
    loop.callLater(0, () => { throw 'third failure'; });
    loop.callLater(0.005, () => { console.log('went on'); loop.stop(); });
    await loop.start();
  `);
  t.is(code, 0);
  t.is(stdout, 'went on\n');
  t.regex(stderr, /Exception in callback named: Error: first failure\n\s+at /);
  t.regex(stderr, /Exception in callback \(anonymous\): Error: second failure/);
  t.regex(stderr, /third failure/);
  t.is(stderr.match(/Exception in callback/g)?.length, 3);
});

test('no error of a callback is an unhandled rejection', async (t) => {
  const { code, stdout } = await runChild(`
    import { IOLoop, PeriodicCallback, Socket } from 'ioloop';
    const expected = ${capabilities.descriptors ? 6 : 5};
    process.on('unhandledRejection', () => console.log('UNHANDLED'));
    process.on('rejectionHandled', () => console.log('HANDLED LATE'));
    process.on('uncaughtException', () => console.log('UNCAUGHT'));
    const loop = new IOLoop();
    let reports = 0;
    loop.handleCallbackException = () => { reports += 1; if (reports === expected) loop.callLater(0.002, () => loop.stop()); };
    const fail = async () => { throw new Error('on purpose'); };
    loop.addCallback(fail);
    loop.spawnCallback(fail);
    loop.callLater(0, fail);
    loop.addFuture(fail(), (future) => future.result());
    if (expected === 6) {
      const [readable, writer] = Socket.pair();
      writer.send(Buffer.from('x'));
      loop.addHandler(readable, () => { loop.removeHandler(readable); return fail(); }, IOLoop.READ);
    }
    const periodic = new PeriodicCallback(() => { periodic.stop(); return fail(); }, 1);
    periodic.start();
    await loop.start();
    console.log(reports - expected);
  `);
  t.is(stdout, '0\n');
  t.is(code, 0);
});
