/** What handlers do to each other, and to the loop, while the turn that called them goes on. */
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { closeAll, pairAt, readablePair } from './helpers/fds.js';
import { countTurns, runTurns, takeReports, withLoop } from './helpers/loop.js';

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
    let calls = 0;
    for (const socket of sockets) {
      loop.addHandler(
        socket,
        () => {
          calls += 1;
          loop.removeHandler(other(socket));
          loop.updateHandler(socket, NONE);
        },
        READ,
      );
    }
    await runTurns(loop, 4);
    t.is(calls, 1);
    close();
  }));

test('the first of a hundred ready handlers removes all others', (t) =>
  withLoop(async (loop) => {
    const pairs = Array.from({ length: 100 }, () => readablePair());
    let calls = 0;
    for (const [readable] of pairs) {
      loop.addHandler(
        readable,
        () => {
          calls += 1;
          for (const [each] of pairs) loop.removeHandler(each);
        },
        READ,
      );
    }
    await runTurns(loop, 4);
    t.is(calls, 1);
    closeAll(...pairs.flat());
  }));

test('a handler that removes itself is not called again', (t) =>
  withLoop(async (loop) => {
    const { sockets, close } = twoReady();
    let calls = 0;
    for (const socket of sockets) {
      loop.addHandler(
        socket,
        () => {
          calls += 1;
          loop.removeHandler(socket);
        },
        READ,
      );
    }
    await runTurns(loop, 4);
    t.is(calls, 2);
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
    for (const socket of sockets) {
      loop.addHandler(
        socket,
        () => {
          swapped = counter.turn;
          for (const each of sockets) loop.removeHandler(each);
          loop.addHandler(other(socket), () => anew.push(counter.turn), READ);
        },
        READ,
      );
    }
    await runTurns(loop, 4);
    t.true(swapped > 0);
    t.is(anew[0], swapped + 1);
    close();
  }));

test('close() in a handler throws ERR_IOLOOP_RUNNING, and the rest of the turn runs', (t) =>
  withLoop(async (loop) => {
    const { sockets, close } = twoReady();
    let calls = 0;
    for (const socket of sockets) {
      loop.addHandler(
        socket,
        () => {
          calls += 1;
          loop.removeHandler(socket);
          t.throws(() => loop.close({ allFds: true }), { code: 'ERR_IOLOOP_RUNNING' });
          t.false(loop.closed);
          t.false(socket.closed);
        },
        READ,
      );
    }
    await runTurns(loop, 4);
    t.is(calls, 2);
    close();
  }));

test('stop() in a handler lets the rest of the turn run', (t) =>
  withLoop(async (loop) => {
    const { sockets, close } = twoReady();
    let calls = 0;
    for (const socket of sockets) {
      loop.addHandler(
        socket,
        () => {
          calls += 1;
          loop.stop();
        },
        READ,
      );
    }
    await loop.start();
    t.is(calls, 2);
    close();
  }));

test('start() and runSync() in a handler reject, and the rest of the turn runs', (t) =>
  withLoop(async (loop) => {
    const { sockets, close } = twoReady();
    let rejected = 0;
    for (const socket of sockets) {
      loop.addHandler(
        socket,
        async () => {
          loop.removeHandler(socket);
          await t.throwsAsync(loop.start(), { code: 'ERR_IOLOOP_RUNNING' });
          await t.throwsAsync(
            loop.runSync(() => null),
            { code: 'ERR_IOLOOP_RUNNING' },
          );
          rejected += 1;
          if (rejected === 2) loop.stop();
        },
        READ,
      );
    }
    await loop.start();
    t.is(rejected, 2);
    close();
  }));

test('a handler that throws does not keep the others from being called', (t) =>
  withLoop(
    async (loop) => {
      const pairs = Array.from({ length: 10 }, () => readablePair());
      let calls = 0;
      for (const [readable] of pairs) {
        loop.addHandler(
          readable,
          () => {
            calls += 1;
            loop.removeHandler(readable);
            throw new Error('expected');
          },
          READ,
        );
      }
      await runTurns(loop, 4);
      t.is(calls, 10);
      t.is(takeReports(loop).length, 10);
      closeAll(...pairs.flat());
    },
    { capacities: { events: 1024 } },
  ));

