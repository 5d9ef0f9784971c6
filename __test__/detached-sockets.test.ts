/** `Socket.detach()` and `Socket.attach()`: what moves, what is refused, and tokens that are not. */
import { closeSync, readlinkSync } from 'node:fs';
import { deserialize, serialize } from 'node:v8';
import test from 'ava';
import { descriptorOf } from '#internal';
import { IOLoop, IOStream, Socket, type Address, type DetachedToken } from 'ioloop';
import { serialIf } from './helpers/conditions.js';
import { HAS_PROC, isOpen, until } from './helpers/fds.js';
import { firstEvents, onLoop, withLoop } from './helpers/loop.js';
import { accepted, caught, listener, owned, pair } from './helpers/sockets.js';

/** A copy of a token, as a message has it. */
function sent<T>(token: T): T {
  return structuredClone(token);
}

test.serial('a connected socket moves with the data in the kernel', (t) => {
  const [near, far] = pair(t);
  far.send('hello');
  const token = near.detach();
  t.is(Socket.detachedCount, 1);
  const attached = owned(t, Socket.attach(sent(token)));
  t.is(Socket.detachedCount, 0);
  t.is(String(attached.recv(10)), 'hello');
  attached.send('there');
  t.is(String(far.recv(10)), 'there');
  t.deepEqual(attached.localAddress, { path: '' });
});

test('a token is a small plain object', (t) => {
  const [near] = pair(t);
  const token = near.detach();
  owned(t, Socket.attach(deserialize(serialize(token)) as typeof token));
  t.deepEqual(Object.keys(token), ['detached', 'key', 'pid', 'kind']);
  t.is(token.pid, process.pid);
  t.is(token.kind, 'socket');
});

test('the number is the same as long as no other code has it', (t) => {
  const [near] = pair(t);
  const number = descriptorOf(near)?.use();
  const attached = owned(t, Socket.attach(near.detach()));
  t.is(descriptorOf(attached)?.use(), number);
  t.false(descriptorOf(attached)?.isExposed);
});

test.serial('a number that was read is closed, and the socket has another one', (t) => {
  const [near, far] = pair(t);
  const number = near.fd;
  const token = near.detach();
  t.false(isOpen(number));
  const attached = owned(t, Socket.attach(token));
  t.false(descriptorOf(attached)?.isExposed);
  far.send('x');
  t.is(String(attached.recv(1)), 'x');
});

test('an adopted number moves as a duplicate', (t) => {
  const [near, far] = pair(t);
  const again = Socket.fromFd(near.fd);
  const attached = owned(t, Socket.attach(again.detach()));
  // Both have owned the number, which is closed.
  t.is(caught(() => near.recv(1)).code, 'EBADF');
  far.send('x');
  t.is(String(attached.recv(1)), 'x');
});

test('a listening socket moves, and accepts', async (t) => {
  const server = listener(t);
  const address = server.localAddress;
  const attached = owned(t, Socket.attach(server.detach()));
  t.deepEqual(attached.localAddress, address);
  const client = owned(t, Socket.tcp());
  client.connect(address);
  const [connection, peer] = await accepted(t, attached);
  t.deepEqual(peer, client.localAddress);
  t.deepEqual(connection.remoteAddress, client.localAddress);
});

test('a connection in progress moves, and its error has the address', async (t) => {
  const closed = listener(t);
  const address = closed.localAddress as { host: string; port: number };
  closed.close();
  const client = owned(t, Socket.tcp());
  // The object of the program is not cloned.
  client.connect({ ...address, log: () => {} } as Address);
  const attached = owned(t, Socket.attach(client.detach()));
  await withLoop(async (loop) => {
    await firstEvents(loop, attached, IOLoop.WRITE);
    const error = attached.takeError() as NodeJS.ErrnoException & { port?: number };
    t.is(error.code, 'ECONNREFUSED');
    t.is(error.port, address.port);
  });
});

