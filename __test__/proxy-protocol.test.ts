/** TCPServer with the option `proxyProtocol`: which connections are served, and with which address. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { BlockList, connect, type Socket as NetSocket } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { inspect } from 'node:util';
import test from 'ava';
import {
  bindUnixSocket,
  IOStream,
  serveHttp,
  Socket,
  TCPServer,
  type ProxyProtocolOptions,
} from 'ioloop';
import { FakeClock, onLoop, takeReports, type ReportingLoop } from './helpers/loop.js';
import { addressOf, closing, connectTo, portOf, reset } from './helpers/net.js';
import {
  binaryHeader,
  CLIENT,
  IPV4_ADDRESSES,
  serveViews,
  TARGET,
  TEXT_HEADER,
  tlv,
  viewOf,
} from './helpers/proxy-headers.js';
import { directory } from './helpers/sockets.js';
import { turns } from './helpers/streams.js';
import { ca, identity } from './helpers/tls.js';

const TLVS = Buffer.concat([tlv(2, Buffer.from('a.example')), tlv(5, Buffer.from('id'))]);
const BINARY_HEADER = binaryHeader(0x21, 0x11, Buffer.concat([IPV4_ADDRESSES, TLVS]));
const LOCAL_HEADER = binaryHeader(0x20, 0, Buffer.alloc(0));
const CODE = 'ERR_IOLOOP_PROXY_HEADER';

/** The codes of the reports, which are taken. */
function reported(loop: ReportingLoop): unknown[] {
  return takeReports(loop).map(({ error }) => (error as NodeJS.ErrnoException).code);
}

/** {@link onLoop} with a clock that the test advances. */
function onFakeTime(body: (loop: ReportingLoop, clock: FakeClock) => Promise<void>): Promise<void> {
  const clock = new FakeClock();
  return onLoop((loop) => body(loop, clock), { timeFunc: clock.time });
}

/** Waits until the server has as many connections. */
async function untilConnections(server: TCPServer, count: number): Promise<void> {
  const [pacer, peer] = Socket.pair();
  const stream = new IOStream(pacer, { loop: server.loop });
  while (server.connections !== count) await turns(stream, 1);
  stream.close();
  peer.close();
}

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

for (const [name, stop] of Object.entries({
  stop: (server: TCPServer) => server.stop(),
  drain: (server: TCPServer) => server.stop({ drain: true }),
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
      const stopping = server.stop({ drain: true });
      isStopped = true;
      await stopping;
      t.is(server.connections, 0);
      for (const end of [client, idle, peer]) end.close();
    }
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

const WRONG: readonly (readonly [unknown, string])[] = [
  ['yes', 'ERR_INVALID_ARG_TYPE'],
  [null, 'ERR_INVALID_ARG_TYPE'],
  [['10.0.0.0/8'], 'ERR_INVALID_ARG_TYPE'],
  [[], 'ERR_INVALID_ARG_TYPE'],
  [new Set(['10.0.0.1']), 'ERR_INVALID_ARG_TYPE'],
  [new BlockList(), 'ERR_INVALID_ARG_TYPE'],
  [{ trusted: ['10.0.0.0/8'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ trust: true }, 'ERR_INVALID_ARG_TYPE'],
  [{ trust: ['10.0.0.0/08'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ require: 1 }, 'ERR_INVALID_ARG_TYPE'],
  [{ trust: '10.0.0.0/8' }, 'ERR_INVALID_ARG_TYPE'],
  [{ trust: [10] }, 'ERR_INVALID_ARG_TYPE'],
  [{ trust: ['balancer.example'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ trust: ['10.0.0.0/33'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ trust: ['10.0.0.0/'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ trust: ['fe80::1%eth0'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ timeout: 0 }, 'ERR_OUT_OF_RANGE'],
  [{ timeout: '5' }, 'ERR_INVALID_ARG_TYPE'],
];

for (const [option, code] of WRONG) {
  test(`proxyProtocol: ${inspect(option)} throws ${code}`, (t) => {
    const proxyProtocol = option as ProxyProtocolOptions;
    t.throws(() => new TCPServer({ proxyProtocol }), { code });
  });
}

test('false is the same as no option', (t) =>
  onLoop(async (loop) => {
    await using server = serveViews(loop, false);
    const client = await connectTo(loop, addressOf(server));
    t.is((await viewOf(client)).header, null);
    t.is(server.proxyRefusals, 0);
    client.close();
  }));
