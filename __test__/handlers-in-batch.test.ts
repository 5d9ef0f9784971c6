/** What handlers do to each other, and to the loop, while the turn that called them goes on. */
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, pairAt, readablePair } from './helpers/fds.js';
import { countCalls, countTurns, runTurns, takeReports, withLoop } from './helpers/loop.js';

const { NONE, READ, WRITE } = IOLoop;

/** Two sources that are ready in the same turn; in which order is not promised. */
function twoReady(): { sockets: [Socket, Socket]; other(one: Socket): Socket; close(): void } {
  const [first, firstPeer] = readablePair();
  const [second, secondPeer] = readablePair();
  return {
    sockets: [first, second],
    other: (one) => (one === first ? second : first),
    close: () => closeAll(first, firstPeer, second, secondPeer),
  };
}

test('a handler that removes another ready one keeps it from being called', (t) =>
  withLoop(async (loop) => {
    const { sockets, other, close } = twoReady();
    const counter = countCalls(loop, sockets, (socket) => {
      loop.removeHandler(other(socket));
      loop.updateHandler(socket, NONE);
    });
    await runTurns(loop, 4);
    t.is(counter.calls, 1);
    close();
  }));

test('the first of a hundred ready handlers removes all others', (t) =>
  withLoop(async (loop) => {
    const pairs = Array.from({ length: 100 }, () => readablePair());
    const sockets = pairs.map(([readable]) => readable);
    const counter = countCalls(loop, sockets, () => {
      for (const each of sockets) loop.removeHandler(each);
    });
    await runTurns(loop, 4);
    t.is(counter.calls, 1);
    closeAll(...pairs.flat());
  }));

test('a handler that removes itself is not called again', (t) =>
  withLoop(async (loop) => {
    const { sockets, close } = twoReady();
    const counter = countCalls(loop, sockets, (socket) => loop.removeHandler(socket));
    await runTurns(loop, 4);
    t.is(counter.calls, 2);
    close();
  }));

test('a handler that removes and adds itself is called in the next turn, once', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    const [readable, peer] = readablePair();
    const turns: number[] = [];
    const handler = (): void => {
      turns.push(counter.turn);
      loop.removeHandler(readable);
      loop.addHandler(readable, handler, READ);
      if (turns.length === 4) loop.stop();
    };
    loop.addHandler(readable, handler, READ);
    await loop.start();
    const [first = 0] = turns;
    t.deepEqual(turns, [first, first + 1, first + 2, first + 3]);
    closeAll(readable, peer);
  }));

test('another ready source that is removed and added anew waits for the next turn', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    const { sockets, other, close } = twoReady();
    let swapped = 0;
    const anew: number[] = [];
    countCalls(loop, sockets, (socket) => {
      swapped = counter.turn;
      for (const each of sockets) loop.removeHandler(each);
      loop.addHandler(other(socket), () => anew.push(counter.turn), READ);
    });
    await runTurns(loop, 4);
    t.true(swapped > 0);
    t.is(anew[0], swapped + 1);
    close();
  }));

test('close() in a handler throws ERR_IOLOOP_RUNNING, and the rest of the turn runs', (t) =>
  withLoop(async (loop) => {
    const { sockets, close } = twoReady();
    const counter = countCalls(loop, sockets, (socket) => {
      loop.removeHandler(socket);
      t.throws(() => loop.close({ allFds: true }), { code: 'ERR_IOLOOP_RUNNING' });
      t.false(loop.closed);
      t.false(socket.closed);
    });
    await runTurns(loop, 4);
    t.is(counter.calls, 2);
    close();
  }));

test('stop() in a handler lets the rest of the turn run', (t) =>
  withLoop(async (loop) => {
    const { sockets, close } = twoReady();
    const counter = countCalls(loop, sockets, () => loop.stop());
    await loop.start();
    t.is(counter.calls, 2);
    close();
  }));

test('start() and runSync() in a handler reject, and the rest of the turn runs', (t) =>
  withLoop(async (loop) => {
    const { sockets, close } = twoReady();
    const code = 'ERR_IOLOOP_RUNNING';
    let rejected = 0;
    countCalls(loop, sockets, async (socket) => {
      loop.removeHandler(socket);
      await t.throwsAsync(loop.start(), { code });
      const nested = loop.runSync(() => null);
      await t.throwsAsync(nested, { code });
      rejected += 1;
      if (rejected === 2) loop.stop();
    });
    await loop.start();
    t.is(rejected, 2);
    close();
  }));

test('a handler that throws does not keep the others from being called', (t) =>
  withLoop(
    async (loop) => {
      const pairs = Array.from({ length: 10 }, () => readablePair());
      const sockets = pairs.map(([readable]) => readable);
      const counter = countCalls(loop, sockets, (socket) => {
        loop.removeHandler(socket);
        throw new Error('expected');
      });
      await runTurns(loop, 4);
      t.is(counter.calls, 10);
      t.is(takeReports(loop).length, 10);
      closeAll(...pairs.flat());
    },
    { capacities: { events: 1024 } },
  ));

