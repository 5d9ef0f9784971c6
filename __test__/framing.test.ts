/** Framing: however the bytes are cut, the frames are those that were sent, each once. */
import * as fc from 'fast-check';
import test from 'ava';
import { fixed, lengthPrefixed, lines, type Connection, type DataHandler } from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop, takeReports } from './helpers/loop.js';
import { withPushed } from './helpers/protocols.js';
import { turns } from './helpers/streams.js';

type Any = Connection<unknown>;

/** A way to frame: how frames are written, and the function that reads them. */
interface Framing {
  readonly name: string;
  encode(frame: Buffer): Buffer;
  read(onFrame: (c: Any, frame: Buffer) => unknown): DataHandler<unknown>;
  /** The part of what {@link encode} returns that the function gets: by default the frame. */
  given?(frame: Buffer): Buffer;
  readonly frame: fc.Arbitrary<Buffer>;
}

const bytes = (min: number, max: number, of = fc.nat(255)): fc.Arbitrary<Buffer> =>
  fc.array(of, { minLength: min, maxLength: max }).map((list) => Buffer.from(list));
// Parts of delimiters, often.
const inLine = fc.constantFrom(0x0d, 0x61, 0x62, 0x2d);

const FRAMINGS: readonly Framing[] = [
  {
    name: 'lines',
    encode: (frame) => Buffer.concat([frame, Buffer.from('\n')]),
    read: (onFrame) => lines(onFrame),
    frame: bytes(0, 30, inLine),
  },
  {
    name: 'lines with a longer delimiter',
    encode: (frame) => Buffer.concat([frame, Buffer.from('\r\n')]),
    read: (onFrame) => lines(onFrame, { delimiter: Buffer.from('\r\n'), maxLength: 30 }),
    frame: bytes(0, 30, inLine),
  },
  {
    name: 'lines with their delimiter',
    encode: (frame) => Buffer.concat([frame, Buffer.from('\r\n')]),
    given: (frame) => Buffer.concat([frame, Buffer.from('\r\n')]),
    read: (onFrame) => lines(onFrame, { delimiter: '\r\n', keepDelimiter: true, maxLength: 30 }),
    frame: bytes(0, 30, inLine),
  },
  ...([1, 2, 4] as const).flatMap((size) =>
    [true, false].map((littleEndian) => ({
      name: `lengths of ${size} bytes, ${littleEndian ? 'little' : 'big'}-endian`,
      encode: (frame: Buffer): Buffer => {
        const head = Buffer.alloc(size);
        if (littleEndian) head.writeUIntLE(frame.length, 0, size);
        else head.writeUIntBE(frame.length, 0, size);
        return Buffer.concat([head, frame]);
      },
      read: (onFrame: (c: Any, frame: Buffer) => unknown) =>
        lengthPrefixed(onFrame, { bytes: size, littleEndian, maxLength: 200 }),
      frame: bytes(0, 200),
    })),
  ),
  {
    name: 'fixed',
    encode: (frame) => frame,
    read: (onFrame) => fixed(7, onFrame),
    frame: bytes(7, 7),
  },
];

/** What the function of a frame does besides. */
const deed = fc.constantFrom('nothing', 'nothing', 'nothing', 'pause', 'protocol');

for (const framing of FRAMINGS) {
  test(`${framing.name}: frames are whole, in any chunks`, async (t) => {
    const property = fc.asyncProperty(
      fc.array(fc.tuple(framing.frame, deed), { minLength: 1, maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1 }),
      async (frames, cuts) => {
        const seen: string[] = [];
        const onFrame = (c: Any, frame: Buffer): void => {
          const [, what] = frames[seen.length] as [Buffer, string];
          seen.push(frame.toString('hex'));
          if (what === 'pause') c.pause();
          if (what === 'protocol') c.protocol = { ...c.protocol, data: framing.read(onFrame) };
          if (what === 'pause') c.loop.addCallback(() => c.resume());
        };
        await onLoop((loop) =>
          withPushed(loop, { data: framing.read(onFrame) }, async ({ client, calls }) => {
            const all = Buffer.concat(frames.map(([frame]) => framing.encode(frame)));
            for (let at = 0, n = 0; at < all.length; n += 1) {
              const size = cuts[n % cuts.length] as number;
              await client.write(all.subarray(at, at + size));
              at += size;
              if (n % 2 === 0) await turns(client, 2);
            }
            await until(() => seen.length >= frames.length, 'all frames');
            await turns(client, 2);
            t.false(calls.includes('close'));
          }),
        );
        t.deepEqual(
          seen,
          frames.map(([frame]) => (framing.given?.(frame) ?? frame).toString('hex')),
        );
      },
    );
    await fc.assert(property, { numRuns: 15 });
  });
}

