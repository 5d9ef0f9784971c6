/**
 * Each verification of a number by itself: what was closed by number is found out before a call,
 * before a receiving turn, by the set where the identity cannot tell, and by its next user.
 */
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IOLoop, IOStream, Socket } from 'ioloop';
import { serialIf, serialOn, testOn } from './helpers/conditions.js';
import { closeAll, HAS_PROC, nodeTurns, pipe, until } from './helpers/fds.js';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { withFifo } from './helpers/special-fds.js';
import { heldByChild, isOpen, STRANGERS } from './helpers/stolen.js';
import { closedBy, isSettled } from './helpers/streams.js';

const onLinux = serialIf(HAS_PROC, '/proc');

/** Opens files until one has the number `fd`, which is free; gives all of them. */
function fileAt(fd: number): number[] {
  const files: number[] = [];
  while (!files.includes(fd)) files.push(openSync('/dev/null', 'r'));
  return files;
}

/** Two descriptors with data to read, by number: of sockets of ours, or foreign ones. */
const READABLE: Record<string, () => { numbers: number[]; close(): void }> = {
  'of ours'() {
    const pairs = [Socket.pair(), Socket.pair()];
    for (const [, peer] of pairs) peer.send('x');
    return { numbers: pairs.map(([mine]) => mine.fd), close: () => closeAll(...pairs.flat()) };
  },
  foreign() {
    const pipes = [pipe(), pipe()];
    for (const [, writer] of pipes) writeSync(writer, 'x');
    return {
      numbers: pipes.map(([reader]) => reader),
      close: () => closeAll(...pipes.map(([, writer]) => writer)),
    };
  },
};

for (const [whose, make] of Object.entries(READABLE)) {
  onLinux(`${whose}: a handler is not called for a file that got its number in this turn`, (t) =>
    onLoop(async (loop) => {
      const { numbers, close } = make();
      const files: number[] = [];
      let calls = 0;
      const handle = (fd: number): void => {
        calls += 1;
        const other = numbers.find((number) => number !== fd) as number;
        if (files.length === 0) {
          closeSync(other);
          // By Node: this package does not learn of it.
          files.push(...fileAt(other));
        }
        loop.removeHandler(fd);
      };
      for (const number of numbers) loop.addHandler(number, handle, IOLoop.READ);
      await until(() => calls > 0, 'the first handler');
      await nodeTurns();
      t.is(calls, 1);
      const kept = numbers.find((number) => !files.includes(number)) as number;
      close();
      closeAll(...files);
      if (whose === 'foreign') closeSync(kept);
    }),
  );
}

onLinux('a stream whose number was asked for later receives nothing of a stranger', (t) =>
  onLoop(async (loop) => {
    const [mine, peer] = Socket.pair();
    const stream = new IOStream(mine, { loop });
    const read = closedBy(stream.readBytes(100, { partial: true }));
    await nodeTurns();
    // From here on others may close it.
    const number = stream.fileno();
    const release = await heldByChild(number);
    closeSync(number);
    const stranger = await (STRANGERS['net.Socket'] as (typeof STRANGERS)[string])(number);
    stranger.send('not yours');
    await nodeTurns();
    peer.send('an event of the old one');
    t.is((await read)?.code, 'EBADF');
    t.is(stream.readBufferSize, 0);
    t.true(isOpen(number));
    stranger.close();
    peer.close();
    await release();
  }),
);

/** Runs `body` with a function that opens one FIFO, non-blocking in both directions. */
async function withOpenFifo(
  body: (open: () => number, loop: ReportingLoop) => Promise<void>,
): Promise<void> {
  await withFifo((path) => {
    const open = (): number => openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
    return onLoop((loop) => body(open, loop));
  });
}

testOn('epoll', 'mkfifo')(
  'another open of the same FIFO has the number: the epoll set finds what the identity cannot',
  (t) =>
    withOpenFifo(async (open, loop) => {
      const number = open();
      const release = await heldByChild(number);
      let calls = 0;
      loop.addHandler(number, () => (calls += 1), IOLoop.READ);
      await nodeTurns();
      closeSync(number);
      const again = open();
      t.is(again, number);
      writeSync(again, 'for the one that is not registered');
      await nodeTurns();
      t.is(calls, 0);
      t.throws(() => loop.updateHandler(number, IOLoop.READ), { code: 'ERR_IOLOOP_FD_UNKNOWN' });
      closeSync(again);
      await release();
    }),
);

