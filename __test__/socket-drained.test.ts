/** Which results of a socket prove that it is drained. */
import test from 'ava';
import { undrained } from '#internal';
import { Socket } from 'ioloop';
import { closeAll, tcpPair } from './helpers/fds.js';
import { listener, pair } from './helpers/sockets.js';

test('a short read of TCP drains, a full one does not', async (t) => {
  const [first, second] = await tcpPair();
  const { READ, READ_CLOSED, URGENT } = undrained;
  const isUndrained = (): boolean => undrained.isUndrained(first.fd, READ);
  undrained.mark(first.fd, READ);
  second.send('abcdef');
  first.recv(3);
  t.true(isUndrained());
  first.recv(3);
  t.true(isUndrained());
  first.recv(3);
  t.false(isUndrained());
  undrained.mark(first.fd, READ);
  second.send('abc');
  first.recv(10);
  t.false(isUndrained());
  for (const doubt of [READ_CLOSED, URGENT]) {
    undrained.forget(first.fd);
    undrained.mark(first.fd, READ | doubt);
    second.send('abc');
    first.recv(10);
    t.true(isUndrained());
    first.recv(10);
    t.false(isUndrained());
  }
  closeAll(first, second);
});

test('the end of the file is not drained', (t) => {
  const [first, second] = pair(t);
  second.close();
  undrained.mark(first.fd, undrained.READ);
  first.recv(10);
  t.true(undrained.isUndrained(first.fd, undrained.READ));
});

test('a short read of a Unix socket proves nothing, nothing to read does', (t) => {
  const [first, second] = pair(t);
  const adopted = Socket.fromFd(first.fd);
  for (const socket of [first, adopted]) {
    undrained.mark(first.fd, undrained.READ);
    second.send('abc');
    socket.recv(10);
    t.true(undrained.isUndrained(first.fd, undrained.READ));
    socket.recv(10);
    t.false(undrained.isUndrained(first.fd, undrained.READ));
  }
});

test('TCP that was adopted is as good as TCP that was made here', async (t) => {
  const [first, second] = await tcpPair();
  const adopted = Socket.fromFd(first.fd);
  undrained.mark(first.fd, undrained.READ);
  second.send('abc');
  adopted.recv(10);
  t.false(undrained.isUndrained(first.fd, undrained.READ));
  closeAll(first, second);
});

test('a full send buffer and an empty backlog are drained', (t) => {
  const [first] = pair(t);
  undrained.mark(first.fd, undrained.WRITE);
  first.send('a');
  t.true(undrained.isUndrained(first.fd, undrained.WRITE));
  while (first.send(Buffer.alloc(65_536)) !== null);
  t.false(undrained.isUndrained(first.fd, undrained.WRITE));
  const server = listener(t);
  undrained.mark(server.fd, undrained.READ);
  server.accept();
  t.false(undrained.isUndrained(server.fd, undrained.READ));
});

test('a closed number starts anew', (t) => {
  const [first] = pair(t);
  const { fd } = first;
  undrained.mark(fd, undrained.READ | undrained.WRITE);
  first.close();
  t.false(undrained.isUndrained(fd, undrained.READ | undrained.WRITE));
});

test('the table of undrained bits grows, and ends at a million', (t) => {
  const { READ, WRITE } = undrained;
  for (const fd of [0, 1023, 1024, 5000, 2 ** 20 - 1]) {
    t.false(undrained.isUndrained(fd, READ));
    undrained.mark(fd, READ);
    t.true(undrained.isUndrained(fd, READ | WRITE));
    t.false(undrained.isUndrained(fd, WRITE));
    undrained.drained(fd, READ);
    t.false(undrained.isUndrained(fd, READ));
  }
  for (const fd of [2 ** 20, 2 ** 31 - 1]) {
    undrained.mark(fd, READ);
    undrained.drained(fd, READ);
    t.true(undrained.isUndrained(fd, READ));
  }
});
