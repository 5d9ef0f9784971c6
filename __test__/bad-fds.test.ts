/** Values and descriptors that `addHandler` refuses. */
import { closeSync, openSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { IOLoop, Socket, type FdLike } from 'ioloop';
import { serialOn } from './helpers/conditions.js';
import { closeAll, openFds, pairAt, readablePair } from './helpers/fds.js';
import { runTurns, withLoop } from './helpers/loop.js';

const { NONE, READ } = IOLoop;

const TYPE = 'ERR_INVALID_ARG_TYPE';

const RANGE = 'ERR_OUT_OF_RANGE';

const NO_FDS: readonly [unknown, string][] = [
  [-1, RANGE],
  [1.5, RANGE],
  [Number.NaN, RANGE],
  [Number.POSITIVE_INFINITY, RANGE],
  [2 ** 31, RANGE],
  ['3', TYPE],
  [null, TYPE],
  [undefined, TYPE],
  [true, TYPE],
  [3n, TYPE],
  [Symbol('fd'), TYPE],
  [() => 3, TYPE],
  [{}, TYPE],
  [{ fd: '3' }, TYPE],
  [{ fileno: () => '3' }, TYPE],
  [{ fileno: () => 1.5 }, RANGE],
  [{ fd: -2 }, RANGE],
];

for (const [index, [value, code]] of NO_FDS.entries()) {
  test(`a value that is not a descriptor is refused by each method, ${index}: ${code}`, (t) =>
    withLoop(async (loop) => {
      const fd = value as FdLike;
      const instanceOf = code === TYPE ? TypeError : RangeError;
      t.throws(() => loop.addHandler(fd, () => {}, READ), { code, instanceOf });
      t.throws(() => loop.updateHandler(fd, READ), { code, instanceOf });
      t.throws(() => loop.splitFd(fd), { code, instanceOf, message: /fd.*Received/ });
      await runTurns(loop, 2);
    }));
}

test('events that are none are refused, and the fd stays free', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    for (const events of [
      0x40,
      0x20,
      0x100,
      -1,
      1.5,
      Number.NaN,
      '1',
      null,
      undefined,
    ] as number[]) {
      const expected = { code: 'ERR_INVALID_ARG_VALUE', message: /events/ };
      t.throws(() => loop.addHandler(readable, () => {}, events), expected);
    }
    loop.addHandler(readable, () => loop.stop(), READ);
    t.throws(() => loop.updateHandler(readable, 0x40), { code: 'ERR_INVALID_ARG_VALUE' });
    await loop.start();
    closeAll(readable, peer);
  }));

test('a handler that is not a function is refused, and the fd stays free', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    for (const handler of [undefined, null, {}, 'f'] as unknown as (() => void)[]) {
      t.throws(() => loop.addHandler(readable, handler, READ), { code: TYPE, message: /handler/ });
    }
    loop.addHandler(readable, () => loop.stop(), READ);
    await loop.start();
    closeAll(readable, peer);
  }));

test.serial('a closed descriptor is EBADF, and its number can be registered when it is open', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = Socket.pair();
    const { fd } = readable;
    closeAll(readable, peer);
    const expected = {
      code: 'EBADF',
      message: `addHandler EBADF fd ${fd}: the file descriptor is closed, or was never open`,
    };
    const error = t.throws(() => loop.addHandler(fd, () => {}, READ), expected);
    t.like(error, { errno: -constants.errno.EBADF, syscall: 'addHandler', fd });
    t.throws(() => loop.updateHandler(fd, READ), { code: 'ERR_IOLOOP_FD_UNKNOWN' });
    const { at, peer: next, close } = pairAt(fd);
    loop.addHandler(at, () => loop.stop(), READ);
    next.send('x');
    await loop.start();
    close();
  }),
);

test('a descriptor that was never open is EBADF, however large', (t) =>
  withLoop((loop) => {
    for (const fd of [999_999, 2 ** 31 - 1]) {
      t.throws(() => loop.addHandler(fd, () => {}, READ), { code: 'EBADF' });
      t.throws(() => loop.addHandler(fd, () => {}, NONE), { code: 'EBADF' });
    }
  }));

