/** What reads copy, keep and receive ahead. */
import test from 'ava';
import { USUAL, withCapacities } from './helpers/capacities.js';
import { serialOwnSockets } from './helpers/sockets-of.js';
import { failureOf, turns, withPair } from './helpers/streams.js';

serialOwnSockets('readBytes: a large one comes in one piece of memory', (t) =>
  withCapacities(USUAL, () =>
    withPair(async (near, far) => {
      const sent = Buffer.alloc(3_000_000, 'a large message');
      void far.write(['begin ', sent, ' end']);
      t.is((await near.readBytes(6)).toString(), 'begin ');
      const received = await near.readBytes(sent.length);
      t.true(received.equals(sent));
      t.true(received.buffer.byteLength < 1.1 * sent.length);
      t.is((await near.readBytes(4)).toString(), ' end');
    }),
  ),
);

test('a hundred thousand reads of a byte from one large buffer copy nothing', (t) =>
  withPair(async (near, far) => {
    const count = 100_000;
    const sent = Buffer.from(Array.from({ length: count }, (_, index) => index % 251));
    void far.write(sent);
    // The whole of it is in the buffer before the first byte is taken.
    t.is((await near.peek(count)).length, count);
    const memories = new Set<ArrayBufferLike>();
    for (let index = 0; index < count; index += 1) {
      const byte = await near.readBytes(1);
      if (byte[0] !== index % 251) t.fail(`byte ${index} is ${byte[0]}`);
      memories.add(byte.buffer);
    }
    // All are views of the memory that the bytes were received in.
    t.true(memories.size <= 2, `${memories.size} memories`);
    t.is(near.readBufferSize, 0);
  }));

test('a line that comes byte by byte is looked at once', (t) =>
  withPair(async (near, far) => {
    const reading = near.readUntil('\n');
    for (let sent = 0; sent < 2000; sent += 1) {
      void far.write('x');
      if (sent % 10 === 0) await turns(far, 1);
    }
    void far.write('\n');
    t.is((await reading).length, 2001);
  }));

test('results are never written to again', (t) =>
  withPair(async (near, far) => {
    const results: Buffer[] = [];
    const expected: string[] = [];
    for (let round = 0; round < 3000; round += 1) {
      const text = `message ${round} ${'.'.repeat(round % 200)}\n`;
      expected.push(text);
      void far.write(text);
      results.push(await near.readUntil('\n'));
    }
    t.deepEqual(results.map(String), expected);
  }));

test('no more is received than one chunk beyond what is wanted', (t) =>
  withPair(
    async (near, far) => {
      const writing = far.write(Buffer.alloc(4_000_000));
      await near.readBytes(1);
      await turns(near, 20);
      t.true(near.readBufferSize <= 65_536, `${near.readBufferSize} bytes read ahead`);
      t.true(far.writing);
      near.close();
      await failureOf(writing);
    },
    { readChunkSize: 65_536 },
  ));

test('a chunk size below all reason works', async (t) => {
  for (const options of [{ readChunkSize: 1 }, { maxBufferSize: 1 }, { maxBufferSize: 3 }]) {
    await withPair(async (near, far) => {
      void far.write('abc');
      let text = '';
      for (let count = 0; count < 3; count += 1) text += String(await near.readBytes(1));
      t.is(text, 'abc');
    }, options);
  }
});

test('a result can be kept, changed and sent on: it is the reader’s own', (t) =>
  withPair(async (near, far) => {
    void far.write('first second ');
    const first = await near.readUntil(' ');
    first.fill('#');
    t.is((await near.readUntil(' ')).toString(), 'second ');
    t.is(first.toString(), '######');
    void near.write(first);
    t.is((await far.readBytes(6)).toString(), '######');
  }));
