/** Calls by a remote, from the loop's own thread: what runs, when, and what is refused. */
import { setImmediate as immediate } from 'node:timers/promises';
import * as fc from 'fast-check';
import test from 'ava';
import { IOLoop, type RemoteHandle } from 'ioloop';
import { nodeTurns } from './helpers/fds.js';
import { asleep, isCollected, withLoop, type ReportingLoop } from './helpers/loop.js';

/** The loop as other threads have it, and what it has been called with. */
function recorded(loop: IOLoop): { readonly seen: unknown[]; readonly handle: RemoteHandle } {
  const seen: unknown[] = [];
  loop.expose('hit', (...args: unknown[]) => {
    seen.push(...args);
  });
  return { seen, handle: loop.remote() };
}

/** Runs the loop until what was posted before has run. */
async function drained(loop: ReportingLoop): Promise<void> {
  const remote = IOLoop.fromRemote(loop.remote());
  remote.stop();
  await loop.start();
}

test('addCallback() calls a function by name in the next turn, in order', async (t) => {
  await withLoop(async (loop) => {
    const { seen, handle } = recorded(loop);
    const remote = IOLoop.fromRemote(handle);
    for (let count = 0; count < 100; count += 1) remote.addCallback('hit', count);
    t.deepEqual(seen, []);
    await drained(loop);
    t.deepEqual(
      seen,
      Array.from({ length: 100 }, (_, index) => index),
    );
  });
});

test('a loop that sleeps is woken', async (t) => {
  await withLoop(async (loop) => {
    const { seen, handle } = recorded(loop);
    const finished = loop.start();
    await asleep(loop);
    const remote = IOLoop.fromRemote(handle);
    remote.addCallback('hit', 1);
    remote.stop();
    await finished;
    t.deepEqual(seen, [1]);
  });
});

test('a function that another thread calls adds a timeout', async (t) => {
  await withLoop(async (loop) => {
    loop.expose('later', () => {
      loop.callLater(0, () => loop.stop());
    });
    IOLoop.fromRemote(loop.remote()).addCallback('later');
    await loop.start();
    t.pass();
  });
});

test('a loop that is stopped keeps calls until it runs again', async (t) => {
  await withLoop(async (loop) => {
    const { seen, handle } = recorded(loop);
    const remote = IOLoop.fromRemote(handle);
    await drained(loop);
    remote.addCallback('hit', 'later');
    await nodeTurns();
    t.deepEqual(seen, []);
    await drained(loop);
    t.deepEqual(seen, ['later']);
  });
});

test('call() resolves to what the function returns, or its promise', async (t) => {
  await withLoop(async (loop) => {
    const exposed = loop.expose({
      add: (left: number, right: number) => left + right,
      later: async (text: string) => {
        await immediate();
        return text.toUpperCase();
      },
    });
    const remote = IOLoop.fromRemote<typeof exposed>(loop.remote());
    const results = Promise.all([remote.call('add', 1, 2), remote.call('later', 'x')]);
    const finished = loop.start();
    t.deepEqual(await results, [3, 'X']);
    loop.stop();
    await finished;
  });
});

test('an error comes back with its class, name, message, stack and code', async (t) => {
  await withLoop(async (loop) => {
    class OddError extends Error {
      override readonly name = 'OddError';
      readonly code = 'E_ODD';
    }
    loop.expose({
      odd: () => {
        throw new OddError('how odd');
      },
      range: async () => {
        throw new RangeError('too far');
      },
      value: () => {
        throw { plain: 1 };
      },
      uncloneable: () => () => {},
    });
    const remote = IOLoop.fromRemote(loop.remote());
    const names = ['odd', 'range', 'value', 'uncloneable'];
    const results = Promise.allSettled(names.map((name) => remote.call(name)));
    const finished = loop.start();
    const [odd, range, value, uncloneable] = (await results).map((result) =>
      result.status === 'rejected' ? (result.reason as Error & { code?: string }) : null,
    );
    loop.stop();
    await finished;
    t.true(odd instanceof Error);
    t.like(odd, { name: 'OddError', message: 'how odd', code: 'E_ODD' });
    t.regex(odd?.stack ?? '', /remote\.test\./);
    t.true(range instanceof RangeError);
    t.deepEqual(value as unknown, { plain: 1 });
    t.like(uncloneable, { code: 'ERR_IOLOOP_NOT_CLONEABLE' });
    t.deepEqual(loop.errors, []);
  });
});

test('what addCallback() throws or rejects goes to handleCallbackException() of the loop', async (t) => {
  await withLoop(async (loop) => {
    const error = new Error('on purpose');
    const failing = (): void => {
      throw error;
    };
    loop.expose({ failing, rejecting: () => Promise.reject(error) });
    const remote = IOLoop.fromRemote(loop.remote());
    remote.addCallback('failing');
    remote.addCallback('rejecting');
    await drained(loop);
    const reports = loop.reports.splice(0);
    t.deepEqual(
      reports.map((report) => report.error),
      [error, error],
    );
    t.is(reports[0]?.callback, failing);
  });
});

