/** Sources that were closed without `removeHandler`. */
import { writeSync } from 'node:fs';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, isOpen, nodeTurns, pairAt, pipe, readablePair } from './helpers/fds.js';
import { countCalls, runTurns, withLoop, type ReportingLoop } from './helpers/loop.js';

const { NONE, READ } = IOLoop;

/** Runs `body` for a source that was closed without removeHandler, idle or reported before. */
function testClosed(title: string, body: (loop: ReportingLoop, fd: number) => Promise<void>): void {
  for (const ready of [true, false]) {
    const state = ready ? 'reported before' : 'idle';
    test.serial(`closed without removeHandler (${state}): ${title}`, (t) =>
      withLoop(async (loop) => {
        const [reader, writer] = pipe();
        if (ready) writeSync(writer, 'x');
        const counter = countCalls(loop, reader);
        await runTurns(loop, 3);
        const { calls } = counter;
        t.is(calls > 0, ready);
        closeAll(reader, writer);
        await body(loop, reader);
        t.is(counter.calls, calls);
      }),
    );
  }
}

testClosed('the loop goes on, the handler is not called', async (loop) => {
  await runTurns(loop, 5);
  const [readable, peer] = readablePair();
  loop.addHandler(readable, () => loop.stop(), READ);
  await loop.start();
  closeAll(readable, peer);
});

testClosed('a sleeping loop is not woken', async (loop) => {
  const running = loop.start();
  await nodeTurns();
  loop.stop();
  await running;
});

testClosed('removeHandler is silent', async (loop, fd) => {
  loop.removeHandler(fd);
  await runTurns(loop, 3);
  loop.removeHandler(fd);
});

test.serial('closed without removeHandler: updateHandler throws ERR_IOLOOP_FD_UNKNOWN', (t) =>
  withLoop(async (loop) => {
    for (const turns of [1, 5]) {
      const [readable, peer] = readablePair();
      const { fd } = readable;
      loop.addHandler(fd, () => {}, READ);
      await runTurns(loop, 3);
      closeAll(readable, peer);
      await runTurns(loop, turns);
      t.throws(() => loop.updateHandler(fd, READ), { code: 'ERR_IOLOOP_FD_UNKNOWN' });
      t.throws(() => loop.updateHandler(fd, READ), { code: 'ERR_IOLOOP_FD_UNKNOWN' });
    }
  }),
);

testClosed('the number can be registered anew when another file has it', async (loop, fd) => {
  const { at, peer, close } = pairAt(fd);
  loop.addHandler(at, () => loop.stop(), READ);
  peer.send('x');
  await loop.start();
  close();
});

testClosed('the number can be registered anew after some turns', async (loop, fd) => {
  await runTurns(loop, 5);
  const { at, peer, close } = pairAt(fd);
  loop.addHandler(at, () => loop.stop(), READ);
  peer.send('x');
  await loop.start();
  close();
});

testClosed(
  'another file with its number that is not registered is not reported',
  async (loop, fd) => {
    const { peer, close } = pairAt(fd);
    peer.send('x');
    await runTurns(loop, 5);
    close();
  },
);

testClosed('what is done to it later does not touch a younger registration', async (loop, fd) => {
  // The core drops the closed one by itself, and the next may get its place.
  await runTurns(loop, 5);
  const [first, firstPeer] = Socket.pair();
  const [second, secondPeer] = Socket.pair();
  const [third, thirdPeer] = Socket.pair();
  const sockets = [first, second, third].filter((socket) => socket.fd !== fd);
  const called = new Set<Socket>();
  for (const socket of sockets) {
    loop.addHandler(
      socket,
      () => {
        called.add(socket);
        if (called.size === sockets.length) loop.stop();
      },
      READ,
    );
  }
  try {
    loop.updateHandler(fd, NONE);
  } catch {
    // As it should.
  }
  loop.removeHandler(fd);
  for (const peer of [firstPeer, secondPeer, thirdPeer]) peer.send('x');
  for (const socket of [first, second, third]) {
    if (!sockets.includes(socket)) closeAll(socket);
  }
  await loop.start();
  closeAll(first, second, third, firstPeer, secondPeer, thirdPeer);
});

test.serial('an object that was closed without removeHandler can be removed by itself', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    loop.addHandler(readable, () => {}, READ);
    await runTurns(loop, 3);
    closeAll(readable, peer);
    await runTurns(loop, 3);
    t.notThrows(() => loop.removeHandler(readable));
    t.notThrows(() => loop.removeHandler(readable));
    t.throws(() => loop.updateHandler(readable, READ), { code: 'EBADF' });
  }),
);

test.serial('an object that has lost its number is removed by itself', (t) =>
  withLoop(async (loop) => {
    const [reader, writer] = pipe();
    const file = { fd: reader };
    let calls = 0;
    loop.addHandler(file, () => (calls += 1), READ);
    // As a `FileHandle` that was closed; the descriptor itself is open, so that it can report.
    file.fd = -1;
    loop.removeHandler(file);
    writeSync(writer, 'x');
    await runTurns(loop, 4);
    t.is(calls, 0);
    t.throws(() => loop.updateHandler(reader, READ), { code: 'ERR_IOLOOP_FD_UNKNOWN' });
    closeAll(reader, writer);
  }),
);

test.serial('a loop works after a thousand sources that were closed without removeHandler', (t) =>
  withLoop(async (loop) => {
    for (let round = 0; round < 10; round += 1) {
      const pairs = Array.from({ length: 100 }, () => readablePair());
      for (const [readable] of pairs) loop.addHandler(readable.fd, () => {}, READ);
      await runTurns(loop, 2);
      closeAll(...pairs.flat());
      await runTurns(loop, 1);
    }
    const [readable, peer] = readablePair();
    const counter = countCalls(loop, readable, () => loop.stop());
    await loop.start();
    t.is(counter.calls, 1);
    closeAll(readable, peer);
  }),
);

test.serial(
  'a socket whose handler cannot be ended is closed, and its other handlers end',
  async (t) => {
    await withLoop((first) =>
      withLoop((second) => {
        const [mine, peer] = Socket.pair();
        const { fd } = mine;
        // It looks like a stream of Node's, whose reading is resumed when the handler ends.
        const file = {
          fd,
          listenerCount: () => 0,
          readableLength: 0,
          _handle: {
            readStop: () => {},
            reading: true,
            readStart() {
              throw new Error('gone');
            },
          },
        };
        first.addHandler(file, () => {}, READ);
        second.addHandler(mine, () => {}, READ);
        t.throws(() => mine.close(), { message: 'gone' });
        t.false(isOpen(fd));
        t.throws(() => second.updateHandler(fd, READ), { code: 'ERR_IOLOOP_FD_UNKNOWN' });
        peer.close();
      }),
    );
  },
);
