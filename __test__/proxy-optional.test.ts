/** The option `require: false` of `proxyProtocol`. */
import test from 'ava';
import { onLoop } from './helpers/loop.js';
import { addressOf, closing, connectTo } from './helpers/net.js';
import { TEXT_HEADER } from './helpers/proxy-headers.js';
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
