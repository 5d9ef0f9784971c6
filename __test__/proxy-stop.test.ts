/** Servers that stop, or are full, while PROXY headers are awaited. */
import test from 'ava';
import { IOStream, Socket, type TCPServer } from 'ioloop';
import { onLoop } from './helpers/loop.js';
import { addressOf, closing, connectTo } from './helpers/net.js';
import { CLIENT, TEXT_HEADER } from './helpers/proxy-headers.js';
import { serveViews, untilConnections, viewOf } from './helpers/proxy-servers.js';
import { turns } from './helpers/streams.js';

for (const [name, stop] of Object.entries({
  stop: (server: TCPServer) => server.stop(),
  'a drain that is over': (server: TCPServer) => server.stop({ drain: true, timeout: 0 }),
  dispose: (server: TCPServer) => server[Symbol.asyncDispose](),
})) {
  test(`${name} closes connections that wait for their header, and does not count them`, (t) =>
    onLoop(async (loop) => {
      // Far above the time limit of the test.
      const server = serveViews(loop, { timeout: 1000 }, { handleStream: () => t.fail() });
      const clients = await Promise.all([1, 2, 3].map(() => connectTo(loop, addressOf(server))));
      await clients[0]?.write(TEXT_HEADER.subarray(0, 9));
      await untilConnections(server, 3);
      const closed = Promise.all(clients.map(closing));
      await stop(server);
      await closed;
      t.is(server.connections, 0);
      t.is(server.proxyRefusals, 0);
    }));
}

test('nothing reaches the handler of a server that is stopped while headers arrive', (t) =>
  onLoop(async (loop) => {
    for (let delay = 0; delay < 12; delay += 1) {
      let isStopped = false;
      const server = serveViews(loop, true, {
        handleStream: (stream) => {
          t.false(isStopped);
          stream.close();
        },
      });
      const client = await connectTo(loop, addressOf(server));
      void client.write(TEXT_HEADER).catch(() => {});
      const [pacer, peer] = Socket.pair();
      const idle = new IOStream(pacer, { loop });
      await turns(idle, delay);
      const closed = closing(client);
      void server.stop();
      isStopped = true;
      await closed;
      t.is(server.connections, 0);
      for (const end of [idle, peer]) end.close();
    }
  }));

test('a server that drains serves connections whose header comes later', (t) =>
  onLoop(async (loop) => {
    const served: unknown[] = [];
    const server = serveViews(loop, true, {
      handleStream: (stream, address) => {
        served.push(address);
        stream.close();
      },
    });
    const client = await connectTo(loop, addressOf(server));
    await untilConnections(server, 1);
    const stopping = server.stop({ drain: true });
    await client.write(TEXT_HEADER);
    await stopping;
    t.deepEqual(served, [CLIENT]);
    t.is(server.connections, 0);
    client.close();
  }));

test('a connection whose header is awaited counts for maxConnections', (t) =>
  onLoop(async (loop) => {
    const server = serveViews(loop, true, { maxConnections: 1 });
    const first = await connectTo(loop, addressOf(server));
    await untilConnections(server, 1);
    const second = await connectTo(loop, addressOf(server));
    await second.write(TEXT_HEADER);
    await turns(second);
    t.is(server.connections, 1);
    t.is(second.readBufferSize, 0);
    first.close();
    t.deepEqual((await viewOf(second)).address, CLIENT);
    t.is(server.proxyRefusals, 1);
    second.close();
    await server.stop({ drain: true });
  }));
