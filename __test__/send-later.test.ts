/** `socket.sendLater()`: sends of handlers that leave together. */
import { IOLoop, Socket } from 'ioloop';
import { testWith } from './helpers/conditions.js';
import { nodeTurns, tcpPair } from './helpers/fds.js';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { noise } from './helpers/pumps.js';
import { congest, PIECE, receive } from './helpers/send-later.js';
import { testOwnSockets as test } from './helpers/sockets-of.js';
import { caught, listener, owned, pair } from './helpers/sockets.js';
import { pythonOpens } from './helpers/special-fds.js';

const { READ, WRITE, NONE } = IOLoop;
const LIMIT = 1024 * 1024;

test('leaves when the running code is done', async (t) => {
  const [near, far] = pair(t);
  t.is(near.unsent, 0);
  t.true(near.sendLater('grüße '));
  t.true(near.sendLater(new Uint16Array([0x6261])));
  t.is(near.unsent, 10);
  t.is(far.recv(100), null);
  await nodeTurns(1);
  t.is(String(far.recv(100)), 'grüße ab', 'one system call has sent both');
  t.is(near.unsent, 0);
});

test('the order is that of the calls, whatever their sizes, with send() too', async (t) => {
  const [near, far] = pair(t);
  const large = noise(PIECE + 1);
  near.sendLater('first ');
  t.is(near.send('second '), 7);
  near.sendLater('third ');
  near.sendLater(large);
  near.sendLater('last');
  near.sendLater('');
  await nodeTurns(1);
  const expected = Buffer.concat([Buffer.from('first second third '), large, Buffer.from('last')]);
  t.true(far.recv(65_536)?.equals(expected));
});

test('more sockets, bytes and pieces than a batch has room for', (t) =>
  onLoop(async (loop) => {
    const pairs = Array.from({ length: 20 }, () => pair(t));
    const bytes = noise(PIECE * 4);
    // Alternating: no piece continues the one before.
    for (let at = 0; at < bytes.length; at += 16) {
      for (const [near] of pairs) near.sendLater(bytes.subarray(at, at + 16));
    }
    const received = pairs.map(([, far]) => receive(loop, far, bytes.length));
    for (const got of await Promise.all(received)) t.true(got.equals(bytes));
  }));

for (const [kind, connected] of Object.entries({
  Unix: async () => Socket.pair(),
  TCP: tcpPair,
})) {
  test(`${kind}: what the kernel has no room for is sent by the handler, in order`, (t) =>
    onLoop(async (loop) => {
      const [near, far] = (await connected()).map((socket) => owned(t, socket)) as [Socket, Socket];
      const bytes = noise(8_000_000);
      let calls = 0;
      loop.addHandler(near, () => (calls += 1), READ);
      const sent = await congest(near, bytes);
      t.false(near.sendLater(bytes.subarray(sent, sent + 10)), 'taken all the same');
      t.is(near.send('refused'), null);
      t.true((await receive(loop, far, sent + 10)).equals(bytes.subarray(0, sent + 10)));
      t.is(near.unsent, 0);
      t.true(near.sendLater('more'));
      t.is(String(await receive(loop, far, 4)), 'more');
      t.is(calls, 0, 'a handler for READ is not called for it');
    }));
}

test('a handler for WRITE is called when all is sent', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    const bytes = noise(4_000_000);
    let at = 0;
    let isStopped = false;
    const done = new Promise<void>((resolve) => {
      loop.addHandler(
        near,
        () => {
          t.is(near.unsent, 0);
          isStopped = false;
          while (!isStopped && at < bytes.length) {
            isStopped = !near.sendLater(bytes.subarray(at, at + 1000));
            at += 1000;
          }
          if (at < bytes.length) return;
          loop.updateHandler(near, NONE);
          resolve();
        },
        WRITE,
      );
    });
    const received = receive(loop, far, bytes.length);
    await done;
    t.true((await received).equals(bytes));
  }));

