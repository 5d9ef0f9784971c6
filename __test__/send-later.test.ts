/** `socket.sendLater()`: sends of handlers that leave together. */
import { closeSync } from 'node:fs';
import { IOLoop, IOStream, Socket, type SystemError } from 'ioloop';
import { testWith } from './helpers/conditions.js';
import { failing, runFailing, served } from './helpers/faults.js';
import { nodeTurns, pairAt, tcpPair } from './helpers/fds.js';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { noise } from './helpers/pumps.js';
import { testOwnSockets as test } from './helpers/sockets-of.js';
import { caught, listener, owned, pair, readAll } from './helpers/sockets.js';
import { pythonOpens } from './helpers/special-fds.js';

const { READ, WRITE, ERROR, NONE } = IOLoop;
const PIECE = 4096;
const LIMIT = 1024 * 1024;

/** Sends bytes from `source` until the kernel is full. Returns how many. */
async function congest(socket: Socket, source: Buffer): Promise<number> {
  let at = 0;
  while (socket.unsent === 0) {
    while (socket.sendLater(source.subarray(at, at + PIECE))) at += PIECE;
    at += PIECE;
    await nodeTurns(1);
  }
  return at;
}

/** The next `length` bytes, by a handler. */
function receive(loop: IOLoop, socket: Socket, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let left = length;
    const read = (): void => {
      for (let chunk = socket.recv(left); chunk !== null; chunk = socket.recv(left)) {
        if (chunk.length === 0) {
          loop.removeHandler(socket);
          reject(new Error(`EOF with ${left} bytes to come`));
          return;
        }
        chunks.push(chunk);
        left -= chunk.length;
        if (left > 0) continue;
        loop.removeHandler(socket);
        resolve(Buffer.concat(chunks));
        return;
      }
    };
    loop.addHandler(socket, read, READ);
  });
}

/** The first call of a handler: its events. The handler stays. */
function called(loop: IOLoop, socket: Socket, events: number): Promise<number> {
  return new Promise((resolve) => {
    loop.addHandler(socket, (_, reported) => resolve(reported), events);
  });
}

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
