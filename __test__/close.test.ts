/** `close({ allFds })`: closes what is registered, each in its own way, and only that. */
import test from 'ava';
import { IOLoop, Socket, type FdLike } from 'ioloop';
import { closeAll, pipe, readablePair, isOpen } from './helpers/fds.js';
import { ReportingLoop, runTurns } from './helpers/loop.js';

const { READ, WRITE } = IOLoop;

test.serial('close() leaves what is registered open', (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const [reader, writer] = pipe();
  const [socket, peer] = Socket.pair();
  loop.addHandler(reader, () => {}, READ);
  loop.addHandler(socket, () => {}, READ);
  loop.close();
  t.true(isOpen(reader));
  t.false(socket.closed);
  closeAll(reader, writer, socket, peer);
});

test.serial('close({ allFds: true }) closes objects by close() and numbers by close(2)', (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const [reader, writer] = pipe();
  const [socket, peer] = Socket.pair();
  const [other, otherPeer] = Socket.pair();
  const closes: unknown[] = [];
  const wrapped = {
    fileno: () => other.fd,
    close(): void {
      closes.push(this);
      other.close();
    },
  };
  loop.addHandler(reader, () => {}, READ);
  loop.addHandler(socket, () => {}, READ);
  loop.addHandler(wrapped, () => {}, READ);
  loop.close({ allFds: true });
  t.false(isOpen(reader));
  t.true(socket.closed);
  t.deepEqual(closes, [wrapped]);
  t.true(isOpen(writer), 'was not registered');
  t.false(peer.closed);
  closeAll(writer, peer, otherPeer);
});

test.serial('close({ allFds: true }) leaves alone what was removed', (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const [socket, peer] = Socket.pair();
  loop.addHandler(socket, () => {}, READ);
  loop.removeHandler(socket);
  loop.close({ allFds: true });
  t.false(socket.closed);
  closeAll(socket, peer);
});

test.serial('close({ allFds: true }) is idempotent: a number is closed once', (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const [reader, writer] = pipe();
  loop.addHandler(reader, () => {}, READ);
  loop.close({ allFds: true });
  const [next, nextWriter] = pipe();
  loop.close({ allFds: true });
  loop.close();
  t.true(isOpen(next));
  t.true(isOpen(nextWriter));
  closeAll(writer, next, nextWriter);
});

test.serial('close({ allFds: true }) goes through closeFd, which a subclass may override', (t) => {
  class Keeping extends ReportingLoop {
    readonly asked: FdLike[] = [];
    override closeFd(fd: FdLike): void {
      t.true(this.closed);
      this.asked.push(fd);
    }
  }
  const loop = new Keeping({ makeCurrent: false });
  const [reader, writer] = pipe();
  const [socket, peer] = Socket.pair();
  loop.addHandler(reader, () => {}, READ);
  loop.addHandler(socket, () => {}, READ);
  loop.close({ allFds: true });
  t.deepEqual(new Set(loop.asked), new Set<FdLike>([reader, socket]));
  t.false(socket.closed);
  closeAll(reader, writer, socket, peer);
});

test.serial('a close() that throws is reported, and the others are closed', (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const pairs = Array.from({ length: 3 }, () => Socket.pair());
  const error = new Error('will not close');
  for (const [index, [socket]] of pairs.entries()) {
    const file = {
      fileno: () => socket.fd,
      close(): void {
        if (index === 1) throw error;
        socket.close();
      },
    };
    loop.addHandler(file, () => {}, READ);
  }
  t.notThrows(() => loop.close({ allFds: true }));
  t.deepEqual(loop.errors, [error]);
  t.deepEqual(
    pairs.map(([socket]) => socket.closed),
    [true, false, true],
  );
  t.true(loop.closed);
  closeAll(...pairs.flat());
});

test.serial('close({ allFds: true }) accepts a descriptor that is closed already', (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const [reader, writer] = pipe();
  const [socket, peer] = Socket.pair();
  loop.addHandler(reader, () => {}, READ);
  loop.addHandler(socket, () => {}, READ);
  closeAll(reader, writer, socket, peer);
  t.notThrows(() => loop.close({ allFds: true }));
  t.deepEqual(loop.errors, []);
});

test.serial('close({ allFds: true }) of a loop that has run', async (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const pairs = Array.from({ length: 20 }, () => readablePair());
  for (const [readable, peer] of pairs) {
    loop.addHandler(readable, () => {}, READ);
    loop.addHandler(peer, () => {}, READ | WRITE);
  }
  await runTurns(loop, 5);
  loop.close({ allFds: true });
  t.true(pairs.flat().every((socket) => socket.closed));
});

test.serial('a close() that closes the loop again, and removes handlers', (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const [first, second] = Socket.pair();
  let closes = 0;
  for (const socket of [first, second]) {
    const file = {
      fileno: () => socket.fd,
      close(): void {
        closes += 1;
        loop.close({ allFds: true });
        loop.removeHandler(file);
        socket.close();
      },
    };
    loop.addHandler(file, () => {}, READ);
  }
  loop.close({ allFds: true });
  t.is(closes, 2);
  t.deepEqual(loop.errors, []);
});

test.serial('close() while start() is still to be continued', async (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const [socket, peer] = readablePair();
  loop.addHandler(socket, () => loop.stop(), READ);
  const running = loop.start().then(() => loop.close({ allFds: true }));
  await running;
  t.true(socket.closed);
  closeAll(peer);
});
