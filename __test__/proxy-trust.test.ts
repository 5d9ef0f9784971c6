/** The option `trust` of `proxyProtocol`, with connections. */
import { BlockList } from 'node:net';
import test from 'ava';
import { bindUnixSocket, IOStream, Socket } from 'ioloop';
import { onLoop } from './helpers/loop.js';
import { addressOf, closing, connectTo } from './helpers/net.js';
import { CLIENT, TEXT_HEADER } from './helpers/proxy-headers.js';
import { reported, serveViews, viewOf } from './helpers/proxy-servers.js';
import { directory } from './helpers/sockets.js';

const CODE = 'ERR_IOLOOP_PROXY_HEADER';

const elsewhere = new BlockList();
elsewhere.addSubnet('10.0.0.0', 8);

for (const trust of [elsewhere, ['10.0.0.0/8', '192.0.2.1', '::1'], ['unix:'], []]) {
  const name = trust instanceof BlockList ? 'a BlockList' : JSON.stringify(trust);
  test(`a peer outside ${name} is refused`, (t) =>
    onLoop(async (loop) => {
      const server = serveViews(loop, { trust }, { handleStream: () => t.fail() });
      const client = await connectTo(loop, addressOf(server));
      await closing(client);
      t.is(server.proxyRefusals, 1);
      t.deepEqual(reported(loop), [CODE]);
      await server.stop({ drain: true });
    }));

  test(`a peer outside ${name} is served as it is without require`, (t) =>
    onLoop(async (loop) => {
      await using server = serveViews(loop, { trust, require: false });
      const client = await connectTo(loop, addressOf(server));
      // Served before it has sent anything.
      const { address, header } = await viewOf(client);
      t.deepEqual(address, client.socket?.localAddress);
      t.is(header, null);
      await client.write(TEXT_HEADER);
      t.deepEqual(await client.readBytes(TEXT_HEADER.length), TEXT_HEADER);
      t.is(server.proxyRefusals, 0);
      client.close();
    }));
}

const near = new BlockList();
near.addAddress('127.0.0.1');

for (const trust of [near, ['10.0.0.1', '127.0.0.0/8'], ['0.0.0.0/0']]) {
  const name = trust instanceof BlockList ? 'a BlockList' : JSON.stringify(trust);
  test(`a peer within ${name} is trusted`, (t) =>
    onLoop(async (loop) => {
      await using server = serveViews(loop, { trust });
      const client = await connectTo(loop, addressOf(server));
      await client.write(TEXT_HEADER);
      t.deepEqual((await viewOf(client)).address, CLIENT);
      client.close();
    }));
}

test("the peers of Unix sockets are trusted with 'unix:'", (t) =>
  onLoop(async (loop) => {
    for (const [trust, refusals] of [
      [['unix:'], 0],
      [['0.0.0.0/0', '::/0'], 1],
    ] as const) {
      const path = `${directory(t)}/socket`;
      const server = serveViews(loop, { trust });
      server.addSocket(bindUnixSocket(path));
      const client = await new IOStream(Socket.unix(), { loop }).connect({ path });
      const closed = closing(client);
      void client.write(TEXT_HEADER);
      if (refusals === 0) t.deepEqual((await viewOf(client)).address, CLIENT);
      else await closed;
      t.is(server.proxyRefusals, refusals);
      t.is(reported(loop).length, refusals);
      client.close();
      await server.stop({ drain: true });
    }
  }));
