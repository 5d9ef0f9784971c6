/** The async context of servers whose connections open in steps, and of `node:http` on a loop. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent, createServer, request } from 'node:http';
import { once } from 'node:events';
import { connect as connectPlainly } from 'node:net';
import { connect as connectSecurely } from 'node:tls';
import test from 'ava';
import { serveHttp, TCPServer, type TCPServerOptions } from 'ioloop';
import { onLoop } from './helpers/loop.js';
import { portOf } from './helpers/net.js';
import { ca, identity } from './helpers/tls.js';

const CLIENTS = 4;
const storage = new AsyncLocalStorage<string>();

/** The steps before `handleStream`. */
const openings: Record<string, TCPServerOptions> = {
  TLS: { tls: identity },
  'a PROXY header': { proxyProtocol: { trust: ['127.0.0.1'] } },
  'a PROXY header and TLS': { tls: identity, proxyProtocol: { trust: ['127.0.0.1'] } },
};

for (const [name, options] of Object.entries(openings)) {
  test(`after ${name}, handleStream runs in the context of listen()`, (t) =>
    onLoop(async (loop) => {
      const seen: unknown[] = [];
      await using server = storage.run('construction', () => {
        return new TCPServer({
          ...options,
          loop,
          handleStream: async (stream) => {
            seen.push(storage.getStore());
            storage.enterWith(`left by call ${seen.length}`);
            await stream.readBytes(1);
            seen.push(storage.getStore());
            await stream.end();
          },
        });
      });
      storage.run('listen', () => server.listen(0, '127.0.0.1'));
      for (let count = 0; count < CLIENTS; count += 1) {
        await client(portOf(server), options);
        t.deepEqual(seen.splice(0), ['listen', 'left by call 1']);
      }
    }));
}

/** A client that sends a byte, and waits for the end. */
async function client(port: number, { tls, proxyProtocol }: TCPServerOptions): Promise<void> {
  const plain = connectPlainly(port, '127.0.0.1');
  if (proxyProtocol !== undefined) plain.write('PROXY TCP4 10.0.0.1 127.0.0.1 4711 80\r\n');
  const options = { socket: plain, ca, servername: 'localhost' };
  const socket = tls === undefined ? plain : connectSecurely(options);
  socket.end('x').resume();
  await once(socket, 'close');
}

test('requests of node:http run in the context of listen(), also later ones of a connection', (t) =>
  onLoop(async (loop) => {
    const seen: unknown[] = [];
    const web = createServer((_, response) => {
      seen.push(storage.getStore());
      response.end('ok');
    });
    await using server = storage.run('construction', () => serveHttp(web, { loop }));
    storage.run('listen', () => server.listen(0, '127.0.0.1'));
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (let count = 0; count < CLIENTS; count += 1) {
      const outgoing = request({ port: portOf(server), host: '127.0.0.1', agent }).end();
      const [response] = await once(outgoing, 'response');
      await once(response.resume(), 'end');
    }
    agent.destroy();
    t.is(server.connections, 1);
    t.deepEqual(
      seen,
      Array.from({ length: CLIENTS }, () => 'listen'),
    );
  }));
