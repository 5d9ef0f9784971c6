// undici: a Client and a Pool on streams of ours, against node:http on a TCPServer of ours.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { serveHttp } from 'ioloop';
import { assert, connecting, load, program } from './lib.mjs';

const { Client, Pool } = load('undici');

await program(async () => {
  const web = createServer((request, response) => void request.pipe(response));
  const server = serveHttp(web);
  server.listen(0, '127.0.0.1');
  const { port } = server.addresses[0];
  const origin = `http://127.0.0.1:${port}`;
  const connect = (_, done) => {
    const socket = connecting(port);
    socket.once('connect', () => done(null, socket)).once('error', (error) => done(error, null));
  };
  const client = new Client(origin, { connect });
  const body = Buffer.alloc(4_000_000, 'undici');
  const { body: echoed } = await client.request({ path: '/', method: 'POST', body });
  assert.ok(body.equals(Buffer.from(await echoed.arrayBuffer())));
  // The server closes the idle connection; the client makes another one.
  const noticed = once(client, 'disconnect');
  web.closeIdleConnections();
  await noticed;
  const second = await client.request({ path: '/', method: 'PUT', body: 'again' });
  assert.equal(await second.body.text(), 'again');
  const pool = new Pool(origin, { connect, connections: 10, pipelining: 1 });
  const texts = await Promise.all(
    Array.from({ length: 200 }, async (_, index) => {
      const answer = await pool.request({ path: '/', method: 'POST', body: `request ${index}` });
      return answer.body.text();
    }),
  );
  texts.forEach((text, index) => assert.equal(text, `request ${index}`));
  await client.close();
  await pool.close();
  await new Promise((resolve) => web.close(resolve));
});
