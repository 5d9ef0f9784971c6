/** Random messages in random pieces, read by random reads: byte for byte what was sent. */
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import test from 'ava';
import type { IOStream } from 'ioloop';
import { failureOf, turns, withPair } from './helpers/streams.js';

/** A read, and what it gives for what is left of the input: how many bytes it takes. */
interface Step {
  readonly name: string;
  /** The length of the result, `null` when the input is too short for it. */
  expect(rest: string): number | null;
  run(stream: IOStream): Promise<Uint8Array>;
}

const bytes = (count: number): Step => ({
  name: `readBytes(${count})`,
  expect: (rest) => (rest.length >= count ? count : null),
  run: (stream) => stream.readBytes(count),
});

const into = (count: number): Step => ({
  name: `readInto(${count})`,
  expect: (rest) => (rest.length >= count ? count : null),
  run: async (stream) => {
    const memory = Buffer.alloc(count);
    return memory.subarray(0, await stream.readInto(memory));
  },
});

const until = (delimiter: string): Step => ({
  name: `readUntil(${JSON.stringify(delimiter)})`,
  expect: (rest) => {
    const at = rest.indexOf(delimiter);
    return at < 0 ? null : at + delimiter.length;
  },
  run: (stream) => stream.readUntil(delimiter),
});

/** Of patterns whose match cannot grow when more arrives. */
const match = (source: string): Step => ({
  name: `readUntilRegex(/${source}/)`,
  expect: (rest) => {
    const found = new RegExp(source).exec(rest);
    return found === null ? null : found.index + found[0].length;
  },
  run: (stream) => stream.readUntilRegex(new RegExp(source), { maxBytes: 2 ** 24 }),
});

/** More than a test sends. */
const unfillable = Buffer.alloc(2 ** 24);

/** Reads that are given up before anything can satisfy them. */
const givenUp: Step = {
  name: 'given up',
  expect: () => 0,
  run: async (stream) => {
    const controller = new AbortController();
    const { signal } = controller;
    const reading = stream.readInto(unfillable, { signal });
    await turns(stream, 1);
    controller.abort();
    await failureOf(reading);
    return Buffer.alloc(0);
  },
};

const steps = fc.array(
  fc.oneof(
    fc.integer({ min: 0, max: 40 }).map(bytes),
    fc.integer({ min: 15_000, max: 40_000 }).map(bytes),
    fc.integer({ min: 1, max: 30_000 }).map(into),
    fc.constantFrom('a', 'ab', 'aab', 'abab', '\n').map(until),
    fc.constantFrom('a+b', 'b\\n', '[ab]{3}\\n').map(match),
    fc.constant(givenUp),
  ),
  { maxLength: 25, size: 'max' },
);

/** Letters that make delimiters and half of delimiters, and runs longer than a chunk. */
const message = fc.oneof(
  { weight: 10, arbitrary: fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 60 }) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 90_000 }).map((size) => 'ab'.repeat(size)) },
);

const input = fc.record({
  messages: fc.array(message, { maxLength: 12, size: 'max' }),
  /** Where it is cut, as parts of the whole, and whether the loop turns before each piece. */
  cuts: fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean()), {
    maxLength: 12,
    size: 'max',
  }),
  steps,
  readChunkSize: fc.constantFrom(1, 7, 1000, 8192, 65_536),
});

/** What a plain parser makes of the whole: the result of each step, and what is left. */
function parse(whole: string, list: readonly Step[]): { results: string[]; rest: string } {
  const results: string[] = [];
  let rest = whole;
  for (const step of list) {
    const length = step.expect(rest);
    if (length === null) break;
    results.push(rest.slice(0, length));
    rest = rest.slice(length);
  }
  return { results, rest };
}

test('random pieces and random reads give what a plain parser gives', async (t) => {
  let total = 0;
  await fc.assert(
    fc.asyncProperty(input, async ({ messages, cuts, steps: list, readChunkSize }) => {
      const whole = messages.join('');
      // A megabyte byte by byte takes its time and shows no more than a little.
      const chunk = whole.length > 2000 ? Math.max(readChunkSize, 1000) : readChunkSize;
      const { results, rest } = parse(whole, list);
      await withPair(
        async (near, far) => {
          const sending = send(far, whole, cuts);
          for (const [index, expected] of results.entries()) {
            const step = list[index] as Step;
            const result = Buffer.from(await step.run(near)).toString('latin1');
            assert.equal(result, expected, `${index}: ${step.name}`);
          }
          const left = await near.readUntilClose();
          assert.equal(left.toString('latin1'), rest, 'what is left');
          total += whole.length;
          await sending;
        },
        { readChunkSize: chunk },
      );
    }),
    { numRuns: 150 },
  );
  t.true(total > 0);
});

async function send(
  stream: IOStream,
  whole: string,
  cuts: readonly (readonly [number, boolean])[],
): Promise<void> {
  const places = cuts
    .map(([part, pause]) => [Math.floor(part * whole.length), pause] as const)
    .toSorted(([a], [b]) => a - b);
  let start = 0;
  for (const [end, pause] of places) {
    void stream.write(whole.slice(start, end));
    start = end;
    if (pause) await turns(stream, 1);
  }
  void stream.write(whole.slice(start));
  await stream.end();
}
