/** Bytes through sockets: what `recv`, `recvInto`, `send` and `shutdown` give and leave. */
import test from 'ava';
import { caught, pair } from './helpers/sockets.js';

test('a pair is connected in both directions', (t) => {
  const [first, second] = pair(t);
  t.is(first.send('ping'), 4);
  t.is(second.recv(100)?.toString(), 'ping');
  t.is(second.send(Buffer.from('pong!')), 5);
  t.is(first.recv(100)?.toString(), 'pong!');
  t.deepEqual(first.localAddress, { path: '' });
  t.deepEqual(first.remoteAddress, { path: '' });
});

test('recv gives null when nothing is there and an empty buffer at the end', (t) => {
  const [first, second] = pair(t);
  t.is(first.recv(10), null);
  t.is(first.recvInto(Buffer.alloc(10)), null);
  second.send('last');
  second.close();
  t.is(first.recv(10)?.toString(), 'last');
  t.is(first.recv(10)?.length, 0);
  t.is(first.recv(100_000)?.length, 0);
  t.is(first.recvInto(Buffer.alloc(10)), 0);
});

test('an earlier buffer does not change with later reads', (t) => {
  const [first, second] = pair(t);
  for (const size of [10, 5000, 65_536, 100_000]) {
    second.send('a'.repeat(10));
    const early = first.recv(size);
    second.send('b'.repeat(10));
    const late = first.recv(size);
    t.is(early?.toString(), 'a'.repeat(10));
    t.is(late?.toString(), 'b'.repeat(10));
  }
});

test('a large read that is mostly empty keeps no large memory', (t) => {
  const [first, second] = pair(t);
  second.send('few');
  const few = first.recv(2 ** 24);
  t.is(few?.toString(), 'few');
  t.true((few?.buffer.byteLength ?? 0) <= 2 * Buffer.poolSize);
});

test('a large read gives all that is there', (t) => {
  const [first, second] = pair(t);
  second.setOption('sendBuffer', 2 ** 20);
  const sent = second.send(Buffer.alloc(150_000, 'x')) ?? 0;
  t.true(sent > 65_536);
  const received = first.recv(sent);
  t.is(received?.toString(), 'x'.repeat(sent));
});

test('a large read that is full does not share memory with a later one', (t) => {
  const [first, second] = pair(t);
  second.setOption('sendBuffer', 2 ** 20);
  const size = 70_000;
  for (const letter of ['a', 'b']) {
    const sent = second.send(Buffer.alloc(size, letter)) ?? 0;
    t.is(sent, size);
  }
  const early = first.recv(size);
  const late = first.recv(size);
  t.is(early?.toString(), 'a'.repeat(size));
  t.is(late?.toString(), 'b'.repeat(size));
});

test('transferring one result of recv empties no other', (t) => {
  const [first, second] = pair(t);
  second.send('early');
  const early = first.recv(1024);
  second.send('late');
  const late = first.recv(1024);
  // Node 20 copies what may not be transferred, later ones refuse: the results stay either way.
  try {
    structuredClone(late, { transfer: [late?.buffer as ArrayBuffer] });
  } catch (error) {
    t.is((error as Error).name, 'DataCloneError');
  }
  t.is(early?.toString(), 'early');
  t.is(late?.toString(), 'late');
});

test('recv takes at most size bytes and leaves the rest', (t) => {
  const [first, second] = pair(t);
  second.send('abcdef');
  t.is(first.recv(4)?.toString(), 'abcd');
  const front = Buffer.from('........');
  t.is(first.recvInto(front), 2);
  t.is(front.toString(), 'ef......');
});

test('recvInto fills a view and nothing around it', (t) => {
  const [first, second] = pair(t);
  const whole = new Uint8Array(6);
  second.send('wxyz');
  t.is(first.recvInto(whole.subarray(2, 4)), 2);
  t.deepEqual([...whole], [0, 0, 119, 120, 0, 0]);
});

test('send gives null when the system has no room, and again a count after the peer has read', (t) => {
  const [first, second] = pair(t);
  const chunk = Buffer.alloc(65_536);
  let total = 0;
  for (let sent = first.send(chunk); sent !== null; sent = first.send(chunk)) total += sent;
  t.true(total > 0);
  let received = 0;
  for (let data = second.recv(65_536); data !== null; data = second.recv(65_536)) {
    received += data.length;
  }
  t.is(received, total);
  t.not(first.send(chunk), null);
});

test('send takes strings as UTF-8 and views as they are', (t) => {
  const [first, second] = pair(t);
  t.is(first.send('äö'), 4);
  t.is(second.recv(10)?.toString(), 'äö');
  t.is(first.send(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), 2);
  t.deepEqual([...(second.recv(10) ?? [])], [2, 3]);
  t.is(first.send(''), 0);
});

test('shutdown of writing is the end of the file for the peer, which can still answer', (t) => {
  const [first, second] = pair(t);
  first.shutdown('write');
  t.is(second.recv(10)?.length, 0);
  t.is(second.send('answer'), 6);
  t.is(first.recv(10)?.toString(), 'answer');
  t.like(
    caught(() => first.send('x')),
    { code: 'EPIPE', syscall: 'send' },
  );
});

test('send takes a part of a buffer by its offset and length', (t) => {
  const [first, second] = pair(t);
  const bytes = Buffer.from('0123456789');
  t.is(first.send(bytes, 2, 3), 3);
  t.is(first.send(bytes, 8), 2);
  t.is(first.send(bytes, 10), 0);
  t.is(second.recv(10)?.toString(), '23489');
  for (const [offset, length] of [
    [11, 0],
    [-1, 1],
    [8, 3],
    [0.5, 1],
  ] as const) {
    t.throws(() => first.send(bytes, offset, length), { code: 'ERR_OUT_OF_RANGE' });
  }
});
