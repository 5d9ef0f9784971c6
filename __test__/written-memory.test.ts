/** Whose memory a write sends: a copy of small pieces, and of large ones what they were given as. */
import test from 'ava';
import { IOStream, Socket } from 'ioloop';
import { native } from '#internal';
import { onLoop } from './helpers/loop.js';
import { fixture } from './helpers/net.js';
import { testOwnSockets } from './helpers/sockets-of.js';
import { failureOf, turns, withPair } from './helpers/streams.js';

const PLENTY = 8_000_000;

test('small pieces of a list are copied, after a large one and before it', (t) =>
  withPair(async (near, far) => {
    const header = Buffer.from('head');
    const trailer = Buffer.from('tail');
    void near.write([header, Buffer.alloc(PLENTY, '.'), trailer]);
    header.fill('X');
    trailer.fill('X');
    void near.write([header, Buffer.alloc(5000, ':'), '']);
    header.fill('Y');
    t.is((await far.readBytes(4)).toString(), 'head');
    await far.readBytes(PLENTY);
    t.is((await far.readBytes(8)).toString(), 'tailXXXX');
    t.is((await far.readBytes(5000)).toString(), ':'.repeat(5000));
  }));

/** Views of the bytes 1 to 16, in the middle of larger memory. */
function views(size: number): ArrayBufferView[] {
  const memory = new ArrayBuffer(size + 32);
  new Uint8Array(memory).forEach((_, at, bytes) => (bytes[at] = at % 251));
  return [
    new Uint8Array(memory, 16, size),
    new Uint8ClampedArray(memory, 16, size),
    new Int16Array(memory, 16, size / 2),
    new Float32Array(memory, 16, size / 4),
    new Float64Array(memory, 16, size / 8),
    new BigInt64Array(memory, 16, size / 8),
    new DataView(memory, 16, size),
    Buffer.from(memory, 16, size),
  ];
}

/** All of it: how much one call brings depends on the capacities. */
function receive(socket: Socket, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let left = size; left > 0; left -= parts.at(-1)?.length ?? left) {
    parts.push(socket.recv(left) ?? Buffer.alloc(left));
  }
  return Buffer.concat(parts);
}

for (const size of [16, 8000]) {
  test(`${size} bytes of any typed array or DataView are the bytes that it shows`, async (t) => {
    const expected = Buffer.from(views(size)[0] as Uint8Array);
    await withPair(async (near, far) => {
      for (const view of views(size)) {
        await near.write(view as never);
        t.deepEqual(await far.readBytes(size), expected, view.constructor.name);
        void near.write([view as never, 'x']);
        t.deepEqual(await far.readBytes(size), expected);
        t.is((await far.readBytes(1)).toString(), 'x');
      }
    });
    const [mine, theirs] = Socket.pair();
    for (const view of views(size)) {
      t.is(mine.send(view), size);
      t.deepEqual(receive(theirs, size), expected, view.constructor.name);
      t.is(mine.send(view, 3, 5), 5);
      t.deepEqual(theirs.recv(size), expected.subarray(3, 8));
    }
    mine.close();
    theirs.close();
  });
}

test('over TLS too, and what is written is copied, whatever its size', async (t) => {
  const ca = fixture('ca.pem');
  const identity = { cert: fixture('server.pem'), key: fixture('server.key') };
  await withPair(async (plain, other) => {
    const [near, far] = await Promise.all([
      plain.startTls({ hostname: 'localhost', tls: { ca } }),
      other.startTls({ serverSide: true, tls: identity }),
    ]);
    for (const size of [16, 8000]) {
      const expected = Buffer.from(views(size)[0] as Uint8Array);
      for (const view of views(size)) {
        void near.write(view as never);
        void near.write([view as never, 'x']);
        new Uint8Array(view.buffer).fill(0);
        t.deepEqual(await far.readBytes(size), expected, view.constructor.name);
        t.deepEqual(await far.readBytes(size), expected, `${view.constructor.name} of a list`);
        t.is(String(await far.readBytes(1)), 'x');
        // Every view has the same memory.
        new Uint8Array(view.buffer).forEach((_, at, bytes) => (bytes[at] = at % 251));
      }
    }
    near.close();
    far.close();
  });
});

testOwnSockets(
  'a large piece that waits and whose buffer is detached closes the stream; nothing of it is sent',
  (t) =>
    withPair(async (near, far) => {
      const before = near.write(Buffer.alloc(PLENTY, 'a'));
      const piece = new Uint8Array(100_000).fill(98);
      const written = failureOf(near.write(piece));
      const behind = failureOf(near.write('behind'));
      await turns(near);
      structuredClone(piece.buffer, { transfer: [piece.buffer] });
      let received = 0;
      let others = 0;
      for await (const chunk of far) {
        received += chunk.length;
        for (const byte of chunk) others += byte === 97 ? 0 : 1;
      }
      await before;
      t.is(received, PLENTY);
      t.is(others, 0);
      const error = await written;
      t.is(error.code, 'ERR_IOLOOP_STREAM_CLOSED');
      t.is((near.error as NodeJS.ErrnoException).code, 'ERR_IOLOOP_BUFFER_DETACHED');
      t.is(await behind.then(({ code }) => code), 'ERR_IOLOOP_STREAM_CLOSED');
    }),
);

