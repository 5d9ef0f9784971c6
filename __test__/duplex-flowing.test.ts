/** A flowing duplex: chunks are emitted in order, whatever a listener does in the middle of one. */
import test from 'ava';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import type { IOStreamDuplex } from 'ioloop';
import { onLoop } from './helpers/loop.js';
import { localPair } from './helpers/streams.js';

const BYTES = Buffer.from(Array.from({ length: 300_000 }, (_, at) => at % 251));

/** What a listener does with the duplex after its chunk number `count`. */
const ACTS: Readonly<Record<string, (duplex: IOStreamDuplex, count: number) => void>> = {
  nothing: () => {},
  'pause(), and resume() later': (duplex, count) => {
    if (count % 3 !== 0) return;
    duplex.pause();
    void delay(1).then(() => duplex.resume());
  },
  'pause() and resume()': (duplex) => void duplex.pause().resume(),
  'unshift()': (duplex, count) => {
    // It is emitted again, as a chunk of its own.
    if (count === 2) duplex.unshift(Buffer.alloc(0));
  },
  'read(0)': (duplex) => void duplex.read(0),
};

for (const [name, act] of Object.entries(ACTS)) {
  test.serial(`all bytes arrive in order: ${name}`, (t) =>
    onLoop(async (loop) => {
      const [near, far] = localPair(loop);
      const duplex = near.toDuplex();
      const chunks: Buffer[] = [];
      duplex.on('data', (chunk: Buffer) => {
        chunks.push(Buffer.from(chunk));
        act(duplex, chunks.length);
      });
      const ended = once(duplex, 'end');
      for (let at = 0; at < BYTES.length; at += 10_000) {
        await far.write(BYTES.subarray(at, at + 10_000));
      }
      await far.end();
      await ended;
      t.true(Buffer.concat(chunks).equals(BYTES));
      t.is(duplex.bytesRead, BYTES.length);
      duplex.destroy();
    }),
  );
}

test.serial("`await once(duplex, 'data')` in a loop gets every chunk, as of a net.Socket", (t) =>
  onLoop(async (loop) => {
    const [near, far] = localPair(loop);
    const duplex = near.toDuplex();
    const sent = far.write(BYTES);
    const chunks: Buffer[] = [];
    // Between two of these the duplex flows, without a listener.
    while (duplex.bytesRead < BYTES.length) {
      const [chunk] = (await once(duplex, 'data')) as [Buffer];
      chunks.push(chunk);
    }
    t.true(Buffer.concat(chunks).equals(BYTES));
    await sent;
    duplex.destroy();
    far.close();
  }),
);