test('an update to NONE in mid-batch takes effect at once', (t) =>
  withLoop(async (loop) => {
    const { sockets, other, close } = twoReady();
    const called: Socket[] = [];
    countCalls(loop, sockets, (socket) => {
      called.push(socket);
      loop.updateHandler(other(socket), NONE);
      loop.updateHandler(socket, NONE);
    });
    await runTurns(loop, 4);
    t.is(called.length, 1);
    const paused = other(called[0] as Socket);
    loop.updateHandler(paused, READ);
    await runTurns(loop, 4);
    t.is(called.length, 2);
    t.is(called[1], paused);
    close();
  }));

test('an update from READ to WRITE in mid-batch: READ is not reported any more', (t) =>
  withLoop(async (loop) => {
    const { sockets, other, close } = twoReady();
    const seen = new Map<Socket, number[]>(sockets.map((socket) => [socket, []]));
    const updated: Socket[] = [];
    countCalls(loop, sockets, (socket, events) => {
      seen.get(socket)?.push(events);
      if (updated.length > 0) return;
      updated.push(other(socket));
      loop.updateHandler(other(socket), WRITE);
    });
    await runTurns(loop, 5);
    const bits = seen.get(updated[0] as Socket) as number[];
    t.true(bits.length > 0);
    t.true(bits.every((events) => events === WRITE));
    close();
  }));

test('a handler that is added by a handler waits for the next turn', (t) =>
  withLoop(async (loop) => {
    const counter = countTurns(loop);
    const [readable, peer] = readablePair();
    const [later, laterPeer] = readablePair();
    let added = 0;
    const turns: number[] = [];
    countCalls(loop, readable, () => {
      added = counter.turn;
      loop.removeHandler(readable);
      loop.addHandler(later, () => turns.push(counter.turn), READ);
    });
    await runTurns(loop, 5);
    t.is(turns[0], added + 1);
    closeAll(readable, peer, later, laterPeer);
  }));

type Reused = ReturnType<typeof pairAt>;

for (const removes of [true, false]) {
  const how = removes ? 'removed and closed' : 'closed without removeHandler';

  test.serial(`an fd that is ${how} in mid-batch: its event does not reach the next owner`, (t) =>
    withLoop(async (loop) => {
      const { sockets, other, close } = twoReady();
      const reused: Reused[] = [];
      const nextOwner: string[] = [];
      const counter = countCalls(loop, sockets, (socket) => {
        loop.removeHandler(socket);
        const victim = other(socket);
        const { fd } = victim;
        if (removes) loop.removeHandler(victim);
        victim.close();
        const next = pairAt(fd);
        reused.push(next);
        loop.addHandler(next.at, () => nextOwner.push(String(next.at.recv(10))), READ);
      });
      await runTurns(loop, 5);
      t.is(counter.calls, 1);
      t.deepEqual(nextOwner, [], 'nothing was sent to the next owner');
      reused[0]?.peer.send('hello');
      await runTurns(loop, 5);
      t.deepEqual(nextOwner, ['hello']);
      reused[0]?.close();
      close();
    }),
  );
}

test.serial(
  'an fd that is closed and reused in mid-batch, with data: called in the next turn',
  (t) =>
    withLoop(async (loop) => {
      const counter = countTurns(loop);
      const { sockets, other, close } = twoReady();
      let swapped = 0;
      const reused: Reused[] = [];
      const turns: number[] = [];
      countCalls(loop, sockets, (socket) => {
        swapped = counter.turn;
        loop.removeHandler(socket);
        const { fd } = other(socket);
        other(socket).close();
        const next = pairAt(fd);
        reused.push(next);
        next.peer.send('early');
        loop.addHandler(next.at, () => turns.push(counter.turn), READ);
      });
      await runTurns(loop, 5);
      t.is(turns[0], swapped + 1);
      reused[0]?.close();
      close();
    }),
);

test.serial('an fd that a callback closes and reuses before the handlers run', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const { fd } = readable;
    const counter = countCalls(loop, readable);
    await runTurns(loop, 2);
    const { calls } = counter;
    t.true(calls > 0);
    const reused: Reused[] = [];
    const nextOwner: unknown[] = [];
    loop.addCallback(() => {
      // The reactor has reported the source in this turn: it is on the ready list.
      readable.close();
      const next = pairAt(fd);
      reused.push(next);
      loop.addHandler(next.at, () => nextOwner.push(1), READ);
    });
    await runTurns(loop, 5);
    t.is(counter.calls, calls);
    t.deepEqual(nextOwner, []);
    t.is(reused.length, 1);
    reused[0]?.close();
    peer.close();
  }),
);
