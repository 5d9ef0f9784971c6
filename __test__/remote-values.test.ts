/** Values between threads: what arrives is as structured clone has it, compact or serialised. */
import * as fc from 'fast-check';
import test, { type ExecutionContext } from 'ava';
import { IOLoop } from 'ioloop';
import { withLoop } from './helpers/loop.js';

type Echo = (value: unknown) => Promise<unknown>;

/** Runs `body` with a call whose result is its argument: it has crossed twice. */
async function withEcho(body: (echo: Echo) => Promise<void>): Promise<void> {
  await withLoop(async (loop) => {
    loop.expose('echo', (value: unknown) => value);
    const remote = IOLoop.fromRemote(loop.remote());
    const finished = loop.start();
    await body((value) => remote.call('echo', value));
    loop.stop();
    await finished;
  });
}

async function sameAsClone(t: ExecutionContext, echo: Echo, value: unknown): Promise<void> {
  t.deepEqual(await echo(value), structuredClone(value));
}

test('nested plain data arrives as structured clone has it', async (t) => {
  const leaf = fc.oneof(
    fc.double(),
    fc.boolean(),
    fc.constantFrom(null, undefined, -0, '\ud800', 'ÿ', 'Ā'),
    fc.string({ unit: 'binary' }),
    // Not every runtime can compare invalid ones: see below.
    fc.date({ noInvalidDate: true }),
    fc.bigInt(),
  );
  const { value } = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { maxDepth: 4, depthIdentifier: 'value' },
      leaf,
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string({ maxLength: 4 }), tie('value'), {
        maxKeys: 4,
        noNullPrototype: true,
      }),
      fc.array(tie('value'), { maxLength: 4 }).map((elements) => new Set(elements)),
      fc
        .array(fc.tuple(tie('value'), tie('value')), { maxLength: 4 })
        .map((entries) => new Map(entries)),
    ),
  }));
  await withEcho(async (echo) => {
    await fc.assert(
      fc.asyncProperty(value, async (sent) => {
        await sameAsClone(t, echo, sent);
      }),
      { numRuns: 300 },
    );
    const { at } = (await echo({ at: new Date(Number.NaN) })) as { at: Date };
    t.true(Number.isNaN(at.getTime()));
  });
});

test('unusual objects arrive as structured clone has them', async (t) => {
  class Point {
    x = 1;
    get sum(): number {
      return this.x;
    }
  }
  const cyclic: Record<string, unknown> = {};
  cyclic['self'] = cyclic;
  const matched = /b/.exec('abc');
  const deep = Array.from({ length: 200 }).reduce<unknown>((inner) => ({ inner }), 1);
  const values: unknown[] = [
    new Point(),
    Object.assign(Object.create(null) as object, { a: 1 }),
    Object.defineProperty({ a: 1 }, 'hidden', { value: 2, enumerable: false }),
    { [Symbol('s')]: 1, a: 2 },
    { 2: 'b', 1: 'a', z: 0 },
    { ä: 1, Ā: 2 },
    { '': 1 },
    { ['k'.repeat(300)]: 1 },
    Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`key${index}`, index])),
    // Joined by line feeds, their keys are the same text.
    { 'a\nb': 1, c: 2 },
    { a: 1, 'b\nc': 2 },
    // oxlint-disable-next-line no-sparse-arrays
    [, 1, , 2],
    Object.assign([1, 2], { extra: 3 }),
    // As many keys as elements.
    // oxlint-disable-next-line no-sparse-arrays
    Object.assign([,], { extra: 3 }),
    matched,
    Object.assign([], { length: 100 }),
    Array.from({ length: 100 }, (_, index) => ({ index })),
    deep,
    cyclic,
    new Map([[{ a: 1 }, new Set([new Date(5)])]]),
    new Date(Number.NaN),
    new Error('failed', { cause: { a: 1 } }),
    /x/giu,
    new Float64Array([1, 2]),
    Object.setPrototypeOf({ a: 1 }, Map.prototype),
    Object.setPrototypeOf(new Map([[1, 2]]), {}),
    Object.setPrototypeOf({ a: 1 }, { inherited: 2 }),
    { constructor: 1, a: 2 },
    // Equal but for the last key, after an object of their own.
    [{ a: { x: 1 }, b: 2 }, { a: { x: 1 }, c: 2 }, { a: { x: 1 } }, { a: { x: 1 }, b: 2 }],
    // Text around the length that is read without a crossing.
    ['1', '12', '123', '1234', '12345', '123456', '1234567', '12345678', '123456789'],
    [1, 2, 3, [4, 5, [6, []]]],
    Object(1n),
    Object('text'),
  ];
  await withEcho(async (echo) => {
    for (const value of values) await sameAsClone(t, echo, value);
    // A second time: the shapes are known.
    for (const value of values) await sameAsClone(t, echo, value);
  });
});

