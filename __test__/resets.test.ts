/** Peers that reset: before the accept, after unread data, in floods. Nothing of them is kept. */
import test, { type ExecutionContext } from 'ava';
import { IOStream, Socket, TCPServer } from 'ioloop';
import { serialIf } from './helpers/conditions.js';
import { HAS_PROC, openFds, tcpPair, until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { addressOf, closing, reset } from './helpers/net.js';
import { testOwnSockets } from './helpers/sockets-of.js';
import { closedBy, failureOf, turns, withTcpPair } from './helpers/streams.js';

/** A socket whose peer has sent `data` and reset before it was accepted. */
async function resetBeforeAccept(data = ''): Promise<Socket> {
  const listener = Socket.tcp();
  listener.bind({ host: '127.0.0.1', port: 0 });
  listener.listen();
  const client = Socket.tcp();
  client.connect(listener.localAddress);
  await until(() => client.remoteAddress !== null, 'a connection');
  if (data !== '') client.send(data);
  client.setOption('linger', 0);
  client.close();
  let accepted = listener.accept();
  await until(() => (accepted ??= listener.accept()) !== null, 'the accept');
  listener.close();
  return (accepted as unknown as [Socket])[0];
}

/** The ways to make a stream of such a socket. */
const MAKERS: Record<string, (socket: Socket, loop: IOStream['loop']) => IOStream> = {
  'new IOStream(socket)': (socket, loop) => new IOStream(socket, { loop }),
  'IOStream.fromFd(fd)': (socket, loop) => IOStream.fromFd(socket.fd, { loop }),
  'new IOStream(Socket.fromFd(fd))': (socket, loop) =>
    new IOStream(Socket.fromFd(socket.fd), { loop }),
};

for (const [name, make] of Object.entries(MAKERS)) {
  test(`${name}: a connection that was reset before its accept fails its first read`, (t) =>
    onLoop(async (loop) => {
      const stream = make(await resetBeforeAccept(), loop);
      t.is((await closedBy(stream.readUntil('\n')))?.code, 'ECONNRESET');
      t.is(stream.fileno(), -1);
    }));
}

test('a connection that was reset before its accept closes without a read', (t) =>
  onLoop(async (loop) => {
    const stream = new IOStream(await resetBeforeAccept(), { loop });
    const error = (await closing(stream)) as NodeJS.ErrnoException | null;
    t.is(error?.code, 'ECONNRESET');
  }));

test('a new socket is not connected: it can be, and a read before waits', (t) =>
  onLoop(async (loop) => {
    const server = new TCPServer({ loop, handleStream: (stream) => stream.end() });
    server.listen(0, '127.0.0.1');
    const stream = IOStream.fromFd(Socket.tcp().fd, { loop });
    await stream.connect(addressOf(server));
    t.is((await stream.readUntilClose()).length, 0);
    await server.stop();
  }));

async function floodOf(t: ExecutionContext, count: number): Promise<void> {
  await onLoop(async (loop) => {
    let ended = 0;
    const server = new TCPServer({
      loop,
      handleStream: async (stream) => {
        await failureOf(stream.readUntilClose());
        ended += 1;
      },
    });
    server.listen(0, '127.0.0.1');
    const before = openFds().size;
    for (let n = 0; n < count; n += 1) {
      const client = Socket.tcp();
      // Does not block: loopback connects at once, or in the next turn.
      client.connect(addressOf(server));
      client.setOption('linger', 0);
      if (n % 3 === 0) await until(() => client.remoteAddress !== null, 'a connection');
      client.close();
    }
    await until(() => ended > 0 && server.connections === 0, 'the end of all');
    t.true(openFds().size <= before);
    await server.stop();
  });
}

serialIf(HAS_PROC, '/proc')('a flood of resets leaves no descriptor', async (t) => {
  await floodOf(t, 300);
});

const UNREAD = 300_000;

testOwnSockets('a reset after unread data is noticed without a read', (t) =>
  withTcpPair(async (near, far) => {
    const closed = closing(near);
    await far.write(Buffer.alloc(UNREAD, 'x'));
    await turns(near);
    reset(far);
    t.is(((await closed) as NodeJS.ErrnoException | null)?.code, 'ECONNRESET');
  }),
);

test('a reset after the EOF of the peer, with data unread, is noticed', async (t) => {
  const [client, server] = await tcpPair();
  await onLoop(async (loop) => {
    const stream = new IOStream(server, { loop, allowHalfOpen: true, readChunkSize: 1024 });
    const closed = closing(stream);
    await until(() => client.send(Buffer.alloc(8192, 'x')) !== null, 'room');
    client.shutdown('write');
    await turns(stream);
    t.false(stream.closed);
    client.setOption('linger', 0);
    client.close();
    // Linux's word for a reset after EOF.
    t.is(((await closed) as NodeJS.ErrnoException | null)?.code, 'EPIPE');
  });
});

test('a reset that comes when the end of the peer was read is noticed without a read', async (t) => {
  const [client, server] = await tcpPair();
  await onLoop(async (loop) => {
    const stream = new IOStream(server, { loop, allowHalfOpen: true });
    const closed = closing(stream);
    client.send('all of it');
    client.shutdown('write');
    t.is(String(await stream.readUntilClose()), 'all of it');
    await turns(stream);
    t.false(stream.closed);
    client.setOption('linger', 0);
    client.close();
    t.is(((await closed) as NodeJS.ErrnoException | null)?.code, 'EPIPE');
  });
});

test('after a clean EOF everything can still be read', (t) =>
  withTcpPair(async (near, far) => {
    await far.write(Buffer.alloc(UNREAD, 'x'));
    await far.shutdownWrite();
    await turns(near);
    t.false(near.closed);
    t.is((await near.readBytes(UNREAD)).length, UNREAD);
    t.is((await near.readUntilClose()).length, 0);
  }));

test('a reset beside a write that waits is ECONNRESET for both', (t) =>
  withTcpPair(async (near, far) => {
    const reading = closedBy(near.readBytes(1));
    const writing = closedBy(near.write(Buffer.alloc(8 * 1024 * 1024)));
    await turns(near, 50);
    reset(far);
    t.is((await reading)?.code, 'ECONNRESET');
    t.is((await writing)?.code, 'ECONNRESET');
  }));