for (const [what, path] of [
  ['regular file', fileURLToPath(import.meta.url)],
  ['directory', tmpdir()],
] as const) {
  test(`a ${what} is EPERM, with the advice to use node:fs`, (t) =>
    withLoop(async (loop) => {
      const fd = openSync(path, 'r');
      for (const events of [READ, NONE]) {
        const error = t.throws(() => loop.addHandler(fd, () => {}, events), {
          code: 'EPERM',
          message: /always ready, use node:fs/,
        });
        t.like(error, { errno: -constants.errno.EPERM, syscall: 'addHandler', fd });
      }
      t.throws(() => loop.updateHandler(fd, READ), { code: 'ERR_IOLOOP_FD_UNKNOWN' });
      await runTurns(loop, 2);
      closeSync(fd);
    }));
}

test('a second handler is refused by the number and the first one, which stays', (t) =>
  withLoop(async (loop) => {
    const [readable, peer] = readablePair();
    loop.addHandler(
      readable,
      function theFirst() {
        loop.stop();
      },
      READ,
    );
    t.throws(() => loop.addHandler(readable, () => t.fail(), READ), {
      code: 'ERR_IOLOOP_FD_REGISTERED',
      message: new RegExp(`${readable.fd}.*theFirst`),
    });
    await loop.start();
    closeAll(readable, peer);
  }));

test('updateHandler of an unknown fd throws, removeHandler does nothing', (t) =>
  withLoop((loop) => {
    const [socket, peer] = Socket.pair();
    const expected = { code: 'ERR_IOLOOP_FD_UNKNOWN', message: new RegExp(`${socket.fd}`) };
    t.throws(() => loop.updateHandler(socket, READ), expected);
    t.notThrows(() => loop.removeHandler(socket));
    t.notThrows(() => loop.removeHandler(999_999));
    closeAll(socket, peer);
  }));

serialOn('epoll')("the loop's own set is refused, and the loop lives on", (t) =>
  withLoop(async (loop) => {
    const { set, other, close } = withSet();
    t.throws(() => other.addHandler(set, () => {}, READ), { code: 'EINVAL' });
    other.addCallback(() => other.stop());
    await other.start();

    // Another loop may watch it, but not in a circle.
    const before = eventPolls();
    const third = new IOLoop({ makeCurrent: false });
    const thirdSet = [...eventPolls()].find((fd) => !before.has(fd));
    loop.addHandler(thirdSet as number, () => loop.stop(), READ);
    const [mine] = ownSets(loop, [set, thirdSet as number]);
    t.throws(() => third.addHandler(mine as number, () => {}, READ), { code: 'ELOOP' });
    const [readable, peer] = readablePair();
    third.addHandler(readable, () => third.stop(), READ);
    await loop.start();
    await third.start();
    loop.removeHandler(thirdSet as number);
    closeAll(readable, peer);
    third.close();
    close();
  }),
);

/** A loop and the descriptor of its set. */
function withSet(): { set: number; other: IOLoop; close(): void } {
  const before = eventPolls();
  const other = new IOLoop({ makeCurrent: false });
  const set = [...eventPolls()].find((fd) => !before.has(fd));
  return { set: set as number, other, close: () => other.close() };
}

function eventPolls(): Set<number> {
  const all = [...openFds()].filter(([, target]) => target.includes('eventpoll'));
  return new Set(all.map(([fd]) => fd));
}

/** The sets that refuse to be registered in `loop`: its own. */
function ownSets(loop: IOLoop, others: readonly number[]): number[] {
  return [...eventPolls()].filter((fd) => {
    if (others.includes(fd)) return false;
    try {
      loop.addHandler(fd, () => {}, NONE);
      loop.removeHandler(fd);
      return false;
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === 'EINVAL';
    }
  });
}
