/** Protocols: however the bytes are cut, and whatever `data` does, they arrive once and in order. */
import * as fc from 'fast-check';
import test from 'ava';
import type { Connection, IOLoop } from 'ioloop';
import { Kept, SMALL_ROOM } from './helpers/borrowed.js';
import { TINY, withCapacities } from './helpers/capacities.js';
import { onLoop } from './helpers/loop.js';
import { KINDS, withKind, type Kind } from './helpers/protocol-kinds.js';
import { noise } from './helpers/pumps.js';
import { turns } from './helpers/streams.js';
import { until } from './helpers/fds.js';

type Any = Connection<unknown>;
/** Chunks of the same room, at most: older ones are detached. */
const FEW = 8;

/** What a call of `data` does besides taking bytes. */
const DEEDS = ['nothing', 'leave', 'pause', 'protocol', 'stream', 'stream later'] as const;
type Chunks = 'owned' | 'borrowed';
type Deed = (typeof DEEDS)[number];

/** A connection that echoes, and does a deed in each call. It survives in other objects. */
class Echo {
  readonly kept = new Kept();
  /** Whether chunks had their bytes, or were empty where they are borrowed, at each call. */
  isIntact = true;
  ends = 0;
  errors: unknown[] = [];
  readonly #deeds: readonly Deed[];
  readonly #chunks: Chunks;
  #calls = 0;
  /** The connection as it is now. */
  #current: Any | null = null;

  constructor(deeds: readonly Deed[], chunks: Chunks) {
    this.#deeds = deeds;
    this.#chunks = chunks;
  }

  get functions() {
    return {
      chunks: this.#chunks,
      data: (c: Any, chunk: Buffer): void => this.#data(c, chunk),
      end: (): void => void (this.ends += 1),
      close: (_: Any, error: Error | null): void => void this.errors.push(error),
    };
  }

  #data(c: Any, chunk: Buffer): void {
    this.#current = c;
    this.#calls += 1;
    const deed = this.#deeds[this.#calls % this.#deeds.length];
    // The rest comes again when there is more, or now, to another object.
    const left = deed === 'nothing' || deed === 'pause' ? 0 : chunk.length >> 1;
    c.unread(left);
    const taken = chunk.subarray(0, chunk.length - left);
    this.kept.keep(taken);
    c.write(taken);
    this.check(FEW);
    if (deed === 'pause') pauseFor(c.loop, c);
    // There may be no more.
    if (deed === 'leave') c.loop.addCallback(() => void (c.protocol = this.functions));
    if (deed === 'protocol') c.protocol = this.functions;
    if (deed === 'stream') c.toStream().setProtocol(this.functions);
    if (deed === 'stream later') {
      const stream = c.toStream();
      c.loop.addCallback(() => stream.closed || stream.setProtocol(this.functions));
    }
  }

  /** Looks at the last chunks, by default at all, whatever was received meanwhile. */
  check(last?: number): void {
    const isDetached = this.kept.detached(last) > 0 && this.#chunks === 'owned';
    if (this.kept.overwritten(last) > 0 || isDetached) this.isIntact = false;
  }

  close(): void {
    this.#current?.close();
  }
}

function pauseFor(loop: IOLoop, c: Any): void {
  c.pause();
  loop.addCallback(() => {
    c.resume();
  });
}

const pieces = (largest: number): fc.Arbitrary<[number, number][]> =>
  fc.array(fc.tuple(fc.integer({ min: 1, max: largest }), fc.nat(2)), {
    minLength: 1,
    maxLength: 8,
  });

const deeds = fc.array(fc.constantFrom(...DEEDS), { minLength: 1, maxLength: 5 });

async function echoes(
  kind: Kind,
  writes: readonly (readonly [number, number])[],
  done: readonly Deed[],
  chunks: Chunks,
): Promise<boolean> {
  const echo = new Echo(done, chunks);
  const sent = noise(writes.reduce((sum, [count]) => sum + count, 0));
  return onLoop((loop) =>
    withKind(loop, kind, echo.functions, async ({ peer }) => {
      const reading = peer.readBytes(sent.length);
      let at = 0;
      for (const [count, pause] of writes) {
        await peer.write(sent.subarray(at, at + count));
        at += count;
        await turns(peer, pause);
      }
      const back = await reading;
      await peer.shutdownWrite();
      const rest = await peer.readUntilClose();
      await until(() => echo.errors.length > 0, 'the close');
      echo.check();
      return (
        back.equals(sent) &&
        rest.length === 0 &&
        echo.isIntact &&
        echo.kept.bytes.equals(sent) &&
        echo.ends === 1 &&
        echo.errors.length === 1 &&
        echo.errors[0] === null
      );
    }).finally(() => {
      echo.close();
    }),
  );
}

for (const [amounts, largest, capacities, chunks] of [
  ['usual capacities', 100_000, {}, 'owned'],
  ['boundaries everywhere', 300, TINY, 'owned'],
  ['borrowed chunks', 100_000, SMALL_ROOM, 'borrowed'],
] as const) {
  for (const [name, kind] of Object.entries<Kind>(KINDS)) {
    test.serial(
      `${amounts}, ${name}: an echo is whole, then EOF, whatever data() does`,
      async (t) => {
        const property = fc.asyncProperty(pieces(largest), deeds, (writes, done) =>
          echoes(kind, writes, done, chunks),
        );
        await withCapacities(capacities, () => fc.assert(property, { numRuns: 12 }));
        t.pass();
      },
    );
  }
}