test('a name that is not exposed is refused at the caller', async (t) => {
  await withLoop(async (loop) => {
    const remote = IOLoop.fromRemote(loop.remote());
    t.throws(() => remote.addCallback('none'), { code: 'ERR_IOLOOP_NOT_EXPOSED' });
    await t.throwsAsync(remote.call('none'), { code: 'ERR_IOLOOP_NOT_EXPOSED' });
    // Not a way to the functions that are reserved.
    t.throws(() => remote.addCallback(''), { code: 'ERR_IOLOOP_NOT_EXPOSED' });
  });
});

test('a function that is unexposed is not called, and one that replaces it is', async (t) => {
  await withLoop(async (loop) => {
    const { seen, handle } = recorded(loop);
    const remote = IOLoop.fromRemote(handle);
    remote.addCallback('hit', 1);
    const result = remote.call('hit', 2);
    loop.unexpose('hit');
    const refused = t.throwsAsync(result, { code: 'ERR_IOLOOP_NOT_EXPOSED' });
    await drained(loop);
    await refused;
    t.deepEqual(seen, []);
    t.like(loop.reports.splice(0)[0]?.error, { code: 'ERR_IOLOOP_NOT_EXPOSED' });
    t.throws(() => IOLoop.fromRemote(handle).addCallback('hit', 3), {
      code: 'ERR_IOLOOP_NOT_EXPOSED',
    });
    loop.expose('hit', (value) => seen.push('new', value));
    remote.addCallback('hit', 4);
    await drained(loop);
    t.deepEqual(seen, ['new', 4]);
  });
});

// Serial: the capacities are those of all loops that are made meanwhile.
test.serial('a full inbox refuses by code, and has room after a turn', async (t) => {
  await withLoop(
    async (loop) => {
      const { seen, handle } = recorded(loop);
      const remote = IOLoop.fromRemote(handle);
      remote.addCallback('hit', 1);
      remote.addCallback('hit', 2);
      t.throws(() => remote.addCallback('hit', 3), { code: 'ERR_IOLOOP_INBOX_FULL' });
      await t.throwsAsync(remote.call('hit', 4), { code: 'ERR_IOLOOP_INBOX_FULL' });
      t.throws(() => remote.stop(), { code: 'ERR_IOLOOP_INBOX_FULL' });
      loop.addCallback(() => loop.stop());
      await loop.start();
      t.deepEqual(seen, [1, 2]);
      remote.addCallback('hit', 5);
      loop.addCallback(() => loop.stop());
      await loop.start();
      t.deepEqual(seen, [1, 2, 5]);
    },
    { capacities: { posts: 2 } },
  );
});

test('close() runs the posts that were accepted, rejects calls, and runs no callback', async (t) => {
  await withLoop(async (loop) => {
    const { seen, handle } = recorded(loop);
    loop.expose('never', () => new Promise(() => {}));
    const remote = IOLoop.fromRemote(handle);
    const running = t.throwsAsync(remote.call('never'), { code: 'ERR_IOLOOP_CLOSED' });
    await drained(loop);
    remote.addCallback('hit', 1);
    const waiting = t.throwsAsync(remote.call('hit', 2), { code: 'ERR_IOLOOP_CLOSED' });
    remote.addCallback('hit', 3);
    loop.addCallback(() => seen.push('callback'));
    loop.close();
    t.deepEqual(seen, [1, 3]);
    await Promise.all([running, waiting]);
    t.throws(() => remote.addCallback('hit'), { code: 'ERR_IOLOOP_CLOSED' });
    t.throws(() => remote.stop(), { code: 'ERR_IOLOOP_CLOSED' });
    await t.throwsAsync(remote.call('hit'), { code: 'ERR_IOLOOP_CLOSED' });
    t.throws(() => IOLoop.fromRemote(handle), { code: 'ERR_IOLOOP_CLOSED' });
    t.throws(() => loop.remote(), { code: 'ERR_IOLOOP_CLOSED' });
    t.throws(() => loop.expose('more', () => {}), { code: 'ERR_IOLOOP_CLOSED' });
    t.notThrows(() => loop.unexpose('hit'));
  });
});

