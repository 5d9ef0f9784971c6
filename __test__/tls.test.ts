/** TLS: both sides, certificates, names, protocols, and starting it in the middle. */
import { once } from 'node:events';
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls';
import type { AddressInfo } from 'node:net';
import test from 'ava';
import { SSLIOStream, TCPClient, TCPServer, type IOStream } from 'ioloop';
import { onLoop } from './helpers/loop.js';
import { addressOf, closing, connectTo, fixture, portOf } from './helpers/net.js';
import { ca, identity, plainPair, secured, securePair } from './helpers/tls.js';

const clientIdentity = { cert: fixture('client.pem'), key: fixture('client.key') };

test('a client and a server of TCPServer and TCPClient speak TLS', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({
      loop,
      tls: identity,
      handleStream: async (stream) => {
        for await (const chunk of stream) await stream.write(chunk);
      },
    });
    server.listen(0, '127.0.0.1');
    const options = { loop, tls: { tls: { ca } }, family: 4 } as const;
    const client = await new TCPClient().connect('localhost', portOf(server), options);
    t.true(client instanceof SSLIOStream);
    const data = Buffer.alloc(3_000_000, 'secret ');
    void client.write(data);
    t.true(data.equals(await client.readBytes(data.length)));
    t.is(client.error, null);
    await client.end();
    await server.stop({ drain: true, timeout: 5 });
    t.is(server.connections, 0);
  }));

test('every kind of read works on TLS, and a clean end is an end', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await securePair(loop);
    void client.write('line one\nab');
    void client.write(['c;', Buffer.from('rest')]);
    t.is(String(await server.readUntil('\n')), 'line one\n');
    t.is(String(await server.peek(2)), 'ab');
    t.is(String(await server.readUntilRegex(/[;,]/)), 'abc;');
    const into = Buffer.alloc(2);
    t.is(await server.readInto(into), 2);
    t.is(String(into), 're');
    const all = server.readUntilClose();
    await client.end();
    t.is(String(await all), 'st');
  }));

test('half-close: a request ended by shutdownWrite is answered', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await securePair(loop, { allowHalfOpen: true });
    void client.write('request');
    void client.write(' complete');
    await client.shutdownWrite();
    t.is(String(await server.readUntilClose()), 'request complete');
    await server.write('reply');
    await server.end();
    t.is(String(await client.readUntilClose()), 'reply');
  }));

test('STARTTLS in the middle of a dialogue', (t) =>
  onLoop(async (loop) => {
    const [plainClient, plainServer] = plainPair(loop);
    const serve = async (): Promise<string> => {
      await plainServer.write('220 ready\r\n');
      await plainServer.readUntil('STARTTLS\r\n');
      await plainServer.write('220 go ahead\r\n');
      const secure = await plainServer.startTls({ serverSide: true, tls: identity });
      return String(await secure.readUntil('\r\n'));
    };
    const served = serve();
    await plainClient.readUntil('\r\n');
    await plainClient.write('STARTTLS\r\n');
    t.is(String(await plainClient.readUntil('\r\n')), '220 go ahead\r\n');
    const secure = await plainClient.startTls({ hostname: 'localhost', tls: { ca } });
    await secure.write('EHLO again\r\n');
    t.is(await served, 'EHLO again\r\n');
    t.true(plainClient.closed);
    await t.throwsAsync(plainClient.readBytes(1), { code: 'ERR_IOLOOP_STREAM_CLOSED' });
    t.false(secure.closed);
    secure.close();
  }));

test('a stream that is not idle refuses, and is as before', (t) =>
  onLoop(async (loop) => {
    const [client, server] = plainPair(loop);
    const reading = client.readBytes(2);
    await t.throwsAsync(client.startTls({ hostname: 'x' }), { code: 'ERR_IOLOOP_STREAM_BUSY' });
    await server.write('abc');
    t.is(String(await reading), 'ab');
    t.is(client.readBufferSize, 1);
    const refusing = { hostname: 'x', buffered: 'refuse' } as const;
    await t.throwsAsync(client.startTls(refusing), { code: 'ERR_IOLOOP_STREAM_BUSY' });
    t.is(String(await client.readBytes(1)), 'c');
    await t.throwsAsync(client.startTls(), { code: 'ERR_INVALID_ARG_VALUE' });
    client.close();
    await t.throwsAsync(client.startTls(), { code: 'ERR_IOLOOP_STREAM_CLOSED' });
  }));

