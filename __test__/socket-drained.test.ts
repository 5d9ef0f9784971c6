/** When an operation of a socket proves that it is drained of what its handler was called for. */
import test from 'ava';
import { descriptorOf, readiness, type Descriptor } from '#internal';
import { Socket } from 'ioloop';
import { closeAll, tcpPair } from './helpers/fds.js';
import { listener, pair } from './helpers/sockets.js';

const { PRI, READ, READ_CLOSED, WRITE } = readiness;

/** The descriptor of `socket`, as it is in a handler that was called for `bits`. */
function reported(socket: Socket, bits: number): Descriptor {
  const descriptor = descriptorOf(socket) as Descriptor;
  descriptor.markReady(bits);
  return descriptor;
}

test('a short read of TCP drains, a full one does not', async (t) => {
  const [first, second] = await tcpPair();
  const descriptor = reported(first, READ);
  second.send('abcdef');
  first.recv(3);
  t.true(descriptor.isUndrained(READ));
  first.recv(3);
  t.true(descriptor.isUndrained(READ));
  first.recv(3);
  t.false(descriptor.isUndrained(READ));
  reported(first, READ);
  second.send('abc');
  first.recv(10);
  t.false(descriptor.isUndrained(READ));
  closeAll(first, second);
});

for (const [name, doubt] of Object.entries({
  'the peer has closed': READ_CLOSED,
  'an urgent mark was seen': PRI,
})) {
  test(`a short read of TCP proves nothing once ${name}`, async (t) => {
    const [first, second] = await tcpPair();
    const descriptor = reported(first, READ | doubt);
    second.send('abc');
    first.recv(10);
    t.true(descriptor.isUndrained(READ));
    first.recv(10);
    t.false(descriptor.isUndrained(READ));
    closeAll(first, second);
  });
}

test('EOF is not drained', (t) => {
  const [first, second] = pair(t);
  second.close();
  const descriptor = reported(first, READ);
  first.recv(10);
  t.true(descriptor.isUndrained(READ));
});

test('a short read of a Unix socket proves nothing, nothing to read does', (t) => {
  const [first, second] = pair(t);
  const adopted = Socket.fromFd(first.fd);
  for (const socket of [first, adopted]) {
    const descriptor = reported(socket, READ);
    second.send('abc');
    socket.recv(10);
    t.true(descriptor.isUndrained(READ));
    socket.recv(10);
    t.false(descriptor.isUndrained(READ));
  }
});

test('TCP that was adopted is as good as TCP that was made here', async (t) => {
  const [first, second] = await tcpPair();
  const adopted = Socket.fromFd(first.fd);
  const descriptor = reported(adopted, READ);
  second.send('abc');
  adopted.recv(10);
  t.false(descriptor.isUndrained(READ));
  closeAll(first, second);
});

test('a full send buffer and an empty backlog are drained', (t) => {
  const [first] = pair(t);
  const descriptor = reported(first, READ | WRITE);
  first.send('a');
  t.true(descriptor.isUndrained(WRITE));
  while (first.send(Buffer.alloc(65_536)) !== null);
  t.false(descriptor.isUndrained(WRITE));
  t.true(descriptor.isUndrained(READ));
  const server = listener(t);
  const listening = reported(server, READ);
  server.accept();
  t.false(listening.isUndrained(READ));
});

test('what a socket was drained of says nothing of another that gets its number', (t) => {
  const [first] = pair(t);
  const { fd } = first;
  reported(first, READ | WRITE);
  first.close();
  const next = pair(t).find((socket) => socket.fd === fd);
  t.not(next, undefined, 'the number is used again');
  if (next !== undefined) t.false(reported(next, 0).isUndrained(READ | WRITE));
});
