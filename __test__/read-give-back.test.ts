/** A read that fails gives back what it had exactly once, and leaves the user's memory alone. */
import test from 'ava';
import { IOStream, Socket } from 'ioloop';
import { onLoop } from './helpers/loop.js';
import { reset } from './helpers/net.js';
import {
  closedBy,
  failureOf,
  turns,
  withPair,
  withTcpPair,
  type PairBody,
} from './helpers/streams.js';

const LARGE = 50_000;

/** The large reads: how each is begun. */
const READS: Record<string, (stream: IOStream, signal?: AbortSignal) => Promise<unknown>> = {
  readInto: (stream, signal) => stream.readInto(Buffer.alloc(LARGE), { signal }),
  readBytes: (stream, signal) => stream.readBytes(LARGE, { signal }),
};

const rest = async (stream: IOStream): Promise<string> =>
  (await stream.readBytes(stream.readBufferSize)).toString();

for (const [name, read] of Object.entries(READS)) {
  test(`${name}: a reset in the middle`, (t) =>
    withTcpPair(async (near, far) => {
      const reading = read(near);
      await far.write('hello');
      await turns(near);
      reset(far);
      t.is((await closedBy(reading))?.code, 'ECONNRESET');
      t.is(near.readBufferSize, 5);
      t.is(await rest(near), 'hello');
    }));

  test(`${name}: an end in the middle`, (t) =>
    withTcpPair(async (near, far) => {
      const reading = read(near);
      await far.write('hello');
      await turns(near);
      far.close();
      await failureOf(reading);
      t.is(await rest(near), 'hello');
    }));

  test(`${name}: closed here in the middle`, (t) =>
    withTcpPair(async (near, far) => {
      const reading = read(near);
      await far.write('hello');
      await turns(near);
      near.close();
      t.is(await closedBy(reading), null);
      t.is(await rest(near), 'hello');
    }));

  test(`${name}: given up in the middle, the next read goes on`, (t) =>
    withTcpPair(async (near, far) => {
      const giveUp = new AbortController();
      const reading = read(near, giveUp.signal);
      await far.write('hello');
      await turns(near);
      giveUp.abort();
      t.is((await failureOf(reading)).name, 'AbortError');
      const next = near.readUntil('\n');
      await far.write(' world\n');
      t.is((await next).toString(), 'hello world\n');
    }));
}

test('after its rejection the memory of readInto is not written to', (t) =>
  withTcpPair(async (near, far) => {
    const memory = Buffer.alloc(LARGE);
    const giveUp = new AbortController();
    const reading = near.readInto(memory, { signal: giveUp.signal });
    await far.write('hello');
    await turns(near);
    giveUp.abort();
    await failureOf(reading);
    memory.fill(0);
    await far.write('more');
    await turns(near);
    reset(far);
    await turns(near);
    t.true(memory.every((byte) => byte === 0));
  }));

test('memory that a failing read gives back is put before what came later', (t) =>
  withTcpPair(async (near, far, loop) => {
    // One turn: the read is given up by a callback, after its crossing has received.
    const giveUp = new AbortController();
    const reading = near.readInto(Buffer.alloc(LARGE), { signal: giveUp.signal });
    await far.write('first ');
    await turns(near);
    void far.write('second');
    await new Promise<void>((resolve) => {
      loop.addCallback(() => {
        giveUp.abort();
        resolve();
      });
    });
    await failureOf(reading);
    t.is((await near.readBytes(12)).toString(), 'first second');
  }));

/** Takes the memory of a waiting `readInto` away, by a transfer or by making it smaller. */
const LOSSES: Record<string, [() => ArrayBuffer, (memory: ArrayBuffer) => void]> = {
  transferred: [
    () => new ArrayBuffer(LARGE),
    (memory) => structuredClone(memory, { transfer: [memory] }),
  ],
  'made smaller': [
    // Typed as of ES2024.
    () =>
      new (ArrayBuffer as never as new (size: number, options: object) => ArrayBuffer)(LARGE, {
        maxByteLength: LARGE,
      }),
    (memory) => {
      (memory as never as { resize(size: number): void }).resize(2);
    },
  ],
};

for (const [how, [make, take]] of Object.entries(LOSSES)) {
  const losing = (
    body: (reading: Promise<number>, ...pair: Parameters<PairBody<void>>) => Promise<void>,
  ) =>
    withPair(async (near, far, loop) => {
      const memory = make();
      const reading = near.readInto(new Uint8Array(memory));
      await far.write('12345');
      await turns(near);
      take(memory);
      await body(reading, near, far, loop);
    });

  test(`memory that was ${how}: the loss is reported when more arrives`, async (t) => {
    await losing(async (reading, near, far) => {
      await far.write('more');
      t.is((await closedBy(reading))?.code, 'ERR_IOLOOP_BUFFER_DETACHED');
      t.true(near.closed);
    });
  });

  test(`memory that was ${how}: a close is not disturbed`, async (t) => {
    await losing(async (reading, near) => {
      const closed = new Promise((resolve) => {
        near.setCloseCallback(resolve);
      });
      near.close();
      await closedBy(reading);
      t.is(await closed, null);
    });
  });
}

test('memory that was transferred before anything arrived costs nothing but the read', (t) =>
  withPair(async (near, far) => {
    const memory = new ArrayBuffer(LARGE);
    const reading = near.readInto(new Uint8Array(memory));
    structuredClone(memory, { transfer: [memory] });
    await far.write('kept');
    t.is((await failureOf(reading)).code, 'ERR_IOLOOP_BUFFER_DETACHED');
    t.is((await near.readBytes(4)).toString(), 'kept');
  }));

test('a failing write of a stream whose memory was transferred leaves other streams alone', (t) =>
  onLoop(async (loop) => {
    const [[a, peerOfA], [b, peerOfB]] = [Socket.pair(), Socket.pair()];
    const [first, second] = [new IOStream(a, { loop }), new IOStream(b, { loop })];
    const memory = new ArrayBuffer(LARGE);
    const reading = first.readInto(new Uint8Array(memory));
    peerOfA.send('12345');
    await turns(first);
    structuredClone(memory, { transfer: [memory] });
    peerOfA.shutdown('read');
    const failed = first.write('x');
    await failureOf(failed);
    await failureOf(reading);
    await second.write('hello');
    t.is(String(peerOfB.recv(10)), 'hello');
    second.close();
    peerOfA.close();
    peerOfB.close();
  }));
