/** A socket that its owner closes while a stream, a handler or a server stands on it. */
import { closeSync } from 'node:fs';
import { addAcceptHandler, bindSockets, IOLoop, IOStream, Socket, TCPServer } from 'ioloop';
import { serialIf } from './helpers/conditions.js';
import { closeAll, HAS_PROC, nodeTurns, openFds, pipe, until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { heldByChild, isOpen, PAIRS } from './helpers/stolen.js';
import { closedBy } from './helpers/streams.js';

const onLinux = serialIf(HAS_PROC, '/proc');

for (const [kind, pair] of Object.entries(PAIRS)) {
  onLinux(`${kind}: a stream ends with its socket, and writes nothing more`, (t) =>
    onLoop(async (loop) => {
      const [mine, peer] = await pair();
      const stream = new IOStream(mine, { loop });
      const closed: unknown[] = [];
      stream.setCloseCallback((error) => closed.push((error as { code?: unknown }).code));
      const read = closedBy(stream.readBytes(1));
      const staged = closedBy(stream.write('staged'));
      stream.socket?.close();
      // Has the number.
      const [other, otherPeer] = Socket.pair();
      const later = closedBy(stream.write('SECRET'));
      for (const failure of [read, staged, later]) t.is((await failure)?.code, 'EBADF');
      t.true(stream.closed);
      t.is(stream.fileno(), -1);
      stream.close();
      await nodeTurns();
      t.deepEqual(closed, ['EBADF']);
      t.is(otherPeer.recv(100), null);
      t.is(other.recv(100), null);
      t.is(other.send('x'), 1);
      closeAll(other, otherPeer, peer);
    }),
  );

  onLinux(`${kind}: closing the number of a stream with closeFd ends the stream`, (t) =>
    onLoop(async (loop) => {
      const [mine, peer] = await pair();
      const stream = new IOStream(mine, { loop });
      const read = closedBy(stream.readBytes(1));
      loop.closeFd(stream.fileno());
      t.is((await read)?.code, 'EBADF');
      t.true(mine.closed);
      peer.close();
    }),
  );

  onLinux(`${kind}: a handler goes with its socket, though a child has a copy`, (t) =>
    onLoop(async (loop) => {
      const [mine, peer] = await pair();
      const release = await heldByChild(mine.fd);
      let calls = 0;
      const count = (): unknown => (calls += 1);
      loop.addHandler(mine, count, IOLoop.READ);
      mine.close();
      const [other, otherPeer] = Socket.pair();
      peer.send('to the copy');
      otherPeer.send('to the other');
      await nodeTurns();
      t.is(calls, 0);
      loop.addHandler(other, count, IOLoop.READ);
      await until(() => calls > 0, 'the handler of the other');
      closeAll(other, otherPeer, peer);
      await release();
    }),
  );
}

onLinux('a pipe whose number was closed: no read, no write, no second close', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipe();
    const reading = IOStream.fromFd(reader, { loop });
    const writing = IOStream.fromFd(writer, { loop });
    const release = await heldByChild(reader);
    const read = closedBy(reading.readBytes(1));
    closeAll(reader, writer);
    const strangers = [...pipe(), ...pipe()];
    t.true(strangers.includes(reader) && strangers.includes(writer));
    t.is((await closedBy(writing.write('stray')))?.code, 'EBADF');
    reading.close();
    writing.close();
    t.true(isOpen(reader) && isOpen(writer));
    await t.notThrowsAsync(read);
    closeAll(...strangers);
    await release();
  }),
);

onLinux('an accept callback that throws ends the stream it had made', (t) =>
  onLoop(async (loop) => {
    const [listener] = bindSockets(0, '127.0.0.1') as [Socket];
    let stream: IOStream | undefined;
    const remove = addAcceptHandler(
      listener,
      (connection) => {
        stream = new IOStream(connection, { loop });
        throw new Error('after the stream');
      },
      { loop },
    );
    const client = Socket.tcp();
    client.connect(listener.localAddress);
    await until(() => stream !== undefined, 'the connection');
    const [other, otherPeer] = Socket.pair();
    const made = stream as unknown as IOStream;
    t.true(made.closed);
    t.is((await closedBy(made.write('SECRET')))?.code, 'EBADF');
    t.is(otherPeer.recv(100), null);
    t.is(loop.reports.splice(0).length, 1);
    remove();
    closeAll(client, listener, other, otherPeer);
  }),
);

onLinux('a server whose listening socket was closed stops in order', (t) =>
  onLoop(async (loop) => {
    const [listener] = bindSockets(0, '127.0.0.1') as [Socket];
    const server = new TCPServer({
      loop,
      maxConnections: 1,
      handleStream: async (stream) => {
        await stream.readUntilClose();
      },
    });
    server.addSocket(listener);
    const client = Socket.tcp();
    client.connect(listener.localAddress);
    await until(() => server.connections === 1, 'the connection');
    listener.close();
    const [other, otherPeer] = Socket.pair();
    client.close();
    await until(() => server.connections === 0, 'the end of the connection');
    await server.stop();
    // That it stopped accepting may be reported.
    loop.reports.splice(0);
    t.is(other.send('x'), 1);
    t.is(otherPeer.recv(10)?.toString(), 'x');
    closeAll(other, otherPeer);
  }),
);

onLinux('two owners of one number close it once', (t) => {
  const [mine, peer] = Socket.pair();
  const number = mine.fd;
  const second = Socket.fromFd(number);
  t.is(mine.send('x'), 1);
  t.is(second.send('y'), 1);
  second.close();
  const [other, otherPeer] = Socket.pair();
  t.true(isOpen(number));
  t.throws(() => mine.send('x'), { code: 'EBADF' });
  mine.close();
  t.true(isOpen(number));
  t.is(other.send('z'), 1);
  t.is(otherPeer.recv(10)?.toString(), 'z');
  closeAll(other, otherPeer, peer);
});

onLinux('an object with a descriptor is not closed for a file that has its number', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const [reader, writer] = pipe();
  let closes = 0;
  const file = {
    fd: reader,
    close() {
      closes += 1;
      closeSync(reader);
    },
  };
  const stream = IOStream.fromFd(file, { loop });
  closeSync(reader);
  const strangers = pipe();
  t.true(strangers.includes(reader));
  stream.close();
  t.is(closes, 0);
  t.true(isOpen(reader));
  loop.close();
  closeAll(...strangers, writer);
  await nodeTurns();
});

onLinux('descriptors are level after a thousand streams that lost their socket', (t) =>
  onLoop(async (loop) => {
    const before = openFds().size;
    for (let count = 0; count < 1000; count += 1) {
      const [mine, peer] = Socket.pair();
      const stream = new IOStream(mine, { loop });
      const read = closedBy(stream.readBytes(1));
      if (count % 2 === 0) mine.close();
      else closeSync(mine.fd);
      peer.close();
      stream.close();
      await read;
    }
    t.is(openFds().size, before);
  }),
);