test('wrong arguments are refused', async (t) => {
  await withLoop((loop) => {
    for (const handle of [null, undefined, 1, 'x', {}, { ioloop: 1 }, { ioloop: '1', pid: 1 }]) {
      t.throws(() => IOLoop.fromRemote(handle as never), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    const handle = loop.remote();
    t.throws(() => IOLoop.fromRemote({ ...handle, pid: handle.pid + 1 }), {
      code: 'ERR_IOLOOP_OTHER_PROCESS',
    });
    t.throws(() => IOLoop.fromRemote({ ...handle, copy: handle.copy + 1 }), {
      code: 'ERR_INVALID_ARG_VALUE',
      message: /of this copy of ioloop/,
    });
    t.throws(() => IOLoop.fromRemote({ ...handle, ioloop: 0xffff_fff0 }), {
      code: 'ERR_IOLOOP_CLOSED',
    });
    for (const func of [1, null, undefined, 'x']) {
      t.throws(() => loop.expose('name', func as never), { code: 'ERR_INVALID_ARG_TYPE' });
      t.throws(() => loop.expose({ name: func } as never), { code: 'ERR_INVALID_ARG_TYPE' });
    }
    const remote = IOLoop.fromRemote(handle);
    t.throws(() => remote.addCallback(1 as never), { code: 'ERR_INVALID_ARG_TYPE' });
  });
});

test('what cannot be copied is refused, and nothing is called', async (t) => {
  await withLoop(async (loop) => {
    const { seen, handle } = recorded(loop);
    const remote = IOLoop.fromRemote(handle);
    const { port1 } = new MessageChannel();
    for (const value of [() => {}, Symbol('s'), port1, [() => {}]]) {
      t.throws(() => remote.addCallback('hit', value), { code: 'ERR_IOLOOP_NOT_CLONEABLE' });
      await t.throwsAsync(remote.call('hit', value), { code: 'ERR_IOLOOP_NOT_CLONEABLE' });
    }
    port1.close();
    await drained(loop);
    t.deepEqual(seen, []);
  });
});

test('values arrive as they were, compact or serialised', async (t) => {
  await withLoop(async (loop) => {
    const exposed = loop.expose('echo', (...values: unknown[]) => values);
    const remote = IOLoop.fromRemote<typeof exposed>(loop.remote());
    const finished = loop.start();
    const plain = fc.oneof(
      fc.double(),
      fc.boolean(),
      fc.constantFrom(null, undefined, -0, 2 ** 53, '\ud800', 'ÿ', 'Ā'),
      fc.string({ unit: 'binary' }),
      fc.uint8Array(),
      fc.uint8Array().map((bytes) => Buffer.from(bytes)),
    );
    const cloned = fc.oneof(
      fc.bigInt(),
      fc.date(),
      fc.array(plain),
      fc.dictionary(fc.string(), plain, { noNullPrototype: true }),
      fc.float64Array(),
      fc.string({ minLength: 9_000, maxLength: 9_100 }),
      fc.constant(Buffer.alloc(9_000, 7)),
    );
    for (const value of [plain, fc.oneof(plain, cloned)]) {
      await fc.assert(
        fc.asyncProperty(fc.array(value, { maxLength: 6 }), async (values) => {
          t.deepEqual(await remote.call('echo', ...values), values);
        }),
        { numRuns: 100 },
      );
    }
    loop.stop();
    await finished;
  });
});

test('bytes that arrive are memory of their own', async (t) => {
  await withLoop(async (loop) => {
    const { seen, handle } = recorded(loop);
    const remote = IOLoop.fromRemote(handle);
    const bytes = new Uint8Array([1, 2, 3]);
    remote.addCallback('hit', bytes, [bytes]);
    bytes.fill(9);
    remote.addCallback('hit', bytes);
    bytes.fill(0);
    await drained(loop);
    t.deepEqual(seen, [new Uint8Array([1, 2, 3]), [new Uint8Array([1, 2, 3])], bytes.map(() => 9)]);
    t.is((seen[2] as Uint8Array).buffer.byteLength, 3);
  });
});

test('stop() of a remote calls that of a subclass, in the order of the calls', async (t) => {
  const seen: unknown[] = [];
  class Noted extends IOLoop {
    override stop(): void {
      seen.push('stop');
      super.stop();
    }
  }
  const loop = new Noted({ makeCurrent: false });
  loop.expose('hit', (value) => seen.push(value));
  const remote = IOLoop.fromRemote(loop.remote());
  remote.addCallback('hit', 1);
  remote.stop();
  remote.addCallback('hit', 2);
  await loop.start();
  loop.close();
  t.deepEqual(seen, [1, 'stop', 2]);
});

test('a stopped loop that others may call is garbage when nothing refers to it', async (t) => {
  const used = async (): Promise<WeakRef<IOLoop>> => {
    const loop = new IOLoop({ makeCurrent: false });
    loop.expose('echo', (value: unknown) => value);
    const remote = IOLoop.fromRemote(loop.remote());
    const finished = loop.start();
    t.is(await remote.call('echo', 1), 1);
    remote.stop();
    await finished;
    return new WeakRef(loop);
  };
  t.true(await isCollected(await used()));
});