testOn('epoll', 'mkfifo')(
  'a stream whose FIFO was closed and opened again by the same number closes nothing',
  (t) =>
    withOpenFifo(async (open, loop) => {
      const number = open();
      const stale = IOStream.fromFd(number, { loop });
      const read = closedBy(stale.readBytes(1));
      await nodeTurns();
      closeSync(number);
      t.is(open(), number);
      const stream = IOStream.fromFd(number, { loop });
      t.is((await read)?.code, 'EBADF');
      stale.close();
      t.true(isOpen(number));
      await stream.write('mine');
      t.is(String(await stream.readBytes(4)), 'mine');
      stream.close();
      t.false(isOpen(number));
    }),
);

onLinux('a use that finds the number lost ends the stream that waits, without an event', (t) =>
  onLoop(async (loop) => {
    const [mine, peer] = Socket.pair();
    const stream = new IOStream(mine, { loop });
    const read = closedBy(stream.readBytes(1));
    const number = mine.fd;
    const release = await heldByChild(number);
    // That there is room has been reported.
    await nodeTurns();
    closeSync(number);
    const files = fileAt(number);
    await nodeTurns();
    t.false(await isSettled(read));
    t.throws(() => mine.send('x'), { code: 'EBADF' });
    t.is((await read)?.code, 'EBADF');
    t.true(stream.closed);
    t.true(isOpen(number));
    closeAll(...files, peer);
    await release();
  }),
);

onLinux('a staged write is sent to the descriptor of then, not of the write', (t) =>
  onLoop(async (loop) => {
    const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
    const path = join(folder, 'file');
    const [reader, writer] = pipe();
    const stream = IOStream.fromFd(writer, { loop });
    const written = closedBy(stream.write('SECRET'));
    closeSync(writer);
    // Not opened by this package.
    const files: number[] = [];
    while (!files.includes(writer)) files.push(openSync(path, 'w'));
    t.is((await written)?.code, 'EBADF');
    stream.close();
    t.true(isOpen(writer));
    closeAll(reader, ...files);
    t.is(readFileSync(path, 'utf8'), '');
    rmSync(folder, { recursive: true });
  }),
);

onLinux('two owners of a number that this package opens anew: both are closed at once', (t) => {
  const [mine, peer] = Socket.pair();
  const number = mine.fd;
  const second = Socket.fromFd(number);
  closeSync(number);
  const pairs = Array.from({ length: 3 }, () => Socket.pair()).flat();
  t.true(second.closed);
  t.true(mine.closed);
  t.true(pairs.some(({ fd }) => fd === number));
  closeAll(...pairs, peer);
});

/** The numbers that are in an epoll set of this process. */
function watched(): Set<number> {
  const found = new Set<number>();
  for (const name of readdirSync('/proc/self/fdinfo')) {
    let text = '';
    try {
      text = readFileSync(`/proc/self/fdinfo/${name}`, 'latin1');
    } catch {
      // That of the folder, closed by now.
    }
    for (const [, fd] of text.matchAll(/^tfd:\s*(\d+)/gm)) found.add(Number(fd));
  }
  return found;
}

const WATCHERS: Record<string, (socket: Socket, loop: IOLoop) => void> = {
  handler: (socket, loop) => loop.addHandler(socket, () => {}, IOLoop.READ),
  stream: (socket, loop) => void new IOStream(socket, { loop }),
};

for (const [name, watch] of Object.entries(WATCHERS)) {
  serialOn('epoll')(
    `a socket that is closed below its ${name} leaves no description in the set`,
    (t) =>
      onLoop(async (loop) => {
        const [mine, peer] = Socket.pair();
        const number = mine.fd;
        const release = await heldByChild(number);
        watch(mine, loop);
        await nodeTurns();
        t.true(watched().has(number));
        mine.close();
        t.false(watched().has(number));
        peer.close();
        await release();
      }),
  );
}
