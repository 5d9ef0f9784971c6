/**
 * Streams at the usual capacities and at capacities of 1 to 4: however the bytes are cut, whatever
 * reads them, whenever a read is given up, the results are the bytes that were sent, each once, each
 * on its stream.
 */
import { checkCrossings, crossingsOf } from './helpers/crossings.js';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import test from 'ava';
import { USUAL, withCapacities } from './helpers/capacities.js';
import { withFakeTime, type FakeClock } from './helpers/loop.js';
import { turns } from './helpers/streams.js';
import { Line, type Limits } from './stream-model/line.js';
import { openLink, type Over } from './stream-model/link.js';
import * as reads from './stream-model/reads.js';

const few = fc.integer({ min: 1, max: 4 });
const tiny = fc.record({
  submissions: few,
  timers: few,
  events: few,
  receiveBytes: few,
  receiveBlock: few,
  sendRecords: few,
  // Some hold several pieces: then the records are what runs out.
  sendBytes: fc.oneof(few, fc.constant(64)),
  readBudget: few,
  sendBudget: few,
});

const LINES = 3;
const at = fc.nat(LINES - 1);
const size = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 1, max: 12 }) },
  { weight: 3, arbitrary: fc.integer({ min: 13, max: 300 }) },
);
const anyMaxBytes = fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constant(100_000));

const anyRead: fc.Arbitrary<reads.Read> = fc.oneof(
  { weight: 4, arbitrary: fc.oneof(fc.constant(0), size).map(reads.exact) },
  { weight: 3, arbitrary: size.map(reads.partial) },
  { weight: 4, arbitrary: fc.tuple(size, fc.boolean()).map((args) => reads.into(...args)) },
  // Above 16 KiB a read has memory of its own.
  { weight: 1, arbitrary: fc.integer({ min: 16_384, max: 16_500 }).map(reads.exact) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom('\n', 'a', 'ab', 'aab', 'abab'), anyMaxBytes)
      .map((args) => reads.until(...args)),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('a+b', 'b\\n', '[ab]{3}\\n', '\\n'), anyMaxBytes)
      .map((args) => reads.regex(...args)),
  },
  { weight: 2, arbitrary: size.map(reads.peek) },
  { weight: 2, arbitrary: fc.constant(reads.chunk) },
  { weight: 1, arbitrary: fc.constant(reads.untilClose) },
);

const anyLimits: fc.Arbitrary<Limits> = fc.record({
  timeout: fc.option(fc.constantFrom(0, 1, 3), { freq: 3 }),
  hasSignal: fc.boolean(),
});

type Step =
  | { readonly what: 'send'; readonly at: number; readonly count: number }
  | { readonly what: 'read'; readonly at: number; readonly read: reads.Read; readonly by: Limits }
  | { readonly what: 'write'; readonly at: number; readonly sizes: readonly number[] }
  | { readonly what: 'abort' | 'receive' | 'settle' | 'end' | 'close'; readonly at: number }
  | { readonly what: 'turn' | 'advance' };

