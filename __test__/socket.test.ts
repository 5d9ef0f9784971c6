/** Sockets as objects: options, arguments, ownership of the descriptor. */
import { closeSync, openSync } from 'node:fs';
import test from 'ava';
import { Socket, type SystemError } from 'ioloop';
import { caught, LOOPBACK, owned, pair } from './helpers/sockets.js';

test('options are read back as they were set', (t) => {
  const socket = owned(t, Socket.tcp());
  for (const name of ['reuseAddress', 'reusePort', 'noDelay', 'keepAlive'] as const) {
    t.is(socket.getOption(name), false, name);
    socket.setOption(name, true);
    t.is(socket.getOption(name), true, name);
    socket.setOption(name, false);
    t.is(socket.getOption(name), false, name);
  }
  for (const name of ['keepAliveIdle', 'keepAliveInterval', 'keepAliveCount'] as const) {
    socket.setOption(name, 7);
    t.is(socket.getOption(name), 7, name);
  }
  t.is(socket.getOption('keepAlive'), false);
  t.is(socket.getOption('linger'), -1);
  for (const seconds of [0, 5, -1]) {
    socket.setOption('linger', seconds);
    t.is(socket.getOption('linger'), seconds);
  }
  for (const name of ['receiveBuffer', 'sendBuffer'] as const) {
    socket.setOption(name, 32_768);
    t.true(socket.getOption(name) >= 32_768, name);
  }
});

test('v6Only is an option of IPv6 sockets', (t) => {
  let socket: Socket;
  try {
    socket = owned(t, Socket.tcp({ family: 6 }));
  } catch (error) {
    t.is((error as SystemError).code, 'EAFNOSUPPORT');
    return;
  }
  socket.setOption('v6Only', true);
  t.true(socket.getOption('v6Only'));
  const v4 = owned(t, Socket.tcp());
  t.is(caught(() => v4.getOption('v6Only')).syscall, 'getsockopt');
});

test('an option that does not exist, or a value of the wrong type, is refused', (t) => {
  const socket = owned(t, Socket.tcp());
  const loose = socket as unknown as { setOption(name: unknown, value: unknown): void };
  t.throws(() => loose.setOption('nodelay', true), {
    code: 'ERR_INVALID_ARG_VALUE',
    message: /noDelay/,
  });
  t.throws(() => loose.setOption('noDelay', 1), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => loose.setOption('linger', true), { code: 'ERR_INVALID_ARG_TYPE' });
  for (const value of [-2, 0.5, Number.NaN, 2 ** 31]) {
    t.throws(() => loose.setOption('linger', value), { code: 'ERR_OUT_OF_RANGE' });
  }
  t.throws(() => loose.setOption('sendBuffer', -1), { code: 'ERR_OUT_OF_RANGE' });
});

test('arguments are checked before anything happens', (t) => {
  const [first] = pair(t);
  const loose = first as unknown as Record<string, (...args: unknown[]) => unknown>;
  for (const size of [0, -1, 1.5, Number.NaN, 2 ** 30 + 1]) {
    t.throws(() => first.recv(size), { code: 'ERR_OUT_OF_RANGE' });
  }
  const wrong: [string, unknown, string][] = [
    ['recv', '10', 'ERR_INVALID_ARG_TYPE'],
    ['recvInto', [], 'ERR_INVALID_ARG_TYPE'],
    ['recvInto', new Uint8Array(0), 'ERR_OUT_OF_RANGE'],
    ['send', 5, 'ERR_INVALID_ARG_TYPE'],
    ['send', null, 'ERR_INVALID_ARG_TYPE'],
    ['shutdown', 'all', 'ERR_INVALID_ARG_VALUE'],
    ['listen', -1, 'ERR_OUT_OF_RANGE'],
    ['listen', 'many', 'ERR_INVALID_ARG_TYPE'],
    ['bind', '/tmp/a', 'ERR_INVALID_ARG_TYPE'],
    ['connect', { host: 'localhost', port: 80 }, 'ERR_INVALID_ARG_TYPE'],
  ];
  for (const [method, argument, code] of wrong) {
    t.throws(() => loose[method]?.(argument), { code }, method);
  }
  t.throws(() => Socket.tcp({ family: 5 as 4 }), { code: 'ERR_INVALID_ARG_VALUE' });
});

test('a closed socket refuses everything with EBADF, and close again is silent', (t) => {
  const [socket] = pair(t);
  t.false(socket.closed);
  socket.close();
  socket.close();
  t.true(socket.closed);
  t.is(socket.fd, -1);
  t.is(socket.fileno(), -1);
  const operations: (() => unknown)[] = [
    () => {
      socket.bind({ path: '/a' });
    },
    () => {
      socket.listen();
    },
    () => socket.accept(),
    () => socket.connect({ path: '/a' }),
    () => socket.takeError(),
    () => socket.recv(1),
    () => socket.recvInto(Buffer.alloc(1)),
    () => socket.send('a'),
    () => {
      socket.shutdown('both');
    },
    () => {
      socket.setOption('linger', 0);
    },
    () => socket.getOption('linger'),
    () => socket.localAddress,
    () => socket.remoteAddress,
  ];
  for (const operation of operations) t.is(caught(operation).code, 'EBADF', String(operation));
  t.regex(caught(() => socket.recv(1)).message, /closed/);
});

test('dispose closes', (t) => {
  const [socket] = pair(t);
  socket[Symbol.dispose]();
  t.true(socket.closed);
});

test('fromFd takes a socket over, whatever its family', (t) => {
  const [first] = pair(t);
  // Node has no dup(2): the number changes hands.
  const tcp = Socket.tcp();
  tcp.bind({ host: LOOPBACK, port: 0 });
  const taken = owned(t, Socket.fromFd(tcp.fd));
  t.is(taken.fd, tcp.fd);
  t.deepEqual(taken.localAddress, tcp.localAddress);
  taken.listen();
  const client = owned(t, Socket.tcp());
  t.notThrows(() => client.connect(taken.localAddress));
  t.deepEqual(Socket.fromFd(first.fd).localAddress, { path: '' });
});

test('fromFd refuses a descriptor that is not a socket, or not open', (t) => {
  const file = openSync('/dev/null', 'r');
  t.like(
    caught(() => Socket.fromFd(file)),
    { code: 'ENOTSOCK', fd: file },
  );
  closeSync(file);
  t.is(caught(() => Socket.fromFd(1_000_000)).code, 'EBADF');
  t.throws(() => Socket.fromFd(-1), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(() => Socket.fromFd('1' as unknown as number), { code: 'ERR_INVALID_ARG_TYPE' });
});