test('an update to NONE in mid-batch takes effect at once', (t) =>
  withLoop(async (loop) => {
    const { sockets, other, close } = twoReady();
    const called: Socket[] = [];
    for (const socket of sockets) {
      loop.addHandler(
        socket,
        () => {
          called.push(socket);
          loop.updateHandler(other(socket), NONE);
          loop.updateHandler(socket, NONE);
        },
        READ,
      );
    }
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
    for (const socket of sockets) {
      loop.addHandler(
        socket,
        (_, events) => {
          seen.get(socket)?.push(events);
          if (updated.length > 0) return;
          updated.push(other(socket));
          loop.updateHandler(other(socket), WRITE);
        },
        READ,
      );
    }
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
    loop.addHandler(
      readable,
      () => {
        added = counter.turn;
        loop.removeHandler(readable);
        loop.addHandler(later, () => turns.push(counter.turn), READ);
      },
      READ,
    );
    await runTurns(loop, 5);
    t.is(turns[0], added + 1);
    closeAll(readable, peer, later, laterPeer);
  }));

for (const removes of [true, false]) {
  const how = removes ? 'removed and closed' : 'closed without removeHandler';

  test.serial(`an fd that is ${how} in mid-batch: its event does not reach the next owner`, (t) =>
    withLoop(async (loop) => {
      const { sockets, other, close } = twoReady();
      let calls = 0;
      let reused: ReturnType<typeof pairAt> | null = null as ReturnType<typeof pairAt> | null;
      const nextOwner: string[] = [];
      for (const socket of sockets) {
        loop.addHandler(
          socket,
          () => {
            calls += 1;
            loop.removeHandler(socket);
            const victim = other(socket);
            const { fd } = victim;
            if (removes) loop.removeHandler(victim);
            victim.close();
            reused = pairAt(fd);
            const { at } = reused;
            loop.addHandler(at, () => nextOwner.push(String(at.recv(10))), READ);
          },
          READ,
        );
      }
      await runTurns(loop, 5);
      t.is(calls, 1);
      t.deepEqual(nextOwner, [], 'nobody has sent anything to it');
      reused?.peer.send('hello');
      await runTurns(loop, 5);
      t.deepEqual(nextOwner, ['hello']);
      reused?.close();
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
      let reused: ReturnType<typeof pairAt> | null = null as ReturnType<typeof pairAt> | null;
      const turns: number[] = [];
      for (const socket of sockets) {
        loop.addHandler(
          socket,
          () => {
            swapped = counter.turn;
            loop.removeHandler(socket);
            const { fd } = other(socket);
            other(socket).close();
            reused = pairAt(fd);
            reused.peer.send('early');
            loop.addHandler(reused.at, () => turns.push(counter.turn), READ);
          },
          READ,
        );
      }
      await runTurns(loop, 5);
      t.is(turns[0], swapped + 1);
      reused?.close();
      close();
    }),
);

test.serial('an fd that a callback closes and reuses before the handlers run', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    const { fd } = readable;
    let calls = 0;
    loop.addHandler(
      readable,
      () => {
        calls += 1;
      },
      READ,
    );
    await runTurns(loop, 2);
    t.true(calls > 0);
    calls = 0;
    let reused: ReturnType<typeof pairAt> | null = null as ReturnType<typeof pairAt> | null;
    const nextOwner: unknown[] = [];
    loop.addCallback(() => {
      // Collected in this turn already: the source is on the list of those left unread.
      readable.close();
      reused = pairAt(fd);
      loop.addHandler(reused.at, () => nextOwner.push(1), READ);
    });
    await runTurns(loop, 5);
    t.is(calls, 0);
    t.deepEqual(nextOwner, []);
    reused?.close();
    peer.close();
  }),
);