test('options of the socket stay', (t) => {
  const socket = owned(t, Socket.tcp());
  socket.setOption('noDelay', true);
  const attached = owned(t, Socket.attach(socket.detach()));
  t.true(attached.getOption('noDelay'));
});

test('a socket of every family moves', (t) => {
  const sockets: [Socket, Address][] = [
    [Socket.tcp(), { host: '', port: 0 }],
    [Socket.tcp({ family: 6 }), { host: '', port: 0 }],
    [Socket.unix(), { path: `\0ioloop-detached-${process.pid}` }],
  ];
  for (const [socket, address] of sockets) {
    const attached = owned(t, Socket.attach(socket.detach()));
    attached.bind(address);
    t.deepEqual(Object.keys(attached.localAddress), Object.keys(address));
  }
});

test('every method of a detached socket fails by code, except close()', (t) => {
  const [near] = pair(t);
  const token = near.detach();
  owned(t, Socket.attach(token));
  const uses: (() => unknown)[] = [
    () => near.localAddress,
    () => near.remoteAddress,
    () => near.recv(1),
    () => near.recvInto(Buffer.alloc(1)),
    () => near.send('x'),
    () => near.shutdown('both'),
    () => near.accept(),
    () => near.listen(),
    () => near.takeError(),
    () => near.bind({ path: '\0x' }),
    () => near.connect({ path: '\0x' }),
    () => near.setOption('keepAlive', true),
    () => near.getOption('keepAlive'),
    () => near.detach(),
    () => new IOStream(near),
    () => new IOLoop({ makeCurrent: false }).addHandler(near, () => {}, IOLoop.READ),
  ];
  for (const use of uses) t.is(caught(use).code, 'ERR_IOLOOP_DETACHED', String(use));
  t.true(near.closed);
  t.is(near.fd, -1);
  near.close();
});

test('close() of a detached socket leaves the attached one alone', (t) => {
  const [near, far] = pair(t);
  const token = near.detach();
  near.close();
  const attached = owned(t, Socket.attach(token));
  near.close();
  far.send('x');
  t.is(String(attached.recv(1)), 'x');
});

test('a socket with a handler is refused, and unchanged', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    const read = new Promise((resolve) => {
      loop.addHandler(near, () => resolve(String(near.recv(10))), IOLoop.READ);
    });
    t.is(caught(() => near.detach()).code, 'ERR_IOLOOP_SOCKET_BUSY');
    far.send('x');
    t.is(await read, 'x');
    loop.removeHandler(near);
    owned(t, Socket.attach(near.detach()));
  }));

test('a socket with a stream is refused: the stream moves', (t) =>
  onLoop((loop) => {
    const [near] = pair(t);
    const stream = new IOStream(near, { loop });
    t.is(caught(() => near.detach()).code, 'ERR_IOLOOP_SOCKET_BUSY');
    t.false(stream.closed);
    owned(t, near);
    IOStream.attach(stream.detach(), { loop }).close();
  }));

test('in its own handler a socket moves, when the handler is removed', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    const token = await new Promise<DetachedToken<'socket'>>((resolve) => {
      loop.addHandler(
        near,
        () => {
          loop.removeHandler(near);
          resolve(near.detach());
        },
        IOLoop.READ,
      );
      far.send('x');
    });
    const attached = owned(t, Socket.attach(token));
    t.is(await firstEventsOn(loop, attached), IOLoop.READ);
    t.is(String(attached.recv(1)), 'x');
  }));

function firstEventsOn(loop: IOLoop, socket: Socket): Promise<number> {
  return new Promise((resolve) => {
    loop.addHandler(
      socket,
      (_, events) => {
        loop.removeHandler(socket);
        resolve(events);
      },
      IOLoop.READ,
    );
  });
}

test('a closed socket, and one whose number was closed elsewhere, are refused', (t) => {
  const [near, far] = pair(t);
  near.close();
  t.is(caught(() => near.detach()).code, 'EBADF');
  closeSync(far.fd);
  t.is(caught(() => far.detach()).code, 'EBADF');
});

