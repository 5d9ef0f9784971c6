/** `socket.sendLater()` to peers that are gone, of sockets that are closed or left, and without memory. */
import { closeSync } from 'node:fs';
import { IOLoop, IOStream, Socket, type SystemError } from 'ioloop';
import { testWith } from './helpers/conditions.js';
import { failing, runFailing, served } from './helpers/faults.js';
import { nodeTurns, pairAt, tcpPair } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { noise } from './helpers/pumps.js';
import { called, congest, receive } from './helpers/send-later.js';
import { testOwnSockets as test } from './helpers/sockets-of.js';
import { caught, owned, pair, readAll } from './helpers/sockets.js';

const { ERROR, NONE } = IOLoop;

test('a peer that is gone: the handler is called with ERROR, and operations throw', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    far.close();
    near.sendLater('lost');
    await nodeTurns(1);
    t.true(((await called(loop, near, NONE)) & ERROR) !== 0);
    t.is(near.unsent, 0);
    const failure = (use: () => unknown): unknown[] => {
      const { code, syscall } = caught(use);
      return [code, syscall];
    };
    const expected = ['EPIPE', 'send'];
    for (let times = 0; times < 2; times += 1) {
      t.deepEqual(
        failure(() => near.sendLater('x')),
        expected,
      );
      t.deepEqual(
        failure(() => near.send('x')),
        expected,
      );
    }
    t.deepEqual(
      failure(() => near.recvInto(Buffer.alloc(1))),
      expected,
    );
    t.is(near.recv(1)?.length, 0, 'once, as an error of the kernel');
    near.sendLater('x');
    await nodeTurns(1);
    t.is((near.takeError() as SystemError | null)?.code, 'EPIPE');
    t.is(near.takeError(), null);
    t.is(near.recv(1)?.length, 0);
  }));

test('an error that the kernel gives to a send is given by recv, behind the data', (t) =>
  onLoop(async (loop) => {
    const [near, far] = (await tcpPair()).map((socket) => owned(t, socket)) as [Socket, Socket];
    // Until the reset is there nothing else looks at the socket.
    far.setOption('linger', 0);
    far.close();
    const events = called(loop, near, NONE);
    near.sendLater('lost');
    t.true(((await events) & ERROR) !== 0);
    await nodeTurns();
    const code = (error: unknown): unknown => (error as SystemError).code;
    t.true(['ECONNRESET', 'EPIPE'].includes(code(caught(() => near.recv(1))) as string));
  }));

test('close() offers the bytes to the kernel once more', async (t) => {
  const [near, far] = pair(t);
  near.sendLater('bye');
  near.close();
  t.is(await readAll(far), 'bye');
  t.is(caught(() => near.sendLater('x')).code, 'EBADF');
  t.is(near.unsent, 0);
  const [other, peer] = pair(t);
  const bytes = noise(4_000_000);
  const sent = await congest(other, bytes);
  const all = readAll(peer);
  other.close();
  const { length } = await all;
  t.true(length > 0 && length <= sent);
});

test('a half-close and a detach take the bytes along, or are refused while some wait', async (t) => {
  const [near, far] = pair(t);
  near.sendLater('end');
  near.shutdown('write');
  t.is(await readAll(far), 'end');
  const [moved, peer] = pair(t);
  moved.sendLater('before ');
  const attached = owned(t, Socket.attach(moved.detach()));
  attached.sendLater('after');
  await nodeTurns(1);
  t.is(String(peer.recv(100)), 'before after');
  t.is(caught(() => moved.sendLater('x')).code, 'ERR_IOLOOP_DETACHED');
  const [full] = pair(t);
  await congest(full, noise(4_000_000));
  const { unsent } = full;
  for (const use of [
    () => full.shutdown('write'),
    () => full.shutdown('both'),
    () => full.detach(),
    () => new IOStream(full),
  ]) {
    const { code, message } = caught(use);
    t.is(code, 'ERR_IOLOOP_SOCKET_BUSY');
    t.regex(message, /until unsent is 0/);
  }
  t.is(full.unsent, unsent);
  full.shutdown('read');
});

test('a stream that goes on with the socket sends behind the bytes', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    near.sendLater('socket ');
    const stream = new IOStream(near, { loop });
    const { code, message } = caught(() => near.sendLater('never'));
    t.is(code, 'ERR_IOLOOP_SOCKET_BUSY');
    t.regex(message, /write\(\) or send\(\) of the stream/);
    await stream.write('stream');
    t.is(String(await receive(loop, far, 13)), 'socket stream');
    stream.close();
  }));

test('a number that was closed and belongs to another socket gets none of the bytes', async (t) => {
  const [near] = pair(t);
  const { fd } = near;
  near.sendLater('not for others');
  closeSync(fd);
  const { at, peer, close } = pairAt(fd);
  await nodeTurns(1);
  t.is(peer.recv(100), null);
  t.true(near.closed);
  at.sendLater('own');
  await nodeTurns(1);
  t.is(String(peer.recv(100)), 'own');
  close();
});

test('a socket that is closed in the turn, and a new one with its number', async (t) => {
  const [near, far] = pair(t);
  near.sendLater('old');
  near.close();
  const [next, peer] = pair(t);
  next.sendLater('new');
  await nodeTurns(1);
  t.is(String(far.recv(100)), 'old');
  t.is(String(peer.recv(100)), 'new');
});

for (const [code, nth] of [
  ['ENOBUFS', '1+2'],
  ['ENOMEM', '1..6'],
] as const) {
  testWith('strace')(`sends that fail with ${code} (${nth}) are tried again`, async (t) => {
    const source = `
      import { IOLoop, Socket } from 'ioloop';
      const loop = IOLoop.current();
      const [near, far] = Socket.pair();
      const messages = Array.from({ length: 20 }, (_, at) => 'message ' + at + ';');
      let received = '';
      await loop.runSync(() => new Promise((resolve) => {
        loop.addHandler(near, () => {}, IOLoop.READ);
        loop.addHandler(far, () => {
          received += far.recv(1000);
          if (messages.length > 0) near.sendLater(messages.shift());
          else resolve();
        }, IOLoop.READ);
        near.sendLater(messages.shift());
      }), { timeout: 40 });
      console.log(JSON.stringify(received));
      process.exit(0);
    `;
    const result = await runFailing(source, failing('sendto', code, nth));
    const expected = Array.from({ length: 20 }, (_, at) => `message ${at};`).join('');
    t.is(served(t, result), expected);
  });
}

testWith('strace')(
  'a handler for WRITE is called when all is sent, after ENOBUFS too',
  async (t) => {
    const source = `
    import { bindSockets, IOLoop, Socket } from 'ioloop';
    const loop = IOLoop.current();
    const [listener] = bindSockets(0, '127.0.0.1');
    const near = Socket.tcp();
    near.connect(listener.localAddress);
    let sent = 0;
    // With poll(2) a turn may call for the retry, and again for the room, before what it has sent leaves.
    let again = 0;
    await loop.runSync(() => new Promise((resolve) => {
      loop.addHandler(near, () => {
        if (near.unsent > 0) again += 1;
        else if (sent === 5) resolve();
        else if (near.sendLater('message;')) sent += 1;
      }, IOLoop.WRITE);
    }), { timeout: 40 });
    console.log(JSON.stringify({ sent, isSeldom: again <= 5 }));
    process.exit(0);
  `;
    const result = await runFailing(source, failing('sendto', 'ENOBUFS', '1+2'));
    t.deepEqual(served(t, result), { sent: 5, isSeldom: true });
  },
);
