/** TLS handshakes that fail on a server: its peers cause them at will, and do not fill its log. */
import test from 'ava';
import { TCPServer, TimeoutError, type IOLoop, type Socket, type TCPServerOptions } from 'ioloop';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { addressOf, connectTo, fixture } from './helpers/net.js';
import { CLIENT, TEXT_HEADER } from './helpers/proxy-headers.js';

const tls = { cert: fixture('server.pem'), key: fixture('server.key') };
const PEERS = 20;
/** One at once, then after 1 s, 2 s and 4 s: the machine may be busy. */
const MOST_REPORTS = 4;

function serve(loop: IOLoop, options: TCPServerOptions): TCPServer {
  const server = new TCPServer({ loop, ...options });
  server.listen(0, '127.0.0.1');
  return server;
}

/** Peers that do not speak TLS, one after the other. */
async function scan(loop: IOLoop, server: TCPServer): Promise<void> {
  for (let peer = 0; peer < PEERS; peer += 1) {
    const stream = await connectTo(loop, addressOf(server));
    await stream.write('GET / HTTP/1.0\r\n\r\n');
    await stream.readUntilClose().catch(() => {});
  }
  await server.stop({ drain: true });
}

function reported(loop: ReportingLoop): unknown[] {
  return loop.reports.splice(0).map(({ error }) => (error as NodeJS.ErrnoException).code);
}

test('a server with TLS reports none; its tlsServer emits an event for each', (t) =>
  onLoop(async (loop) => {
    const server = serve(loop, { tls, handleStream: () => t.fail() });
    let events = 0;
    server.tlsServer?.on('tlsClientError', () => {
      events += 1;
    });
    await scan(loop, server);
    t.is(events, PEERS);
    t.deepEqual(reported(loop), []);
  }));

for (const isProxied of [false, true]) {
  test(`'tlsClientError' has the address of the client, with a PROXY header: ${isProxied}`, (t) =>
    onLoop(async (loop) => {
      const server = serve(loop, { tls, proxyProtocol: isProxied, handleStream: () => t.fail() });
      const seen: unknown[] = [];
      server.tlsServer?.on('tlsClientError', (_, { remoteAddress, remotePort, localPort }) => {
        seen.push(remoteAddress, remotePort, localPort);
      });
      const client = await connectTo(loop, addressOf(server));
      const local = Object.values((client.socket as Socket).localAddress);
      if (isProxied) await client.write(TEXT_HEADER);
      await client.write('GET / HTTP/1.0\r\n\r\n');
      await client.readUntilClose().catch(() => {});
      const expected = isProxied ? Object.values(CLIENT) : local;
      t.deepEqual(seen, [...expected, server.port]);
      await server.stop({ drain: true });
    }));
}

test('many that fail in a handler which does not catch them are few reports', (t) =>
  onLoop(async (loop) => {
    let handled = 0;
    const server = serve(loop, {
      handleStream: async (stream) => {
        handled += 1;
        await stream.startTls({ serverSide: true, tls });
      },
    });
    await scan(loop, server);
    t.is(handled, PEERS);
    const codes = reported(loop);
    t.deepEqual(new Set(codes), new Set(['ERR_SSL_HTTP_REQUEST']));
    t.true(codes.length <= MOST_REPORTS, `${codes.length} reports`);
  }));

test('many that time out in a handler are few reports', (t) =>
  onLoop(async (loop) => {
    const server = serve(loop, {
      handleStream: (stream) => stream.startTls({ serverSide: true, tls, timeout: 0.01 }),
    });
    const streams = await Promise.all(
      Array.from({ length: PEERS }, () => connectTo(loop, addressOf(server))),
    );
    await Promise.allSettled(streams.map((stream) => stream.readUntilClose()));
    await server.stop({ drain: true });
    const errors = loop.reports.splice(0).map(({ error }) => error);
    t.true(errors.length >= 1 && errors.length <= MOST_REPORTS, `${errors.length} reports`);
    t.true(errors.every((error) => error instanceof TimeoutError));
  }));

test('every other failure of a handler is a report of its own, between failed handshakes, too', (t) =>
  onLoop(async (loop) => {
    const server = serve(loop, {
      handleStream: async (stream) => {
        await stream.startTls({ serverSide: true, tls }).catch(() => {});
        throw Object.assign(new Error('handler'), { code: 'OWN' });
      },
    });
    await scan(loop, server);
    t.deepEqual(
      reported(loop),
      Array.from({ length: PEERS }, () => 'OWN'),
    );
  }));

test('wrong options of startTls() in a handler are reported for each connection', (t) =>
  onLoop(async (loop) => {
    const server = serve(loop, {
      handleStream: (stream) => stream.startTls({ serverSide: true, buffered: 'no' as never }),
    });
    await scan(loop, server);
    t.is(reported(loop).length, PEERS);
  }));