test('a second attach is refused by code', (t) => {
  const [near] = pair(t);
  const token = near.detach();
  owned(t, Socket.attach(token));
  t.is(caught(() => Socket.attach(token)).code, 'ERR_IOLOOP_ATTACHED');
  t.is(caught(() => IOStream.attach(token)).code, 'ERR_IOLOOP_ATTACHED');
});

test('ids are not used again: an old token stays invalid', (t) => {
  let socket = pair(t)[0];
  const tokens: DetachedToken<'socket'>[] = [];
  for (let round = 0; round < 100; round += 1) {
    const token = socket.detach();
    tokens.push(token);
    socket = owned(t, Socket.attach(token));
  }
  t.is(new Set(tokens.map(({ detached }) => detached)).size, 100);
  for (const token of tokens) t.is(caught(() => Socket.attach(token)).code, 'ERR_IOLOOP_ATTACHED');
});

test('the token of another process is refused by a code of its own, and can be attached there', (t) => {
  const [near, far] = pair(t);
  const token = near.detach();
  const other = process.pid + 1;
  const error = caught(() => Socket.attach({ ...token, pid: other }));
  t.is(error.code, 'ERR_IOLOOP_OTHER_PROCESS');
  t.regex(error.message, RegExp(`is of process ${other}: .*Attach it there`));
  const attached = Socket.attach(token);
  attached.send('x');
  t.is(String(far.recv(1)), 'x');
  attached.close();
});

test('what is not a token is refused, and takes nothing', (t) => {
  const [near] = pair(t);
  const token = near.detach();
  const { detached, key } = token;
  const types: unknown[] = [
    undefined,
    null,
    0,
    detached,
    'token',
    Symbol('token'),
    () => {},
    {},
    [],
    { ...token, detached: String(detached) },
    { ...token, detached: BigInt(detached) },
    { ...token, key: undefined },
    { ...token, pid: undefined },
    { ...token, pid: String(process.pid) },
  ];
  for (const value of types) {
    t.is(caught(() => Socket.attach(value as never)).code, 'ERR_INVALID_ARG_TYPE');
  }
  const values: unknown[] = [
    { ...token, kind: 'stream' },
    { ...token, kind: 'pipe' },
    { ...token, kind: 'toString' },
    { ...token, kind: undefined },
    { ...token, key: key + 1 },
    { ...token, key: -key },
    { ...token, key: Number.NaN },
    ...[detached + 1, detached - 1, -detached, detached + 0.5, 0, -1].map((id) => ({
      ...token,
      detached: id,
    })),
    ...[Number.NaN, Infinity, -Infinity, 2 ** 53, 2 ** 64, 2 ** 32 + detached].map((id) => ({
      ...token,
      detached: id,
    })),
  ];
  for (const value of values) {
    t.is(caught(() => Socket.attach(value as never)).code, 'ERR_INVALID_ARG_VALUE');
    t.true(['ERR_INVALID_ARG_VALUE'].includes(caught(() => IOStream.attach(value as never)).code));
  }
  owned(t, Socket.attach(token));
});

test('random tokens are refused', (t) => {
  const [near] = pair(t);
  const token = near.detach();
  for (let round = 0; round < 2_000; round += 1) {
    const key = Math.floor(Math.random() * 2 ** 53);
    const detached = Math.floor(Math.random() * 2 * token.detached);
    const error = caught(() => Socket.attach({ ...token, key, detached }));
    t.is(error.code, 'ERR_INVALID_ARG_VALUE');
  }
  owned(t, Socket.attach(token));
});

serialIf(HAS_PROC, '/proc')('a detached socket is open, and nothing else', async (t) => {
  const [near, far] = Socket.pair();
  const link = readlinkSync(`/proc/self/fd/${descriptorOf(near)?.use()}`);
  const token = near.detach();
  far.close();
  t.true(link.startsWith('socket:'));
  const attached = Socket.attach(token);
  const number = attached.fd;
  attached.close();
  await until(() => !isOpen(number), 'the close');
  t.is(Socket.detachedCount, 0);
});
