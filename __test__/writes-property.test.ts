/** Several streams write at random: each peer receives a prefix, and every promise settles. */
import { checkCrossings, crossingsOf } from './helpers/crossings.js';
import assert from 'node:assert/strict';
import * as fc from 'fast-check';
import test from 'ava';
import { IOStream, Socket } from 'ioloop';
import { USUAL, withCapacities } from './helpers/capacities.js';
import { closeAll, tcpPair } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { turns } from './helpers/streams.js';

/** What happens to one stream, or to the loop. */
type Step =
  | { readonly what: 'write'; readonly at: number; readonly sizes: readonly number[] }
  | { readonly what: 'close' | 'closeSocket' | 'reset' | 'read' | 'end'; readonly at: number }
  | { readonly what: 'turn' };

const STREAMS = 4;
const at = fc.nat(STREAMS - 1);
const size = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 40 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1000, max: 30_000 }) },
);
const steps = fc.array(
  fc.oneof(
    {
      weight: 12,
      arbitrary: fc.record({
        what: fc.constant('write' as const),
        at,
        sizes: fc.array(size, { minLength: 1, maxLength: 3 }),
      }),
    },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('turn' as const) }) },
    { weight: 3, arbitrary: fc.record({ what: fc.constant('read' as const), at }) },
    {
      weight: 1,
      arbitrary: fc.record({
        what: fc.constantFrom(
          'close' as const,
          'closeSocket' as const,
          'reset' as const,
          'end' as const,
        ),
        at,
      }),
    },
  ),
  { maxLength: 80, size: 'max' },
);

/** One stream: what it has written, what has come, and the promises of its writes. */
class Line {
  readonly stream: IOStream;
  readonly promises: Promise<boolean>[] = [];
  written = Buffer.alloc(0);
  received = Buffer.alloc(0);
  isReset = false;
  readonly #name: number;
  readonly #peer: Socket;

  constructor(name: number, stream: IOStream, peer: Socket) {
    this.#name = name;
    this.stream = stream;
    this.#peer = peer;
  }

  write(sizes: readonly number[]): void {
    const pieces = sizes.map((length) => {
      const piece = Buffer.alloc(length);
      // Each byte says whose it is, and where it belongs.
      for (let index = 0; index < length; index += 1) piece[index] = 64 * this.#name + (index % 61);
      return piece;
    });
    const open = !this.stream.closed;
    const data = pieces.length === 1 ? (pieces[0] as Buffer) : pieces;
    this.promises.push(
      this.stream.write(data).then(
        () => true,
        () => false,
      ),
    );
    if (open) this.written = Buffer.concat([this.written, ...pieces]);
    // Small pieces were copied.
    for (const piece of pieces) if (piece.length <= 16) piece.fill(0xff);
  }

  reset(): void {
    this.isReset = true;
    this.#peer.setOption('linger', 0);
    this.#peer.close();
  }

  read(): void {
    if (this.isReset) return;
    for (let bytes = this.#recv(); bytes !== null && bytes.length > 0; bytes = this.#recv()) {
      this.received = Buffer.concat([this.received, bytes]);
    }
  }

  check(): void {
    const { length } = this.received;
    assert.ok(length <= this.written.length, `${this.#name}: more than was written`);
    assert.ok(this.received.equals(this.written.subarray(0, length)), `${this.#name}: no prefix`);
  }

  close(): void {
    this.stream.close();
    if (!this.isReset) closeAll(this.#peer);
  }

  #recv(): Buffer | null {
    try {
      return this.#peer.recv(65_536);
    } catch {
      return null;
    }
  }
}

async function run(list: readonly Step[], over: 'unix' | 'tcp'): Promise<void> {
  await onLoop(async (loop) => {
    const lines: Line[] = [];
    for (let name = 0; name < STREAMS; name += 1) {
      const [mine, peer] = over === 'tcp' ? await tcpPair() : Socket.pair();
      mine.setOption('sendBuffer', 4096);
      lines.push(new Line(name, new IOStream(mine, { loop, allowHalfOpen: true }), peer));
    }
    for (const step of list) {
      if (step.what === 'turn') {
        await turns(lines[0]?.stream as IOStream, 1);
        continue;
      }
      const line = lines[step.at] as Line;
      if (step.what === 'write') line.write(step.sizes);
      else if (step.what === 'close') line.stream.close();
      else if (step.what === 'closeSocket') line.stream.socket?.close();
      else if (step.what === 'reset' && !line.isReset) line.reset();
      else if (step.what === 'end')
        line.promises.push(
          line.stream.end().then(
            () => true,
            () => false,
          ),
        );
      else line.read();
    }
    // Everybody reads now: what was accepted arrives, or its stream is closed.
    const pending = new Set(lines);
    for (const line of lines) void Promise.all(line.promises).then(() => pending.delete(line));
    for (let round = 0; pending.size > 0; round += 1) {
      assert.ok(round < 5000, 'a promise is not settled');
      for (const line of lines) line.read();
      await turns(lines[0]?.stream as IOStream, 1);
    }
    for (const line of lines) {
      line.read();
      line.check();
      line.close();
    }
  });
}

const CAPACITIES = [
  ['usual', USUAL],
  ['tiny', { sendRecords: 1, sendBytes: 1024, sendBudget: 64 }],
  ['tiny', { sendRecords: 3, sendBytes: 1024, sendBudget: 64 }],
] as const;

for (const over of ['unix', 'tcp'] as const) {
  for (const [room, capacities] of CAPACITIES) {
    test.serial(
      `random writes, closes, resets and stalls of four ${over} streams, ${capacities.sendRecords} records`,
      async (t) => {
        const property = fc.asyncProperty(steps, (list) =>
          withCapacities(capacities, () => run(list, over)),
        );
        const crossed = await crossingsOf(() => fc.assert(property, { numRuns: 40 }));
        checkCrossings(t, room, crossed, ['records']);
      },
    );
  }
}
