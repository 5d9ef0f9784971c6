/** TCPServer with the option `proxyProtocol`: the address, the header and the bytes of a connection. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type Socket as NetSocket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import test from 'ava';
import { serveHttp, TCPServer } from 'ioloop';
import { deferred } from './helpers/deferred.js';
import { onLoop } from './helpers/loop.js';
import { addressOf, connectTo, portOf } from './helpers/net.js';
import {
  BINARY_HEADER,
  binaryHeader,
  CLIENT,
  TARGET,
  TEXT_HEADER,
} from './helpers/proxy-headers.js';
import { serveViews, viewOf } from './helpers/proxy-servers.js';
import { turns } from './helpers/streams.js';
import { ca, identity } from './helpers/tls.js';

const LOCAL_HEADER = binaryHeader(0x20, 0, Buffer.alloc(0));

for (const [name, header, version] of [
  ['version 1', TEXT_HEADER, 1],
  ['version 2', BINARY_HEADER, 2],
] as const) {
  test(`${name}: the handler gets the client, and the bytes after the header`, (t) =>
    onLoop(async (loop) => {
      await using server = serveViews(loop, true);
      const client = await connectTo(loop, addressOf(server));
      await client.write([header, 'hello']);
      const { address, header: seen, peer } = await viewOf(client);
      t.deepEqual(address, CLIENT);
      t.like(seen, { version, isLocal: false, source: CLIENT, destination: TARGET });
      t.deepEqual(peer, client.socket?.localAddress);
      t.is(String(await client.readBytes(5)), 'hello');
      t.is(server.proxyRefusals, 0);
      client.close();
    }));

  test(`${name}: byte by byte, each in a packet`, (t) =>
    onLoop(async (loop) => {
      await using server = serveViews(loop, true);
      const client = await connectTo(loop, addressOf(server));
      client.setNodelay(true);
      for (const byte of Buffer.concat([header, Buffer.from('hi')])) {
        await client.write(Buffer.of(byte));
        await turns(client, 1);
      }
      t.deepEqual((await viewOf(client)).address, CLIENT);
      t.is(String(await client.readBytes(2)), 'hi');
      client.close();
    }));

  test(`${name}: the header and the ClientHello in one segment`, (t) =>
    onLoop(async (loop) => {
      await using server = serveViews(loop, true, { tls: identity });
      const raw = connect({ host: '127.0.0.1', port: portOf(server) });
      const socket = connectTls({ socket: prefixed(raw, header), servername: 'localhost', ca });
      const [line] = (await once(socket, 'data')) as [Buffer];
      t.like(JSON.parse(String(line)), { address: CLIENT, header: { version, source: CLIENT } });
      socket.destroy();
      raw.destroy();
    }));
}

/** A duplex over `socket` that sends `prefix` with the first write. */
function prefixed(socket: NetSocket, prefix: Buffer): Duplex {
  let before = prefix;
  const duplex = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _, done) => {
      socket.write(Buffer.concat([before, chunk]), done);
      before = Buffer.alloc(0);
    },
  });
  socket.on('data', (chunk) => duplex.push(chunk));
  return duplex;
}

test('the TLVs are in the header of the stream, and startTls() keeps it', (t) =>
  onLoop(async (loop) => {
    const server = new TCPServer({
      loop,
      proxyProtocol: true,
      handleStream: async (plain) => {
        const { proxyHeader } = plain;
        t.is(proxyHeader?.tlvs.length, 2);
        t.deepEqual(proxyHeader?.tlvs[0], { type: 2, value: Buffer.from('a.example') });
        const stream = await plain.startTls({ serverSide: true, tls: identity });
        t.is(stream.proxyHeader, proxyHeader);
        t.is(stream.toDuplex().remoteAddress, CLIENT.host);
        await stream.end();
      },
    });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    await client.write(BINARY_HEADER);
    const secure = await client.startTls({ hostname: 'localhost', tls: { ca } });
    await secure.readUntilClose();
    await server.stop({ drain: true });
  }));

