/** A peer that sends faster than a program reads does not keep the loop from turning. */
import { Writable } from 'node:stream';
import test from 'ava';
import type { IOStream } from 'ioloop';
import { USUAL, withCapacities } from './helpers/capacities.js';
import { onLoop } from './helpers/loop.js';
import { STREAM_KINDS, withStreamKind } from './helpers/stream-kinds.js';
import { turns } from './helpers/streams.js';

const MIB = 1024 * 1024;
const TOTAL = 32 * MIB;

/** Ways to read everything, in the microtasks of the reads. */
const READERS: Readonly<
  Record<string, (stream: IOStream, note: (count: number) => void) => unknown>
> = {
  async 'for await'(stream, note) {
    for await (const chunk of stream) note(chunk.length);
  },
  async 'chunks() with a limit'(stream, note) {
    for await (const chunk of stream.chunks({ timeout: 60 })) note(chunk.length);
  },
  async 'readBytes()'(stream, note) {
    for (let left = TOTAL; left > 0; left -= 32_768) note((await stream.readBytes(32_768)).length);
  },
  async 'readInto()'(stream, note) {
    const memory = Buffer.alloc(32_768);
    for (let left = TOTAL; left > 0; left -= memory.length) note(await stream.readInto(memory));
  },
  async streamingCallback(stream, note) {
    await stream.readUntilClose({ streamingCallback: (chunk) => note(chunk.length) });
  },
  'toDuplex()'(stream, note) {
    return new Promise((resolve, reject) => {
      const write = (chunk: Buffer, _: string, done: () => void): void => {
        note(chunk.length);
        done();
      };
      stream.toDuplex().pipe(new Writable({ write }).on('finish', resolve).on('error', reject));
    });
  },
};

for (const name of ['TCP', 'TLS'] as const) {
  for (const [how, read] of Object.entries(READERS)) {
    test.serial(`${name}: ${how} lets the loop turn while a peer floods`, (t) =>
      withCapacities(USUAL, () =>
        onLoop((loop) =>
          withStreamKind(loop, STREAM_KINDS[name], async ({ stream, peer }) => {
            let got = 0;
            let most = 0;
            let before = 0;
            const look = (): void => {
              most = Math.max(most, got - before);
              before = got;
              if (got < TOTAL) loop.addCallback(look);
            };
            // The kernel is full of bytes before the first read.
            const sent = peer.write(Buffer.alloc(TOTAL)).then(() => peer.end());
            await turns(peer, 20);
            loop.addCallback(look);
            await read(stream, (count) => {
              got += count;
            });
            await sent;
            t.is(got, TOTAL);
            // A turn reads 256 KiB, a little more with what it has received before.
            t.true(most <= MIB, `${most} bytes without a turn`);
          }),
        ),
      ),
    );
  }
}
