/**
 * A descriptor that was closed by its number, which is another file's now: neither a stream nor a
 * handler reads, writes, shuts down or closes the stranger.
 */
import { closeSync, openSync } from 'node:fs';
import { IOLoop, IOStream, Socket } from 'ioloop';
import { serialIf } from './helpers/conditions.js';
import { closeAll, HAS_PROC, nodeTurns, until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { heldByChild, isOpen, PAIRS, STRANGERS } from './helpers/stolen.js';
import { closedBy } from './helpers/streams.js';

const onLinux = serialIf(HAS_PROC, '/proc');

for (const [kind, pair] of Object.entries(PAIRS)) {
  for (const [owner, reuse] of Object.entries(STRANGERS)) {
    onLinux(`${kind}: a stream does not touch the ${owner} that has its number`, (t) =>
      onLoop(async (loop) => {
        const [mine, peer] = await pair();
        const number = mine.fd;
        const stream = new IOStream(mine, { loop });
        const closed: unknown[] = [];
        stream.setCloseCallback((error) => closed.push(error));
        const read = closedBy(stream.readBytes(1));
        closeSync(number);
        const stranger = await reuse(number);
        stranger.send('not yours');
        await nodeTurns();
        const written = await closedBy(stream.write('stray'));
        t.is(written?.code, 'EBADF');
        t.is((await read)?.code, 'EBADF');
        t.true(stream.closed);
        t.is(stream.fileno(), -1);
        stream.close();
        mine.close();
        await nodeTurns();
        t.is(closed.length, 1);
        t.true(isOpen(number));
        t.is(stranger.received(), null);
        stranger.close();
        peer.close();
      }),
    );

    onLinux(
      `${kind}: a description that lives on in a child, while a ${owner} has its number`,
      (t) =>
        onLoop(async (loop) => {
          const [mine, peer] = await pair();
          const number = mine.fd;
          const stream = new IOStream(mine, { loop });
          const release = await heldByChild(number);
          const read = closedBy(stream.readBytes(100, { partial: true }));
          closeSync(number);
          const stranger = await reuse(number);
          stranger.send('not yours');
          await nodeTurns();
          // The event of the old description ends the wait.
          peer.send('for the stream');
          t.is((await read)?.code, 'EBADF');
          stream.close();
          t.true(isOpen(number));
          t.is(stranger.received(), null);
          stranger.close();
          peer.close();
          await release();
        }),
    );

    onLinux(`${kind}: a handler of a number is not called for the ${owner} that has it`, (t) =>
      onLoop(async (loop) => {
        const [mine, peer] = await pair();
        const number = mine.fd;
        const release = await heldByChild(number);
        let calls = 0;
        loop.addHandler(number, () => (calls += 1), IOLoop.READ);
        await nodeTurns();
        closeSync(number);
        const stranger = await reuse(number);
        stranger.send('not yours');
        peer.send('to the old one');
        await nodeTurns();
        t.is(calls, 0);
        // The number is free for a handler of the stranger's.
        let fresh = 0;
        loop.addHandler(number, () => (fresh += 1), IOLoop.WRITE);
        await until(() => fresh > 0, 'the new handler');
        t.is(calls, 0);
        loop.removeHandler(number);
        stranger.close();
        peer.close();
        await release();
      }),
    );
  }

  onLinux(`${kind}: the methods of a socket that lost its number say EBADF`, async (t) => {
    const [mine, peer] = await (PAIRS[kind] as () => Promise<[Socket, Socket]>)();
    const number = mine.fd;
    closeSync(number);
    const stranger = await (
      STRANGERS['Socket'] as (fd: number) => ReturnType<(typeof STRANGERS)[string]>
    )(number);
    stranger.send('not yours');
    const expected = { code: 'EBADF' };
    t.throws(() => mine.recv(10), expected);
    t.throws(() => mine.recvInto(new Uint8Array(10)), expected);
    t.throws(() => mine.send('stray'), expected);
    t.throws(() => mine.accept(), expected);
    t.throws(() => mine.listen(), expected);
    t.throws(() => mine.shutdown('both'), expected);
    t.throws(() => mine.setOption('sendBuffer', 4096), expected);
    t.throws(() => mine.getOption('sendBuffer'), expected);
    t.throws(() => mine.takeError(), expected);
    t.throws(() => mine.localAddress, expected);
    t.true(mine.closed);
    t.is(mine.fd, -1);
    mine.close();
    t.true(isOpen(number));
    t.is(stranger.received(), null);
    stranger.close();
    peer.close();
  });

  onLinux(`${kind}: a half-open stream whose number is a Socket's writes nothing to it`, (t) =>
    onLoop(async (loop) => {
      const [mine, peer] = await pair();
      const number = mine.fd;
      const stream = new IOStream(mine, { loop, allowHalfOpen: true });
      peer.shutdown('write');
      await t.throwsAsync(stream.readBytes(1));
      t.false(stream.closed);
      closeSync(number);
      const [first, second] = Socket.pair();
      const [at, other] = first.fd === number ? [first, second] : [second, first];
      t.is(at.fd, number);
      const replacement = new IOStream(at, { loop });
      await nodeTurns();
      t.true(stream.closed);
      t.is((stream.error as NodeJS.ErrnoException).code, 'EBADF');
      t.is((await closedBy(stream.write('stray')))?.code, 'EBADF');
      stream.close();
      t.is(other.recv(100), null);
      await replacement.write('mine');
      t.is(other.recv(100)?.toString(), 'mine');
      replacement.close();
      closeAll(other, peer);
    }),
  );
}

onLinux('an idle read ends at once when this package opens the number', (t) =>
  onLoop(async (loop) => {
    const [mine, peer] = Socket.pair();
    const stream = new IOStream(mine, { loop });
    const read = closedBy(stream.readBytes(1));
    closeSync(mine.fd);
    const others = Socket.pair();
    t.is((await read)?.code, 'EBADF');
    closeAll(...others, peer);
  }),
);

onLinux('a number that an earlier handler of the turn reuses is not handled', (t) =>
  onLoop(async (loop) => {
    const [first, firstPeer] = Socket.pair();
    const [second, secondPeer] = Socket.pair();
    const numbers = [first.fd, second.fd];
    let calls = 0;
    const opened: Socket[] = [];
    const handle = (fd: number): void => {
      calls += 1;
      const other = fd === numbers[0] ? numbers[1] : numbers[0];
      closeSync(other as number);
      opened.push(...Socket.pair());
      loop.removeHandler(fd);
    };
    for (const number of numbers) loop.addHandler(number, handle, IOLoop.READ);
    firstPeer.send('x');
    secondPeer.send('x');
    await until(() => calls > 0, 'the first handler');
    await nodeTurns();
    t.is(calls, 1);
    closeAll(...opened, first, second, firstPeer, secondPeer);
  }),
);

onLinux('allFds closes what is still what was registered', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const [stale, stalePeer] = Socket.pair();
  const [live, livePeer] = Socket.pair();
  const [number, kept] = [stale.fd, live.fd];
  loop.addHandler(number, () => {}, IOLoop.READ);
  loop.addHandler(kept, () => {}, IOLoop.READ);
  closeSync(number);
  const stranger = await (STRANGERS['net.Socket'] as (typeof STRANGERS)[string])(number);
  loop.close({ allFds: true });
  t.true(isOpen(number));
  t.false(isOpen(kept));
  t.true(live.closed);
  stranger.close();
  closeAll(stale, live, stalePeer, livePeer);
});

onLinux('allFds does not close a regular file that has the number of a handler', (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const [mine, peer] = Socket.pair();
  const number = mine.fd;
  loop.addHandler(number, () => {}, IOLoop.READ);
  closeSync(number);
  const files: number[] = [];
  while (files.at(-1) !== number) files.push(openSync(process.execPath, 'r'));
  loop.close({ allFds: true });
  t.true(isOpen(number));
  closeAll(...files, mine, peer);
});