test('a client verifies the certificate and the name', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({ loop, tls: identity, handleStream: () => {} });
    server.listen(0, '127.0.0.1');
    const connect = (tls: object): Promise<IOStream> =>
      new TCPClient().connect('127.0.0.1', portOf(server), { loop, tls });
    await t.throwsAsync(connect({}), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    await t.throwsAsync(connect({ hostname: 'other.example', tls: { ca } }), {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    const trusting = await connect({ tls: { rejectUnauthorized: false } });
    trusting.close();
    const named = await connect({ hostname: 'localhost', tls: { ca } });
    t.is((named as SSLIOStream).peerCertificate?.subject.CN, 'localhost');
    named.close();
  }));

test('client certificates and ALPN', (t) =>
  onLoop(async (loop) => {
    const names: unknown[] = [];
    await using server = new TCPServer({
      loop,
      tls: { ...identity, ca, requestCert: true, rejectUnauthorized: true, ALPNProtocols: ['b'] },
      handleStream: (stream) => {
        const secure = stream as SSLIOStream;
        names.push(secure.peerCertificate?.subject.CN, secure.alpnProtocol);
        void stream.end();
      },
    });
    server.listen(0, '127.0.0.1');
    const tls = { ca, ...clientIdentity, ALPNProtocols: ['a', 'b'] };
    const options = { loop, family: 4, tls: { tls } } as const;
    const client = await new TCPClient().connect('localhost', portOf(server), options);
    t.is((client as SSLIOStream).alpnProtocol, 'b');
    t.is(await (client as SSLIOStream).waitForHandshake(), client as SSLIOStream);
    t.is((await client.readUntilClose()).length, 0);
    t.deepEqual(names, ['client', 'b']);
  }));

test('a connection that does not speak TLS fails, and the server goes on', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({
      loop,
      tls: identity,
      handleStream: (stream) => {
        void stream.end();
      },
    });
    server.listen(0, '127.0.0.1');
    const scanner = await connectTo(loop, addressOf(server));
    await scanner.write('GET / HTTP/1.0\r\n\r\n');
    t.false((await scanner.readUntilClose()).includes('HTTP'));
    const options = { loop, family: 4, tls: { tls: { ca } } } as const;
    const client = await new TCPClient().connect('localhost', portOf(server), options);
    t.is((await client.readUntilClose()).length, 0);
    await server.stop({ drain: true, timeout: 5 });
    t.is(server.connections, 0);
  }));

test('a silent peer is given up after the handshake timeout', (t) =>
  onLoop(async (loop) => {
    const options = { tls: identity, handshakeTimeout: 0.05, handleStream: () => {} };
    await using server = new TCPServer({ loop, ...options });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    await closing(client);
    t.is(server.connections, 0);
  }));

test('the close callback moves along; close() and a peer that breaks off reach it', (t) =>
  onLoop(async (loop) => {
    const [client, server] = plainPair(loop);
    const closed = closing(client);
    const [secureClient, secureServer] = await secured([client, server]);
    const reading = secureClient.readBytes(1);
    secureServer.close();
    await t.throwsAsync(reading, { code: 'ERR_IOLOOP_STREAM_CLOSED' });
    t.is((await closed)?.name ?? null, null);
    t.true(secureClient.closed);
    t.is(secureClient.fileno(), -1);
  }));

test('write promises, congestion and the limit of the write buffer hold on TLS', (t) =>
  onLoop(async (loop) => {
    const limits = { maxWriteBufferSize: 8_000_000, highWaterMark: 100_000 };
    const [writer, reader] = await securePair(loop, limits);
    const writing = writer.write(Buffer.alloc(6_000_000, 1));
    t.true(writer.congested);
    await t.throwsAsync(writer.write(Buffer.alloc(3_000_000)), {
      code: 'ERR_IOLOOP_BUFFER_FULL',
    });
    const drained = writer.drain();
    t.is((await reader.readBytes(6_000_000)).length, 6_000_000);
    await Promise.all([writing, drained]);
    t.is(writer.writeBufferSize, 0);
    writer.close();
  }));

test("Node's own TLS on the other side, as client and as server", (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({
      loop,
      tls: identity,
      handleStream: async (stream) => {
        await stream.write(await stream.readUntil('\n'));
        await stream.end();
      },
    });
    server.listen(0, '127.0.0.1');
    const socket = tlsConnect({
      port: portOf(server),
      host: '127.0.0.1',
      ca,
      servername: 'localhost',
    });
    socket.write('to node\n');
    const [echo] = (await once(socket, 'data')) as [Buffer];
    t.is(String(echo), 'to node\n');
    await once(socket, 'close');

    // Before Node 26 a server that ends within this event sends no close_notify.
    const node = createTlsServer(identity, (connection) => {
      setImmediate(() => connection.end('from node'));
    });
    node.listen(0, '127.0.0.1');
    await once(node, 'listening');
    const { port } = node.address() as AddressInfo;
    const options = { loop, family: 4, tls: { tls: { ca } } } as const;
    const client = await new TCPClient().connect('localhost', port, options);
    t.is(String(await client.readUntilClose()), 'from node');
    node.close();
  }));
