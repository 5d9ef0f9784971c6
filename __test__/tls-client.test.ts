/** Clients of TLS alone, with servers of `node:tls`: what runtimes without the other side can do. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TlsOptions } from 'node:tls';
import test, { type ExecutionContext } from 'ava';
import { SSLIOStream, TCPClient, type IOLoop, type IOStream } from 'ioloop';
import { onLoop } from './helpers/loop.js';
import { ca, identity } from './helpers/tls.js';

/** The port of a server of `node:tls` that sends back what it gets, until the test ends. */
async function echoServer(t: ExecutionContext, options: TlsOptions = {}): Promise<number> {
  const server = createServer({ ...identity, ...options }, (socket) => socket.pipe(socket));
  // Of clients that refuse the certificate.
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** To a server whose certificate has to have `hostname`. */
function connect(loop: IOLoop, port: number, hostname: string, tls: object): Promise<IOStream> {
  return new TCPClient().connect('127.0.0.1', port, { loop, tls: { hostname, tls } });
}

test('data goes both ways, and the end is announced', (t) =>
  onLoop(async (loop) => {
    const client = await connect(loop, await echoServer(t), 'localhost', { ca });
    t.true(client instanceof SSLIOStream);
    const data = Buffer.alloc(300_000, 'secret ');
    void client.write(data);
    t.true(data.equals(await client.readBytes(data.length)));
    await client.end();
    t.is(client.error, null);
  }));

test('a certificate of another name, or of an unknown authority, is refused', (t) =>
  onLoop(async (loop) => {
    const port = await echoServer(t);
    await t.throwsAsync(connect(loop, port, 'elsewhere.test', { ca }), {
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
    await t.throwsAsync(connect(loop, port, 'localhost', {}));
  }));
