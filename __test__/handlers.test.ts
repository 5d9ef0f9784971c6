/** Handlers of descriptors: what they are called with, and what their errors do. */
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, readablePair } from './helpers/fds.js';
import { countCalls, runTurns, start, takeReports, withLoop } from './helpers/loop.js';

const { NONE, READ, WRITE } = IOLoop;

test('the handler receives exactly what was passed', (t) =>
  withLoop(async (loop) => {
    const pairs = Array.from({ length: 4 }, () => readablePair());
    const fds = pairs.map(([readable]) => readable.fd);
    const things = [
      fds[0] as number,
      (pairs[1] as [Socket, Socket])[0],
      { fileno: () => fds[2] as number },
      { fd: fds[3] as number },
    ];
    const seen = new Set<unknown>();
    for (const thing of things) loop.addHandler(thing, (passed) => seen.add(passed), READ);
    await runTurns(loop, 3);
    t.deepEqual(
      things.map((thing) => seen.has(thing)),
      [true, true, true, true],
    );
    t.is(seen.size, 4);
    closeAll(...pairs.flat());
  }));

test('an object and its number are one registration', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const { fd } = readable;
    const seen: unknown[] = [];
    loop.addHandler(readable, (passed) => seen.push(passed), READ);
    t.throws(() => loop.addHandler(fd, () => {}, READ), { code: 'ERR_IOLOOP_FD_REGISTERED' });
    t.throws(() => loop.addHandler({ fd }, () => {}, READ), { code: 'ERR_IOLOOP_FD_REGISTERED' });
    loop.updateHandler(fd, NONE);
    await runTurns(loop, 3);
    t.deepEqual(seen, []);
    loop.updateHandler({ fileno: () => fd }, READ);
    await runTurns(loop, 3);
    t.true(seen.length > 0 && seen.every((passed) => passed === readable));
    loop.removeHandler(fd);
    loop.addHandler(fd, () => {}, READ);
    loop.removeHandler(readable);
    t.throws(() => loop.updateHandler(fd, READ), { code: 'ERR_IOLOOP_FD_UNKNOWN' });
    closeAll(readable, peer);
  }));

test('a handler that was removed is not called, and the fd can be added anew', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const removed = countCalls(loop, readable);
    loop.removeHandler(readable);
    loop.removeHandler(readable);
    await runTurns(loop, 3);
    const added = countCalls(loop, readable, () => loop.stop());
    await loop.start();
    t.deepEqual([removed.calls, added.calls], [0, 1]);
    closeAll(readable, peer);
  }));

test('the same fd may be registered in two loops', (t) =>
  withLoop((first) =>
    withLoop(async (second) => {
      const [readable, peer] = readablePair();
      const counters = [first, second].map((loop) => countCalls(loop, readable, () => loop.stop()));
      await Promise.all([first.start(), second.start()]);
      t.deepEqual(
        counters.map(({ calls }) => calls),
        [1, 1],
      );
      closeAll(readable, peer);
    }),
  ));

test('a drain in one loop does not hide new data from another', (t) =>
  withLoop((first) =>
    withLoop(async (second) => {
      const [readable, peer] = Socket.pair();
      const seen: string[] = [];
      const handler = (name: string) => (): void => {
        if (readable.recv(10) !== null) seen.push(name);
        if (seen.length === 2) [first, second].map((loop) => loop.stop());
        else if (seen.length === 1) peer.send('y');
      };
      first.addHandler(readable, handler('first'), READ);
      second.addHandler(readable, handler('second'), READ);
      const running = Promise.all([first.start(), second.start()]);
      peer.send('x');
      await running;
      t.is(seen.length, 2);
      closeAll(readable, peer);
    }),
  ));

test('a handler that awaits before it reads is not called for what it has read', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair('one');
    const read: string[] = [];
    countCalls(loop, readable, async () => {
      await Promise.resolve();
      const data = readable.recv(10);
      if (data !== null) read.push(data.toString());
      if (read.length === 1) peer.send('two');
      else loop.stop();
    });
    await loop.start();
    t.deepEqual(read, ['one', 'two']);
    closeAll(readable, peer);
  }));

test('EPIPE out of a handler is silent, and the handler stays', (t) =>
  withLoop(async (loop) => {
    const [socket, peer] = Socket.pair();
    peer.close();
    const handler = (): void => {
      if (counter.calls === 3) loop.stop();
      socket.send('x');
    };
    const counter = countCalls(loop, socket, handler, WRITE);
    await loop.start();
    t.is(counter.calls, 3);
    t.deepEqual(takeReports(loop), []);
    loop.removeHandler(socket);
    socket.close();
  }));

test('another error out of a handler is reported each time, and the handler stays', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    let calls = 0;
    const handler = (): void => {
      calls += 1;
      if (calls === 3) loop.stop();
      throw new Error(`call ${calls}`);
    };
    loop.addHandler(readable, handler, READ);
    await loop.start();
    const reports = takeReports(loop);
    t.deepEqual(
      reports.map(({ error }) => (error as Error).message),
      ['call 1', 'call 2', 'call 3'],
    );
    t.true(reports.every(({ callback }) => callback === handler));
    closeAll(readable, peer);
  }));

test('EPIPE out of a callback is reported: only handlers expect it', (t) =>
  withLoop(async (loop) => {
    const [socket, peer] = Socket.pair();
    peer.close();
    await start(loop, () => {
      loop.stop();
      socket.send('x');
    });
    t.is(takeReports(loop).length, 1);
    socket.close();
  }));