test('the interest may change, and the handler, while bytes wait', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    const bytes = noise(4_000_000);
    loop.addHandler(near, () => {}, READ | WRITE);
    const sent = await congest(near, bytes);
    loop.updateHandler(near, NONE);
    loop.updateHandler(near, READ);
    loop.removeHandler(near);
    // The bytes wait: a handler that is added sends them.
    const waiting = near.unsent;
    t.true(waiting > 0);
    far.recv(PIECE);
    await nodeTurns();
    t.is(near.unsent, waiting);
    loop.addHandler(near, () => {}, NONE);
    t.true((await receive(loop, far, sent - PIECE)).equals(bytes.subarray(PIECE, sent)));
    t.is(near.unsent, 0);
  }));

test('handlers in two loops: each byte is sent once', (t) =>
  onLoop((loop) =>
    onLoop(async (other) => {
      const [near, far] = pair(t);
      const bytes = noise(4_000_000);
      loop.addHandler(near, () => {}, READ);
      other.addHandler(near, () => {}, READ);
      const sent = await congest(near, bytes);
      t.true((await receive(loop, far, sent)).equals(bytes.subarray(0, sent)));
      near.close();
      // A thread that waits in poll(2) keeps the file open until it is woken.
      await t.throwsAsync(receive(loop, far, 1), { message: /^EOF/ });
    }),
  ));

test('without a handler the next call tries', async (t) => {
  const [near, far] = pair(t);
  const bytes = noise(4_000_000);
  const sent = await congest(near, bytes);
  const chunks: Buffer[] = [];
  const take = (): void => {
    for (let chunk = far.recv(65_536); chunk !== null; chunk = far.recv(65_536)) chunks.push(chunk);
  };
  take();
  near.sendLater(bytes.subarray(sent, sent + 1));
  while (near.unsent > 0) {
    take();
    near.send('');
  }
  take();
  t.true(Buffer.concat(chunks).equals(bytes.subarray(0, sent + 1)));
});

test('the unsent bytes of a socket are limited, and a refused call takes nothing', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    const error = caught(() => near.sendLater(Buffer.alloc(LIMIT + 1)));
    t.is(error.code, 'ERR_IOLOOP_BUFFER_FULL');
    t.is(near.unsent, 0);
    const bytes = noise(LIMIT + 4_000_000);
    loop.addHandler(near, () => {}, READ);
    let sent = await congest(near, bytes);
    const piece = 700;
    const fill = (): void => {
      for (;;) {
        near.sendLater(bytes.subarray(sent, sent + piece));
        sent += piece;
      }
    };
    t.is(caught(fill).code, 'ERR_IOLOOP_BUFFER_FULL');
    t.true(near.unsent <= LIMIT && near.unsent > LIMIT - piece, String(near.unsent));
    t.true((await receive(loop, far, sent)).equals(bytes.subarray(0, sent)));
    t.true(near.sendLater('x'));
  }));

test('64 KiB of one turn: false, and all of it is sent', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    let taken = 0;
    for (let more = true; more; taken += PIECE) more = near.sendLater(Buffer.alloc(PIECE, taken));
    t.is(taken, 65_536);
    t.is((await receive(loop, far, taken)).length, taken);
  }));

test('bytes of a socket that connects are sent when it is connected', (t) =>
  onLoop(async (loop: ReportingLoop) => {
    const server = listener(t);
    const client = owned(t, Socket.tcp());
    client.connect(server.localAddress);
    client.sendLater('early');
    loop.addHandler(client, () => {}, NONE);
    const connection = await new Promise<Socket>((resolve) => {
      loop.addHandler(server, () => resolve((server.accept() as [Socket, unknown])[0]), READ);
    });
    loop.removeHandler(server);
    t.is(String(await receive(loop, owned(t, connection), 5)), 'early');
  }));

test('bad data', (t) => {
  const [near] = pair(t);
  const error = caught(() => near.sendLater(5 as unknown as string));
  t.is(error.code, 'ERR_INVALID_ARG_TYPE');
  t.true(near.sendLater(''));
  t.is(near.unsent, 0);
  t.is(caught(() => Socket.tcp().sendLater.call({} as Socket, 'x')).constructor, TypeError);
});

testWith('python3')('a socket with messages is refused', async (t) => {
  const stdout = await pythonOpens(
    t,
    `a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
fds += [a.fileno(), b.fileno()]`,
    `
    try {
      Socket.fromFd(Number(args[0])).sendLater('x');
    } catch (error) {
      console.log(error.code);
    }
    `,
  );
  t.is(stdout, 'ERR_IOLOOP_UNSUPPORTED\n');
});
