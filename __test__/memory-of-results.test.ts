/**
 * What `postMessage()` and `structuredClone()` copy with a result: all of its memory, so
 * nothing may lie there but zeros and what sockets have received.
 */
import test, { type ExecutionContext } from 'ava';
import { Socket } from 'ioloop';
import { collectGarbage } from './helpers/loop.js';
import { turns, withPair } from './helpers/streams.js';

/** What the memory of the process is full of. */
const SOIL = 0xa5;
/** What the sockets receive. */
const RECEIVED = 'r'.charCodeAt(0);

function isSoiled(bytes: Uint8Array): boolean {
  return bytes.includes(SOIL);
}

/** Frees memory with a secret in it. The next allocations are given it, as the control shows. */
async function soil(t: ExecutionContext): Promise<void> {
  for (let round = 0; round < 50; round += 1) {
    // Of several sizes: above its threshold malloc(3) maps fresh memory, and a free raises that.
    for (const size of [1 << 20, 1 << 18, 1 << 17]) {
      for (let count = 0; count < 16; count += 1) Buffer.allocUnsafeSlow(size).fill(SOIL);
    }
    collectGarbage();
    await new Promise((resolve) => setImmediate(resolve));
    if (isSoiled(Buffer.allocUnsafeSlow(1 << 17))) return;
  }
  t.fail('no freed memory is given out again');
}

function assertClean(t: ExecutionContext, result: Buffer, of: string): void {
  const memory = new Uint8Array(result.buffer);
  const strange = memory.findIndex((byte) => byte !== 0 && byte !== RECEIVED);
  t.is(strange, -1, `${of}: byte ${memory[strange]} at ${strange} of ${memory.length}`);
}

test.serial(
  'the memory of results of recv(), large and small, holds nothing of the heap',
  async (t) => {
    const [mine, peer] = Socket.pair();
    for (const size of [65_536, 65_536, 65_536, 65_536, 100, 200_000]) {
      await soil(t);
      peer.send(Buffer.alloc(Math.min(size, 40_000), RECEIVED));
      const result = mine.recv(size) as Buffer;
      t.true(result.length > 0);
      assertClean(t, result, `recv(${size})`);
    }
    mine.close();
    peer.close();
  },
);

test.serial('the memory of results of stream reads holds nothing of the heap', (t) =>
  withPair(async (near, far) => {
    for (const size of [1, 5000, 15_000, 60_000, 200_000]) {
      await soil(t);
      // Pieces that are joined: each makes room for the next.
      const reading = near.peek(size);
      for (let sent = 0; sent < size; sent += 5000) {
        await far.write(Buffer.alloc(Math.min(5000, size - sent), RECEIVED));
        await turns(near, 2);
      }
      assertClean(t, await reading, `peek(${size})`);
      await soil(t);
      const before = await near.readBytes(size, { partial: true });
      assertClean(t, before, `readBytes(${size}), partial`);
      if (before.length < size) await near.readBytes(size - before.length);
      await soil(t);
      const waiting = near.readBytes(size);
      await far.write(Buffer.alloc(size, RECEIVED));
      assertClean(t, await waiting, `readBytes(${size})`);
    }
  }),
);

test.serial('what a read that was given up had taken comes back without the heap', (t) =>
  withPair(async (near, far) => {
    const abort = new AbortController();
    await soil(t);
    const reading = near.readBytes(50_000, { signal: abort.signal });
    await far.write(Buffer.alloc(20_000, RECEIVED));
    await turns(near);
    abort.abort(new Error('enough'));
    await t.throwsAsync(reading, { message: 'enough' });
    await soil(t);
    await far.write(Buffer.alloc(100, RECEIVED));
    await turns(near);
    const result = await near.readBytes(10_000);
    assertClean(t, result, 'readBytes() of what came back');
    assertClean(t, await near.readBytes(10_100), 'the rest');
  }),
);

test.serial('memory with unread bytes behind a result is not transferred', (t) =>
  withPair(async (near, far) => {
    const line = Buffer.alloc(150_000, 'l').fill('\n', 149_999);
    const rest = Buffer.alloc(100_000, 'r');
    const written = near.write([line, rest]);
    const result = await far.readUntil('\n');
    t.true(far.readBufferSize > 0, 'its memory has a part of the rest');
    try {
      structuredClone(result.buffer, { transfer: [result.buffer as ArrayBuffer] });
      // Node 20 copies it.
    } catch {
      // Later ones refuse it.
    }
    t.true(result.equals(line));
    t.true((await far.readBytes(rest.length)).equals(rest));
    await written;
  }),
);

test.serial('a chunk that is transferred, and partly unread: the connection is closed', (t) =>
  withPair(async (near, far) => {
    const written = near.write(Buffer.alloc(1_000_000)).catch(() => {});
    const error = await new Promise<Error | null>((resolve) => {
      far.setProtocol({
        data(connection, { buffer, length }) {
          // Not one that it shares with others, which cannot be transferred.
          if (buffer.byteLength > length) return;
          structuredClone(buffer, { transfer: [buffer as ArrayBuffer] });
          connection.unread(10);
        },
        close: (_, reason) => void resolve(reason),
      });
    });
    t.is((error as NodeJS.ErrnoException | null)?.code, 'ERR_IOLOOP_BUFFER_DETACHED');
    await written;
  }),
);
