/** `streamingCallback`: however the bytes are cut, they arrive once and in order, between other reads. */
import * as fc from 'fast-check';
import test from 'ava';
import type { IOStream } from 'ioloop';
import { TINY, withCapacities } from './helpers/capacities.js';
import { onLoop } from './helpers/loop.js';
import { noise } from './helpers/pumps.js';
import { STREAM_KINDS, withStreamKind, type StreamKind } from './helpers/stream-kinds.js';
import { turns } from './helpers/streams.js';

/** What a callback does besides taking its chunk. */
const DEEDS = ['nothing', 'promise', 'later', 'send'] as const;
type Deed = (typeof DEEDS)[number];

/** A read of so many bytes: in chunks, in one piece, or a look at the first byte. */
type Step = readonly [how: 'stream' | 'copy' | 'whole' | 'peek', count: number];

/** Takes everything up to EOF by reads of these kinds, and then by one until EOF. */
class Taker {
  readonly taken: Buffer[] = [];
  readonly #stream: IOStream;
  readonly #deeds: readonly Deed[];
  readonly #largest: number;
  #calls = 0;
  #running = 0;

  constructor(stream: IOStream, deeds: readonly Deed[], largest: number) {
    this.#stream = stream;
    this.#deeds = deeds;
    this.#largest = largest;
  }

  async run(steps: readonly Step[], total: number): Promise<void> {
    const stream = this.#stream;
    let left = total;
    for (const [how, count] of steps) {
      const most = Math.min(count, left);
      if (how === 'peek') {
        if (left > 0) await stream.peek(1);
        continue;
      }
      left -= most;
      if (how === 'whole') this.taken.push(await stream.readBytes(most));
      else await stream.readBytes(most, { streamingCallback: this.#take, copy: how === 'copy' });
    }
    const rest = await stream.readUntilClose({ streamingCallback: this.#take });
    if (rest.length > 0) throw new Error('the result has bytes');
  }

  readonly #take = (chunk: Buffer): unknown => {
    if (chunk.length === 0 || chunk.length > this.#largest) throw new Error(`${chunk.length}`);
    if (this.#running > 0) throw new Error('called within a call');
    this.taken.push(chunk);
    this.#calls += 1;
    const deed = this.#deeds[this.#calls % this.#deeds.length];
    if (deed === 'send') this.#stream.send('.');
    return deed === 'promise' || deed === 'later' ? this.#wait(deed === 'later') : undefined;
  };

  async #wait(isLater: boolean): Promise<void> {
    this.#running += 1;
    if (isLater) await turns(this.#stream, 1);
    else await Promise.resolve();
    this.#running -= 1;
  }
}

const pieces = (largest: number): fc.Arbitrary<[number, number][]> =>
  fc.array(fc.tuple(fc.integer({ min: 1, max: largest }), fc.nat(2)), {
    minLength: 1,
    maxLength: 8,
  });

const steps = (largest: number): fc.Arbitrary<Step[]> =>
  fc.array(
    fc.tuple(fc.constantFrom('stream', 'copy', 'whole', 'peek'), fc.nat({ max: 2 * largest })),
    { maxLength: 6 },
  );

const deeds = fc.array(fc.constantFrom(...DEEDS), { minLength: 1, maxLength: 4 });

async function arrives(
  kind: StreamKind,
  writes: readonly (readonly [number, number])[],
  reads: readonly Step[],
  done: readonly Deed[],
  readChunkSize: number,
): Promise<boolean> {
  const sent = noise(writes.reduce((sum, [count]) => sum + count, 0));
  return onLoop((loop) =>
    withStreamKind(
      loop,
      kind,
      async ({ stream, peer }) => {
        const taker = new Taker(stream, done, readChunkSize);
        const taking = taker.run(reads, sent.length);
        let at = 0;
        for (const [count, pause] of writes) {
          await peer.write(sent.subarray(at, at + count));
          at += count;
          await turns(peer, pause);
        }
        await peer.shutdownWrite();
        await taking;
        return Buffer.concat(taker.taken).equals(sent);
      },
      { readChunkSize, allowHalfOpen: true },
    ),
  );
}

for (const [amounts, largest, capacities] of [
  ['usual capacities', 100_000, {}],
  ['boundaries everywhere', 300, TINY],
] as const) {
  for (const [name, kind] of Object.entries<StreamKind>(STREAM_KINDS)) {
    test.serial(
      `${amounts}, ${name}: streaming reads give each byte once, in order, between other reads`,
      async (t) => {
        const property = fc.asyncProperty(
          pieces(largest),
          steps(largest),
          deeds,
          fc.constantFrom(7, 1000, 65_536),
          (writes, reads, done, size) =>
            arrives(kind, writes, reads, done, largest > 1000 ? Math.max(size, 1000) : size),
        );
        await withCapacities(capacities, () => fc.assert(property, { numRuns: 12 }));
        t.pass();
      },
    );
  }
}