const what = <T extends string>(...names: T[]): fc.Arbitrary<T> => fc.constantFrom(...names);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 20, arbitrary: fc.record({ what: what('send'), at, count: size }) },
  { weight: 24, arbitrary: fc.record({ what: what('read'), at, read: anyRead, by: anyLimits }) },
  {
    weight: 10,
    arbitrary: fc.record({
      what: what('write'),
      at,
      sizes: fc.array(size, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 20, arbitrary: fc.record({ what: what('turn') }) },
  { weight: 6, arbitrary: fc.record({ what: what('advance') }) },
  { weight: 12, arbitrary: fc.record({ what: what('abort', 'receive', 'settle'), at }) },
  { weight: 1, arbitrary: fc.record({ what: what('end', 'close'), at }) },
);

const scenario = fc.record({
  options: fc.record({
    readChunkSize: fc.constantFrom(1, 3, 100, 65_536),
    allowHalfOpen: fc.boolean(),
  }),
  /** How long what each peer sends is, in all. */
  length: fc.oneof(
    { weight: 8, arbitrary: fc.nat(600) },
    { weight: 1, arbitrary: fc.constant(20_000) },
  ),
  seed: fc.nat(),
  steps: fc.array(step, { maxLength: 80, size: 'max' }),
});

type Scenario = typeof scenario extends fc.Arbitrary<infer T> ? T : never;

/** Letters of delimiters, and others: a swap of two is seen. */
function contentOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let x = seed * 2 + 1;
  for (let place = 0; place < length; place += 1) {
    x = (Math.imul(x, 1_664_525) + 1_013_904_223) >>> 0;
    const draw = x >>> 24;
    bytes[place] = draw < 128 ? (LETTERS[draw % 3] as number) : 0x40 + (draw % 64);
  }
  return bytes;
}

const LETTERS = Buffer.from('ab\n');

async function run(over: Over, { options, length, seed, steps }: Scenario): Promise<void> {
  await withFakeTime((loop, clock) =>
    loop.runSync(async () => {
      const lines: Line[] = [];
      for (let index = 0; index < LINES; index += 1) {
        const link = await openLink(over, loop, options);
        const content = contentOf(length, seed + index);
        lines.push(new Line(`${over} ${index}`, link, content, clock.time));
      }
      for (const next of steps) {
        await perform(next, lines, clock);
        for (const line of lines) line.rethrow();
      }
      for (const line of lines) await drain(line);
      for (const line of lines) {
        line.finish();
        longest = Math.max(longest, line.longestResult);
      }
      assert.ok(!reads.takeWatched(), 'the memory of a read that is over was written to');
    }),
  );
}

async function perform(next: Step, lines: readonly Line[], clock: FakeClock): Promise<void> {
  if (!('at' in next)) {
    if (next.what === 'advance') clock.advance(1);
    await turns(lines[0]?.stream as Line['stream'], 1);
    await microtasks();
    return;
  }
  const line = lines[next.at] as Line;
  if (next.what === 'send') line.send(next.count);
  else if (next.what === 'read') line.read(next.read, next.by);
  else if (next.what === 'write') line.write(next.sizes);
  else if (next.what === 'settle') await until(line, () => !line.isDue);
  else line[next.what]();
  await microtasks();
}

/** Both ends of a line take what is left. */
async function drain(line: Line): Promise<void> {
  line.endWriting();
  await until(line, () => {
    line.receive();
    if (!line.isSent) line.sendRest();
    if (!line.isWaiting && !line.isComplete) line.read(reads.untilClose, NO_LIMITS);
    return line.isSent && line.isComplete;
  });
}

/** Turns, with a bound: what never comes is lost. */
async function until(line: Line, condition: () => boolean): Promise<void> {
  const end = performance.now() + TIMEOUT_MS;
  for (;;) {
    await microtasks();
    line.rethrow();
    if (condition()) return;
    assert.ok(performance.now() < end, `it stands still. ${line.describe()}`);
    await turns(line.stream, 1);
  }
}

/** What is settled has been seen to be: an iteration takes a few. */
async function microtasks(): Promise<void> {
  for (let count = 0; count < 12; count += 1) await Promise.resolve();
}

const NO_LIMITS: Limits = { timeout: null, hasSignal: false };
const TIMEOUT_MS = 5000;

for (const over of ['tcp', 'unix', 'pipe'] as const) {
  for (const [room, capacities, numRuns] of [
    ['usual', fc.constant(USUAL), 50],
    ['tiny', tiny, 150],
  ] as const) {
    const fact = 'the results of any reads are what was sent, in order, once';
    // One after the other: the capacities are the process's.
    test.serial(`${over}, ${room} capacities: ${fact}`, async (t) => {
      const property = fc.asyncProperty(scenario, capacities, (found, capacity) =>
        withCapacities(capacity, () => run(over, found)),
      );
      longest = 0;
      const crossed = await crossingsOf(() =>
        fc.assert(property, { numRuns, includeErrorInReport: true }),
      );
      checkCrossings(t, room, crossed, ['completions', 'records']);
      // More than any turn receives, any block holds and any budget lets through, of the tiny ones.
      t.true(longest > 4, `a read of ${longest} bytes`);
    });
  }
}

/** Bytes of the longest result of a read. */
let longest = 0;