test('an object that is twice in a value arrives as one', async (t) => {
  await withEcho(async (echo) => {
    const shared = { a: 1 };
    const [first, second] = (await echo([shared, shared])) as object[];
    t.is(first, second);
    const map = (await echo(new Map([[shared, shared]]))) as Map<unknown, unknown>;
    for (const [key, value] of map) t.is(key, value);
  });
});

test('an object that is two arguments arrives as one, however large the call is', async (t) => {
  await withLoop(async (loop) => {
    loop.expose('areSame', (a: unknown, b: unknown) => a === b);
    const remote = IOLoop.fromRemote(loop.remote());
    const finished = loop.start();
    const shared = { a: 1 };
    t.true(await remote.call('areSame', shared, shared));
    t.true(await remote.call('areSame', shared, shared, 'x'.repeat(20_000)));
    loop.stop();
    await finished;
  });
});

test('inherited keys stay behind, also after an object that has them itself', async (t) => {
  await withLoop(async (loop) => {
    const seen: unknown[] = [];
    loop.expose('hit', (value: unknown) => seen.push(value));
    const remote = IOLoop.fromRemote(loop.remote());
    const own = { x: 1, a: 2 };
    remote.addCallback('hit', own);
    remote.addCallback('hit', own);
    remote.addCallback('hit', Object.assign(Object.create({ a: 1 }) as object, { x: 5 }));
    remote.stop();
    await loop.start();
    t.deepEqual(seen, [own, own, { x: 5 }]);
  });
});

test('a nested object is written a few times at most, whatever came before it', async (t) => {
  await withLoop(async (loop) => {
    loop.expose('hit', () => {});
    const remote = IOLoop.fromRemote(loop.remote());
    let mostReads = 0;
    for (let round = 0; round < 30; round += 1) {
      let reads = 0;
      let value: object = {
        get x(): number {
          reads += 1;
          return 1;
        },
      };
      for (let depth = 0; depth < 20; depth += 1) {
        // The last key is another one in each level and round.
        value = { inner: value, [`k${((round + 7) * (depth + 3) * (depth + round)) % 5}`]: 1 };
      }
      remote.addCallback('hit', value);
      mostReads = Math.max(mostReads, reads);
    }
    t.true(mostReads < 20, `${mostReads} reads`);
    t.true(mostReads > 0);
  });
});

test('a key named __proto__ stays a key', async (t) => {
  await withEcho(async (echo) => {
    const sent = JSON.parse('{ "__proto__": { "polluted": 1 }, "a": 2 }') as object;
    const result = (await echo(sent)) as Record<string, unknown>;
    t.is(Object.getPrototypeOf(result), Object.prototype);
    t.deepEqual(Object.keys(result), ['__proto__', 'a']);
    t.is(result['polluted'], undefined);
  });
});

test.serial('a call whose arguments cannot be read is rejected', async (t) => {
  await withEcho(async (echo) => {
    const sent = { unreadable: 1 };
    t.deepEqual(await echo(sent), sent);
    // oxlint-disable-next-line no-extend-native
    Object.defineProperty(Object.prototype, 'unreadable', {
      configurable: true,
      set(): never {
        throw new Error('on purpose');
      },
    });
    try {
      await t.throwsAsync(echo(sent), { message: 'on purpose' });
    } finally {
      delete (Object.prototype as { unreadable?: unknown }).unreadable;
    }
  });
});

test('more shapes than are kept, each of them twice', async (t) => {
  await withEcho(async (echo) => {
    for (let round = 0; round < 2; round += 1) {
      const sent = Array.from({ length: 1500 }, (_, index) => ({ [`key${index}`]: index }));
      const results = await Promise.all(sent.map((value) => echo(value)));
      t.deepEqual(results, sent);
    }
  });
});

test('a getter that posts, and one that throws', async (t) => {
  await withLoop(async (loop) => {
    const seen: unknown[] = [];
    loop.expose('hit', (value: unknown) => seen.push(value));
    const remote = IOLoop.fromRemote(loop.remote());
    const posting = {
      get a(): number {
        remote.addCallback('hit', 'from a getter');
        return 1;
      },
    };
    remote.addCallback('hit', posting);
    remote.addCallback('hit', 'last');
    const failing = {
      get a(): number {
        throw new Error('on purpose');
      },
    };
    t.throws(() => remote.addCallback('hit', failing), { code: 'ERR_IOLOOP_NOT_CLONEABLE' });
    remote.stop();
    await loop.start();
    t.deepEqual(seen.at(-1), 'last');
    t.deepEqual(
      seen.filter((value) => typeof value === 'object'),
      [{ a: 1 }],
    );
  });
});