testOwnSockets(
  'a resizable buffer: what has grown is sent as it was written, what has shrunk closes',
  async (t) => {
    const resizable = (size: number): ArrayBuffer & { resize(size: number): void } => {
      const make = ArrayBuffer as unknown as new (size: number, options: object) => never;
      return new make(size, { maxByteLength: 200_000 });
    };
    await withPair(async (near, far) => {
      const grown = resizable(100_000);
      const shrunk = resizable(100_000);
      void near.write(Buffer.alloc(PLENTY));
      const first = near.write(new Uint8Array(grown).fill(98));
      const second = failureOf(near.write(new Uint8Array(shrunk).fill(99)));
      await turns(near);
      grown.resize(150_000);
      shrunk.resize(50_000);
      await far.readBytes(PLENTY);
      t.true((await far.readBytes(100_000)).every((byte) => byte === 98));
      await first;
      t.is((await second).code, 'ERR_IOLOOP_STREAM_CLOSED');
      t.is((await far.readUntilClose()).length, 0);
      t.is((near.error as NodeJS.ErrnoException).code, 'ERR_IOLOOP_BUFFER_DETACHED');
    });
  },
);

testOwnSockets(
  'a buffer that is detached before the write is refused, and the stream is as before',
  (t) =>
    withPair(async (near, far) => {
      const memory = new ArrayBuffer(16);
      const detached = [new Uint8Array(memory), new Float32Array(memory), new DataView(memory)];
      structuredClone(memory, { transfer: [memory] });
      for (const view of detached) {
        t.is((await failureOf(near.write(view))).code, 'ERR_IOLOOP_BUFFER_DETACHED');
        t.is((await failureOf(near.write(['x', view]))).code, 'ERR_IOLOOP_BUFFER_DETACHED');
        t.throws(() => near.socket?.send(view), { code: 'ERR_IOLOOP_BUFFER_DETACHED' });
      }
      await near.write(new Uint8Array(0));
      void near.write('fine');
      t.is((await far.readBytes(4)).toString(), 'fine');
    }),
);

const EINVAL = -22;

test('offsets and lengths that no buffer has are EINVAL, and never wrap at 2^32', (t) => {
  const [mine, theirs] = Socket.pair();
  const bytes = Buffer.from('0123456789');
  const room = Buffer.alloc(10);
  for (const offset of [2 ** 32, 2 ** 32 + 4, -1, 1.5, 11, 2 ** 53, Infinity, Number.NaN]) {
    t.is(native.socketSend(mine.fd, bytes, offset, 6), EINVAL, String(offset));
    t.is(native.socketSend(mine.fd, bytes, 0, offset), EINVAL, String(offset));
    t.is(native.fdWrite(mine.fd, bytes, offset, 6), EINVAL);
    t.is(native.socketRecv(theirs.fd, room, offset, 6), EINVAL);
    t.is(native.fdRead(theirs.fd, room, 0, offset), EINVAL);
  }
  t.is(theirs.recv(10), null);
  mine.close();
  theirs.close();
});

const LARGE = 2 ** 32 + 2 ** 22;
const large = largeBuffer();

/** Untouched memory, which the system has not given yet; `null` where buffers have less. */
function largeBuffer(): Buffer | null {
  try {
    return Buffer.alloc(LARGE);
  } catch {
    return null;
  }
}

const reason = 'this Node has no buffers of more than 4 GiB';
(large === null ? test.skip : test.serial)(
  `the end of a buffer of more than 4 GiB is sent and received right${large === null ? `: ${reason}` : ''}`,
  async (t) => {
    const bytes = large as Buffer;
    bytes.write('beyond', 2 ** 32);
    bytes.write('wrong!', 0);
    const [mine, theirs] = Socket.pair();
    t.is(mine.send(bytes, 2 ** 32, 6), 6);
    t.is(theirs.recv(10)?.toString(), 'beyond');
    await onLoop(async (loop) => {
      const near = new IOStream(mine, { loop });
      const far = new IOStream(theirs, { loop });
      const written = near.write([bytes, 'end']);
      const room = Buffer.allocUnsafeSlow(1 << 20);
      let received = 0;
      while (received < 2 ** 32) {
        const most = Math.min(room.length, 2 ** 32 - received);
        received += await far.readInto(room.subarray(0, most), { partial: true });
      }
      t.is((await far.readBytes(6)).toString(), 'beyond');
      t.is((await far.readBytes(LARGE - 2 ** 32 - 6 + 3)).subarray(-3).toString(), 'end');
      await written;
      near.close();
      far.close();
    });
  },
);