test('a local connection, and an unknown family, have the address of the balancer', (t) =>
  onLoop(async (loop) => {
    await using server = serveViews(loop, true);
    for (const [header, isLocal] of [
      [LOCAL_HEADER, true],
      [Buffer.from('PROXY UNKNOWN\r\n'), false],
    ] as const) {
      const client = await connectTo(loop, addressOf(server));
      await client.write(header);
      const { address, header: seen } = await viewOf(client);
      t.deepEqual(address, client.socket?.localAddress);
      t.like(seen, { isLocal, source: null, destination: null });
      client.close();
    }
  }));

test('requests of node:http have the address of the client', (t) =>
  onLoop(async (loop) => {
    const http = createServer(({ socket }, response) => {
      const { remoteAddress, remotePort, remoteFamily, localPort } = socket;
      response.end(JSON.stringify([remoteAddress, remotePort, remoteFamily, localPort]));
    });
    await using server = serveHttp(http, { loop, proxyProtocol: true });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    await client.write([TEXT_HEADER, 'GET / HTTP/1.0\r\n\r\n']);
    const [, body] = String(await client.readUntilClose()).split('\r\n\r\n');
    t.deepEqual(JSON.parse(String(body)), [CLIENT.host, CLIENT.port, 'IPv4', portOf(server)]);
  }));

test('the iterator gets the streams after their headers', (t) =>
  onLoop(async (loop) => {
    const server = new TCPServer({ loop, proxyProtocol: true });
    server.listen(0, '127.0.0.1');
    const connecting = connectTo(loop, addressOf(server));
    void connecting.then((client) => client.write(TEXT_HEADER));
    for await (const stream of server) {
      t.deepEqual(stream.proxyHeader?.source, CLIENT);
      stream.close();
      break;
    }
    (await connecting).close();
  }));

test('false is the same as no option', (t) =>
  onLoop(async (loop) => {
    await using server = serveViews(loop, false);
    const client = await connectTo(loop, addressOf(server));
    t.is((await viewOf(client)).header, null);
    t.is(server.proxyRefusals, 0);
    client.close();
  }));

for (const allowHalfOpen of [false, true]) {
  test(`a header, data and FIN in one segment: the handler gets the data, allowHalfOpen: ${allowHalfOpen}`, (t) =>
    onLoop(async (loop) => {
      const seen = deferred<string>();
      const server = serveViews(loop, true, {
        allowHalfOpen,
        handleStream: async (stream, address) => {
          t.deepEqual(address, CLIENT);
          seen.resolve(String(await stream.readUntilClose()));
          stream.close();
        },
      });
      const client = await connectTo(loop, addressOf(server));
      void client.write([TEXT_HEADER, 'hello']);
      void client.shutdownWrite();
      t.is(await seen.promise, 'hello');
      client.close();
      await server.stop({ drain: true });
    }));
}

test('a second header is data of the protocol', (t) =>
  onLoop(async (loop) => {
    await using server = serveViews(loop, true);
    const client = await connectTo(loop, addressOf(server));
    const second = Buffer.from('PROXY TCP4 198.51.100.7 198.51.100.8 1 2\r\n');
    await client.write([TEXT_HEADER, second]);
    t.deepEqual((await viewOf(client)).address, CLIENT);
    t.deepEqual(await client.readBytes(second.length), second);
    client.close();
  }));

test('the header stays with the stream when it is closed', (t) =>
  onLoop(async (loop) => {
    const seen = deferred<unknown>();
    const server = serveViews(loop, true, {
      handleStream: (stream) => {
        stream.close();
        seen.resolve(stream.proxyHeader?.source);
      },
    });
    const client = await connectTo(loop, addressOf(server));
    await client.write(BINARY_HEADER);
    t.deepEqual(await seen.promise, CLIENT);
    client.close();
    await server.stop({ drain: true });
  }));
