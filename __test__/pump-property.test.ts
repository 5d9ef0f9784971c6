/** `pump()`: in any chunks, with stalls, ends and resets, the bytes are those that were sent. */
import * as fc from 'fast-check';
import test from 'ava';
import { IOStream, SSLIOStream, type IOLoop, type PumpCounts } from 'ioloop';
import { TINY, withCapacities } from './helpers/capacities.js';
import { reset } from './helpers/net.js';
import { CONNECTIONS, noise, pumped, withProxied, type Connect } from './helpers/pumps.js';
import { serialOwnSockets } from './helpers/sockets-of.js';
import { turns } from './helpers/streams.js';

const memory: Connect = (loop: IOLoop) =>
  Promise.resolve(IOStream.pair({ loop, allowHalfOpen: true }));

const KINDS: Readonly<Record<string, Connect>> = { ...CONNECTIONS, memory };

/** The kinds whose failure is seen as one by the other side: Unix sockets have no reset. */
const FAILS: ReadonlySet<string> = new Set(['tcp', 'tls']);

/** What one side sends, and how it reads. */
interface Side {
  /** Pieces that are written, and turns to wait after each. */
  readonly writes: readonly (readonly [number, number])[];
  /** Bytes of each read, and turns to wait before it. */
  readonly reads: readonly (readonly [number, number])[];
}

function side(largest: number): fc.Arbitrary<Side> {
  const size = fc.integer({ min: 1, max: largest });
  return fc.record({
    writes: fc.array(fc.tuple(size, fc.nat(2)), { maxLength: 6 }),
    // Reads of single bytes would take their time.
    reads: fc.array(fc.tuple(fc.integer({ min: largest / 10, max: largest }), fc.nat(3)), {
      minLength: 1,
    }),
  });
}

/** The bytes that a side has got, and how they ended: `EOF`, or an error's name. */
interface Got {
  readonly bytes: Buffer;
  readonly end: 'EOF' | 'failed';
}

async function write(stream: IOStream, { writes }: Side, bytes: Buffer): Promise<void> {
  let at = 0;
  for (const [count, pause] of writes) {
    await stream.write(bytes.subarray(at, at + count));
    at += count;
    await turns(stream, pause);
  }
}

async function read(stream: IOStream, { reads }: Side): Promise<Got> {
  const chunks: Buffer[] = [];
  for (let n = 0; ; n += 1) {
    const [count, pause] = reads[n % reads.length] as readonly [number, number];
    await turns(stream, pause);
    try {
      chunks.push(await stream.readBytes(count, { partial: true }));
    } catch {
      const end = stream.ended && stream.error === null ? 'EOF' : 'failed';
      return { bytes: Buffer.concat(chunks), end };
    }
  }
}

function total({ writes }: Side): number {
  return writes.reduce((sum, [count]) => sum + count, 0);
}

function cut(stream: IOStream): void {
  if (!(stream instanceof SSLIOStream)) reset(stream);
  else {
    stream.socket?.setOption('linger', 0);
    stream.socket?.close();
  }
}

/** Two whole directions, each ended by its sender. */
async function whole(left: string, right: string, client: Side, server: Side): Promise<boolean> {
  return withProxied(
    async (proxied) => {
      const there = noise(total(client));
      const back = noise(total(server));
      const running = pumped(proxied);
      const ends = [
        write(proxied.client, client, there).then(() => proxied.client.shutdownWrite()),
        write(proxied.server, server, back).then(() => proxied.server.shutdownWrite()),
      ];
      const [atServer, atClient] = await Promise.all([
        read(proxied.server, server),
        read(proxied.client, client),
      ]);
      await Promise.all(ends);
      const counts = await running;
      return (
        atServer.bytes.equals(there) &&
        atClient.bytes.equals(back) &&
        atServer.end === 'EOF' &&
        atClient.end === 'EOF' &&
        counts.forward === there.length &&
        counts.back === back.length &&
        proxied.near.closed &&
        proxied.far.closed
      );
    },
    [KINDS[left] as Connect, KINDS[right] as Connect],
  );
}

/** One side is reset after its writes and some reads: the other never takes a part for the whole. */
async function broken(left: string, right: string, client: Side, server: Side): Promise<boolean> {
  return withProxied(
    async (proxied) => {
      const there = noise(total(client) + 1);
      const counts: PumpCounts = { forward: 0, back: 0 };
      const running = pumped(proxied, { counts }).then(
        () => 'ended',
        () => 'failed',
      );
      const reading = read(proxied.server, server);
      // These bytes are not read.
      const back = write(proxied.server, server, noise(total(server))).catch(() => {});
      await write(proxied.client, client, there);
      cut(proxied.client);
      const got = await reading;
      // An end is carried over as one, and the other direction goes on.
      proxied.server.close();
      const end = await running;
      await back;
      return (
        got.bytes.equals(there.subarray(0, got.bytes.length)) &&
        counts.forward <= there.length &&
        (end === 'failed' || !FAILS.has(left)) &&
        (got.end === 'failed' || !(FAILS.has(left) && FAILS.has(right))) &&
        proxied.near.closed &&
        proxied.far.closed
      );
    },
    [KINDS[left] as Connect, KINDS[right] as Connect],
  );
}

const kind = fc.constantFrom(...Object.keys(KINDS));

for (const [amounts, largest, capacities] of [
  ['megabytes', 300_000, {}],
  ['flows', 300_000, { flow: 1, spliceShare: 4096, spliceBudget: 8192 }],
  ['boundaries everywhere', 1_500, TINY],
] as const) {
  test.serial(`${amounts}: both directions arrive whole, then EOF`, async (t) => {
    const property = fc.asyncProperty(kind, kind, side(largest), side(largest), whole);
    await withCapacities(capacities, () => fc.assert(property, { numRuns: 20 }));
    t.pass();
  });

  // Node's reader may find EOF in place of a reset: libuv, after a partial read with a hang-up.
  serialOwnSockets(`${amounts}: a reset is never a clean end of the other side`, async (t) => {
    const property = fc.asyncProperty(kind, kind, side(largest), side(largest), broken);
    await withCapacities(capacities, () => fc.assert(property, { numRuns: 20 }));
    t.pass();
  });
}
