/** The option `require: false` of `proxyProtocol`. */
import test from 'ava';
import { onLoop } from './helpers/loop.js';
import { addressOf, closing, connectTo } from './helpers/net.js';
import { BINARY_HEADER, TEXT_HEADER } from './helpers/proxy-headers.js';
import {
  onFakeTime,
  reported,
  serveViews,
  untilConnections,
  viewOf,
} from './helpers/proxy-servers.js';
import { turns } from './helpers/streams.js';

const CODE = 'ERR_IOLOOP_PROXY_HEADER';

for (const bytes of ['GET / HTTP/1.1\r\n', 'P', '\r\n\r\n.']) {
  const shown = JSON.stringify(bytes);
  test(`without require, a trusted peer that begins with ${shown} is served with it`, (t) =>
    onLoop(async (loop) => {
      await using server = serveViews(loop, { require: false });
      const client = await connectTo(loop, addressOf(server));
      await client.write(bytes);
      if (bytes === 'P') {
        await turns(client);
        await client.write('ASS\r\n');
      }
      const expected = bytes === 'P' ? 'PASS\r\n' : bytes;
      t.is((await viewOf(client)).header, null);
      t.is(String(await client.readBytes(expected.length)), expected);
      client.close();
    }));
}

test('without require, a silent peer is served after the timeout, and one with half a header is not', (t) =>
  onFakeTime(async (loop, clock) => {
    const server = serveViews(loop, { require: false, timeout: { seconds: 7 } });
    const silent = await connectTo(loop, addressOf(server));
    const cut = await connectTo(loop, addressOf(server));
    const gone = await connectTo(loop, addressOf(server));
    await untilConnections(server, 3);
    gone.close();
    await untilConnections(server, 2);
    const closed = closing(cut);
    await cut.write(TEXT_HEADER.subarray(0, 20));
    await turns(cut);
    clock.advance(8);
    await turns(silent);
    t.is((await viewOf(silent)).header, null);
    await closed;
    t.is(server.proxyRefusals, 1);
    t.deepEqual(reported(loop), [CODE]);
    silent.close();
    await server.stop({ drain: true });
  }));

test('without require, a client that sends nothing but FIN is served if allowHalfOpen', (t) =>
  onLoop(async (loop) => {
    const server = serveViews(loop, { require: false }, { allowHalfOpen: true });
    const client = await connectTo(loop, addressOf(server), { allowHalfOpen: true });
    await client.shutdownWrite();
    const { address, header } = await viewOf(client);
    t.deepEqual(address, client.socket?.localAddress);
    t.is(header, null);
    client.close();
    await server.stop({ drain: true, timeout: 0 });
  }));

for (const [name, length] of [
  ['all of the signature', 12],
  ['the first half of the signature', 6],
] as const) {
  test(`without require, binary data that begins with ${name} of version 2 is no header`, (t) =>
    onLoop(async (loop) => {
      const server = serveViews(loop, { require: false });
      const client = await connectTo(loop, addressOf(server));
      const data = Buffer.concat([BINARY_HEADER.subarray(0, length), Buffer.alloc(8)]);
      const closed = closing(client);
      await client.write(data);
      if (length < 12) {
        t.is((await viewOf(client)).header, null);
        t.deepEqual(await client.readBytes(data.length), data);
        client.close();
      } else {
        // Nothing else begins with these bytes: it is a header, and it is broken.
        await closed;
        t.deepEqual(reported(loop), [CODE]);
      }
      t.is(server.proxyRefusals, length < 12 ? 0 : 1);
      await server.stop({ drain: true });
    }));
}