test('a frame that is too long closes its connection, and is not reported', async (t) => {
  const never = (): void => t.fail();
  const cases: readonly [DataHandler<unknown>, string][] = [
    [lines(never, { maxLength: 10 }), '12345678901'],
    [lines(never, { maxLength: 10 }), '12345678901\n'],
    [lines(never, { maxLength: 10, delimiter: 'ab' }), '12345678901a'],
    [lengthPrefixed(never, { maxLength: 10 }), '\0\0\0\x0b'],
  ];
  for (const [data, sent] of cases) {
    await onLoop((loop) =>
      withPushed(loop, { data }, async ({ client, connection, closed }) => {
        await client.write(sent);
        await closed();
        t.is((connection.error as NodeJS.ErrnoException).code, 'ERR_IOLOOP_UNSATISFIABLE_READ');
      }),
    );
  }
});

test('a line of exactly maxLength is a line, and an endless one costs no more memory', (t) =>
  onLoop((loop) => {
    const seen: number[] = [];
    const data = lines<unknown>((_, line) => seen.push(line.length), { maxLength: 10 });
    return withPushed(loop, { data }, async ({ client, closed, connection }) => {
      await client.write('1234567890');
      await turns(client);
      await client.write('\n');
      await until(() => seen.length === 1, 'the line');
      t.deepEqual(seen, [10]);
      await client.write(Buffer.alloc(1_000_000, 'x')).catch(() => {});
      await closed();
      t.true(connection.bytesReceived < 300_000);
    });
  }));

test('toStream() and close() between two frames', async (t) => {
  for (const how of ['toStream', 'close', 'end'] as const) {
    await onLoop((loop) => {
      const seen: string[] = [];
      const data = lines<unknown>((c, line) => {
        seen.push(String(line));
        if (seen.length === 2) {
          const stream = c[how]();
          if (stream !== undefined) stream.readUntil('\n').then((rest) => seen.push(`${rest}`));
        }
      });
      return withPushed(loop, { data }, async ({ client, closed }) => {
        await client.write('one\ntwo\nthree\nfour\n');
        if (how === 'toStream') await until(() => seen.length === 3, 'the line of the stream');
        else await closed();
        t.deepEqual(seen, how === 'toStream' ? ['one', 'two', 'three\n'] : ['one', 'two']);
      });
    });
  }
});

test('the function of a frame may fail, or return a promise that does', async (t) => {
  for (const isLate of [true, false]) {
    await onLoop((loop) => {
      const fault = new Error('this frame');
      const seen: string[] = [];
      const data = lines<unknown>((_, line) => {
        seen.push(String(line));
        if (isLate) return Promise.reject(fault);
        throw fault;
      });
      return withPushed(loop, { data }, async ({ client, calls, closed }) => {
        await client.write('one\n');
        await closed();
        t.deepEqual(calls.slice(-1), ['close: this frame']);
        t.deepEqual(
          takeReports(loop).map(({ error }) => error),
          [fault],
        );
        t.deepEqual(seen, ['one']);
      });
    });
  }
});

test('wrong options of framing functions are refused', (t) => {
  const code = { instanceOf: Error };
  const nothing = (): void => {};
  t.like(
    t.throws(() => lines(5 as never)),
    { code: 'ERR_INVALID_ARG_TYPE' },
  );
  t.like(
    t.throws(() => lines(nothing, { delimiter: '' })),
    { code: 'ERR_INVALID_ARG_VALUE' },
  );
  t.like(
    t.throws(() => lines(nothing, { delimiter: 1 as never })),
    { code: 'ERR_INVALID_ARG_TYPE' },
  );
  t.like(
    t.throws(() => lines(nothing, { keepDelimiter: 1 as never })),
    { code: 'ERR_INVALID_ARG_TYPE' },
  );
  t.like(
    t.throws(() => lines(nothing, { maxLength: 0 })),
    { code: 'ERR_OUT_OF_RANGE' },
  );
  t.like(
    t.throws(() => lengthPrefixed(nothing, { bytes: 3 as never })),
    {
      code: 'ERR_INVALID_ARG_VALUE',
    },
  );
  t.like(
    t.throws(() => lengthPrefixed(nothing, { littleEndian: 1 as never })),
    {
      code: 'ERR_INVALID_ARG_TYPE',
    },
  );
  t.like(
    t.throws(() => fixed(0, nothing)),
    { code: 'ERR_OUT_OF_RANGE' },
  );
  t.throws(() => fixed(1, null as never), code);
});
