/** `IOStream.detach()`: streams that cannot move yet, or never. */
import test from 'ava';
import { IOLoop, IOStream, Socket } from 'ioloop';
import { onLoop, withLoop } from './helpers/loop.js';
import { moved } from './helpers/detached.js';
import { caught, owned, pair } from './helpers/sockets.js';
import { turns, withPair } from './helpers/streams.js';
import { securePair } from './helpers/tls.js';

test('a read that waits is a refusal, and goes on', (t) =>
  withPair(async (near, far) => {
    const read = near.readBytes(4);
    const error = caught(() => near.detach());
    t.is(error.code, 'ERR_IOLOOP_STREAM_BUSY');
    t.regex(error.message, /readBytes/);
    await far.write('data');
    t.is(String(await read), 'data');
    moved(near).close();
  }));

test('bytes that were written in this tick are sent first', (t) =>
  withPair(async (near, far) => {
    const written = near.write('small');
    const attached = moved(near);
    await written;
    await attached.write(' and more');
    t.is(String(await far.readBytes(14)), 'small and more');
    attached.close();
  }));

test('unsent bytes are a refusal with their number, and are sent', (t) =>
  withPair(async (near, far) => {
    const size = 1 << 22;
    const written = near.write(Buffer.alloc(size, 'x'));
    // The kernel has taken a part.
    const unsent = near.writeBufferSize;
    t.true(unsent > 0);
    const error = caught(() => near.detach());
    t.is(error.code, 'ERR_IOLOOP_STREAM_BUSY');
    t.regex(error.message, RegExp(`: ${unsent} bytes are unsent`));
    t.is((await far.readBytes(size)).length, size);
    await written;
    moved(near).close();
  }));

test('a FIN that is not sent is a refusal', (t) =>
  withPair(async (near, far) => {
    const size = 1 << 22;
    const written = near.write(Buffer.alloc(size));
    const ending = near.shutdownWrite();
    t.is(caught(() => near.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
    t.is((await far.readUntilClose()).length, size);
    await written;
    await ending;
    moved(near).close();
  }));

test('a stream that is not connected, or connecting, is a refusal', (t) =>
  onLoop(async (loop) => {
    const stream = new IOStream(owned(t, Socket.tcp()), { loop });
    t.is(caught(() => stream.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
    const server = owned(t, Socket.tcp());
    server.bind({ host: '127.0.0.1', port: 0 });
    server.listen();
    const connecting = stream.connect(server.localAddress);
    t.is(caught(() => stream.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
    await connecting;
    moved(stream).close();
  }));

test('a closed stream is a refusal, and its bytes can be read', (t) =>
  withPair(async (near, far) => {
    await far.write('rest');
    await near.peek(4);
    far.close();
    await turns(near, 10);
    t.is(caught(() => near.detach()).code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.is(String(await near.readBytes(4)), 'rest');
  }));

test('a stream with TLS, and one that a duplex or web streams have, are refusals', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await securePair(loop);
    t.is(caught(() => client.detach()).code, 'ERR_IOLOOP_UNSUPPORTED');
    client.close();
    server.close();
    const [first, second] = pair(t).map((socket) => new IOStream(socket, { loop }));
    const duplex = first?.toDuplex();
    t.is(caught(() => first?.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
    const web = second?.toWeb();
    t.is(caught(() => second?.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
    duplex?.destroy();
    await web?.writable.abort();
    second?.close();
  }));

test('a stream whose socket has a handler in another loop is a refusal', (t) =>
  withPair(async (near) => {
    await withLoop((other) => {
      const socket = near.socket as Socket;
      other.addHandler(socket, () => {}, IOLoop.READ);
      t.is(caught(() => near.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
      other.removeHandler(socket);
    });
    moved(near).close();
  }));

test('a handler that was there before the stream, and is removed, is nothing to it', (t) =>
  withLoop(async (other) => {
    const [socket] = pair(t);
    other.addHandler(socket, () => {}, IOLoop.READ);
    await withLoop((loop) => {
      const near = new IOStream(socket, { loop });
      other.removeHandler(socket);
      moved(near).close();
    });
    t.true(socket.closed);
  }));
