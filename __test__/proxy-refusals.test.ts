/** Connections without a valid PROXY header: closed, counted and reported. */
import test from 'ava';
import type { IOStream } from 'ioloop';
import { onLoop, takeReports } from './helpers/loop.js';
import { addressOf, closing, connectTo, reset } from './helpers/net.js';
import {
  BINARY_HEADER,
  binaryHeader,
  CLIENT,
  IPV4_ADDRESSES,
  TEXT_HEADER,
  tlv,
} from './helpers/proxy-headers.js';
import {
  onFakeTime,
  reported,
  serveViews,
  untilConnections,
  viewOf,
} from './helpers/proxy-servers.js';
import { turns } from './helpers/streams.js';

const CODE = 'ERR_IOLOOP_PROXY_HEADER';

for (const [name, bytes] of [
  ['other bytes', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['a header that is too long', binaryHeader(0x21, 0x11, Buffer.alloc(5000)).subarray(0, 16)],
  ['a line without an end', Buffer.from(`PROXY TCP4 ${'1'.repeat(200)}`)],
] as const) {
  test(`${name}: the connection is closed and counted`, (t) =>
    onLoop(async (loop) => {
      const server = serveViews(loop, true, { handleStream: () => t.fail() });
      const client = await connectTo(loop, addressOf(server));
      const closed = closing(client);
      await client.write(bytes);
      await closed;
      t.is(server.proxyRefusals, 1);
      const [report] = takeReports(loop);
      t.like(report?.error, { code: CODE, address: '127.0.0.1' });
      await server.stop({ drain: true });
    }));
}

for (const [name, end] of [
  ['a reset', reset],
  ['EOF', (client: IOStream) => client.close()],
] as const) {
  test(`${name} in the middle of a header is counted`, (t) =>
    onLoop(async (loop) => {
      const server = serveViews(loop, true, { handleStream: () => t.fail() });
      const client = await connectTo(loop, addressOf(server));
      await client.write(BINARY_HEADER.subarray(0, 20));
      await untilConnections(server, 1);
      await turns(client);
      end(client);
      await untilConnections(server, 0);
      t.is(server.proxyRefusals, 1);
      t.deepEqual(reported(loop), [CODE]);
      await server.stop();
    }));

  test(`${name} before the first byte is counted, and not reported`, (t) =>
    onLoop(async (loop) => {
      const server = serveViews(loop, true, { handleStream: () => t.fail() });
      const client = await connectTo(loop, addressOf(server));
      await untilConnections(server, 1);
      end(client);
      await untilConnections(server, 0);
      t.is(server.proxyRefusals, 1);
      await server.stop();
    }));
}

for (const [name, start] of [
  ['nothing', Buffer.alloc(0)],
  ['half a header', TEXT_HEADER.subarray(0, 20)],
] as const) {
  test(`${name}, then silence: the connection is closed after the timeout`, (t) =>
    onFakeTime(async (loop, clock) => {
      const server = serveViews(loop, true, { handleStream: () => t.fail() });
      const client = await connectTo(loop, addressOf(server));
      const closed = closing(client);
      if (start.length > 0) await client.write(start);
      await untilConnections(server, 1);
      await turns(client);
      clock.advance(4);
      await turns(client);
      t.is(server.connections, 1);
      clock.advance(2);
      await turns(client);
      await closed;
      t.is(server.proxyRefusals, 1);
      const [report] = takeReports(loop);
      t.regex(String(report?.error), /not come within 5 s/);
      await server.stop({ drain: true });
    }));
}

test('many refusals are few reports', (t) =>
  onLoop(async (loop) => {
    const server = serveViews(loop, true, { handleStream: () => t.fail() });
    for (let count = 0; count < 20; count += 1) {
      const client = await connectTo(loop, addressOf(server));
      const closed = closing(client);
      await client.write('GET / HTTP/1.1\r\n\r\n');
      await closed;
    }
    t.is(server.proxyRefusals, 20);
    const codes = reported(loop);
    // One at once, then after 1 s, 2 s and 4 s: the machine may be busy.
    t.true(codes.length >= 1 && codes.length <= 4, `${codes.length} reports`);
    await server.stop({ drain: true });
  }));

test('a header that is longer than maxBufferSize says so', (t) =>
  onLoop(async (loop) => {
    const server = serveViews(loop, true, {
      maxBufferSize: 64,
      readChunkSize: 32,
      handleStream: () => t.fail(),
    });
    const client = await connectTo(loop, addressOf(server));
    const closed = closing(client);
    const padded = Buffer.concat([IPV4_ADDRESSES, tlv(4, Buffer.alloc(200))]);
    await client.write(binaryHeader(0x21, 0x11, padded));
    await closed;
    t.is(server.proxyRefusals, 1);
    const [report] = takeReports(loop);
    t.like(report?.error, { code: CODE });
    t.regex(String(report?.error), /cannot be read: .*64/);
    await server.stop({ drain: true });
  }));

for (const isRequired of [true, false]) {
  test(`a header that is complete when its timeout is late is used, require: ${isRequired}`, (t) =>
    onFakeTime(async (loop, clock) => {
      const server = serveViews(loop, { require: isRequired });
      const client = await connectTo(loop, addressOf(server));
      await untilConnections(server, 1);
      await client.write([TEXT_HEADER, 'hello']);
      // As after a turn of 6 s: the timeout is due, and the bytes wait in the kernel.
      clock.advance(6);
      t.deepEqual((await viewOf(client)).address, CLIENT);
      t.is(String(await client.readBytes(5)), 'hello');
      t.is(server.proxyRefusals, 0);
      client.close();
      await server.stop({ drain: true });
    }));
}

test('half a header when its timeout is late is refused', (t) =>
  onFakeTime(async (loop, clock) => {
    const server = serveViews(loop, { require: false }, { handleStream: () => t.fail() });
    const client = await connectTo(loop, addressOf(server));
    await untilConnections(server, 1);
    const closed = closing(client);
    await client.write(TEXT_HEADER.subarray(0, 20));
    clock.advance(6);
    await closed;
    t.is(server.proxyRefusals, 1);
    t.regex(String(takeReports(loop)[0]?.error), /not come within 5 s/);
    await server.stop({ drain: true });
  }));