test('a getter that posts behind a call that waits in the memory of the lane', async (t) => {
  await withLoop(async (loop) => {
    const seen: unknown[] = [];
    loop.expose('hit', (value: unknown) => seen.push(value));
    const remote = IOLoop.fromRemote(loop.remote());
    let posts = 0;
    remote.addCallback('hit', 'first');
    remote.addCallback('hit', {
      get a(): number {
        remote.addCallback('hit', 'from a getter');
        posts += 1;
        return 1;
      },
    });
    remote.addCallback('hit', 'last');
    loop.addCallback(() => remote.stop());
    await loop.start();
    const nested = Array<string>(posts).fill('from a getter');
    t.deepEqual(seen, ['first', ...nested, { a: 1 }, 'last']);
  });
});

test('a getter that posts the last call of the bound', async (t) => {
  await withLoop(async (loop) => {
    loop.expose('hit', () => {});
    const remote = IOLoop.fromRemote(loop.remote());
    for (let count = 1; count < 65_536; count += 1) remote.addCallback('hit');
    let hasPosted = false;
    remote.addCallback('hit', {
      get a(): number {
        if (!hasPosted) remote.addCallback('hit');
        hasPosted = true;
        return 1;
      },
    });
    t.throws(() => remote.addCallback('hit'), { code: 'ERR_IOLOOP_INBOX_FULL' });
  });
});

test('a getter that changes the map or set that has it', async (t) => {
  const values = [
    (): unknown => {
      const map = new Map<unknown, unknown>();
      const first = {
        get x(): number {
          map.delete('b');
          return 1;
        },
      };
      return map.set('a', first).set('b', 2);
    },
    (): unknown => {
      const set = new Set<unknown>();
      const first = {
        get x(): number {
          set.delete('b');
          return 1;
        },
      };
      return set.add(first).add('b');
    },
    (): unknown => {
      const set = new Set<unknown>();
      const first = {
        get x(): number {
          set.add('b');
          return 1;
        },
      };
      return set.add(first);
    },
  ];
  await withLoop(async (loop) => {
    const seen: unknown[] = [];
    loop.expose('hit', (...args: unknown[]) => seen.push(args));
    const remote = IOLoop.fromRemote(loop.remote());
    for (const make of values) remote.addCallback('hit', make(), 'end');
    remote.stop();
    await loop.start();
    // The getter has run before the value was serialised.
    t.deepEqual(seen, [
      [new Map([['a', { x: 1 }]]), 'end'],
      [new Set([{ x: 1 }]), 'end'],
      [new Set<unknown>([{ x: 1 }, 'b']), 'end'],
    ]);
  });
});

test('values of every size around the capacity of a lane arrive, in order', async (t) => {
  await withLoop(async (loop) => {
    const sizes = [0, 1, 7, 8, 8_170, 8_176, 8_180, 8_192, 9_000, 65_000, 65_536, 200_000];
    const seen: number[] = [];
    loop.expose('hit', (bytes: Uint8Array) => {
      if (bytes.some((byte) => byte !== bytes.length % 251)) t.fail(`${bytes.length}`);
      seen.push(bytes.length);
    });
    const remote = IOLoop.fromRemote(loop.remote());
    const sent: number[] = [];
    for (let round = 0; round < 40; round += 1) {
      const size = sizes[(round * 7) % sizes.length] as number;
      sent.push(size);
      remote.addCallback('hit', new Uint8Array(size).fill(size % 251));
    }
    remote.stop();
    await loop.start();
    t.deepEqual(seen, sent);
  });
});

test('a thread has the bound of its calls for itself, and the metrics count them', async (t) => {
  await withLoop(async (loop) => {
    loop.expose('hit', () => {});
    const remote = IOLoop.fromRemote(loop.remote());
    let accepted = 0;
    t.throws(
      () => {
        for (;;) {
          remote.addCallback('hit', accepted);
          accepted += 1;
        }
      },
      { code: 'ERR_IOLOOP_INBOX_FULL' },
    );
    t.is(accepted, 65_536);
    loop.addCallback(() => loop.stop());
    await loop.start();
    remote.addCallback('hit');
    const { postsAccepted, postsRun, postsRefused, postWakeups } = loop.metrics();
    t.deepEqual(
      { postsAccepted, postsRun, postsRefused, postWakeups },
      { postsAccepted: 65_537, postsRun: 65_536, postsRefused: 1, postWakeups: 2 },
    );
    loop.close();
    t.is(loop.metrics().postsRun, 65_537);
  });
});

test('large arguments that wait are bounded', async (t) => {
  await withLoop(async (loop) => {
    const seen: number[] = [];
    loop.expose('hit', (bytes: Uint8Array) => seen.push(bytes.length));
    const remote = IOLoop.fromRemote(loop.remote());
    const large = new Uint8Array(40 << 20);
    remote.addCallback('hit', large);
    remote.addCallback('hit', large);
    t.throws(() => remote.addCallback('hit', large), { code: 'ERR_IOLOOP_INBOX_FULL' });
    // Small ones have room until the lane is full.
    remote.addCallback('hit', new Uint8Array(1));
    loop.addCallback(() => loop.stop());
    await loop.start();
    t.deepEqual(seen, [large.length, large.length, 1]);
  });
});
