// Fastify on a TCPServer of ours: routes, a large body, requests that time out, a graceful end.
import { createServer } from 'node:http';
import { serveHttp } from 'ioloop';
import { assert, connecting, load, program } from './lib.mjs';

const fastify = load('fastify');

await program(async () => {
  let web;
  const app = fastify({
    bodyLimit: 10_000_000,
    serverFactory: (handler) => (web = createServer({ connectionsCheckingInterval: 20 }, handler)),
  });
  app.get('/hello/:name', async (request) => ({ hello: request.params.name, ip: request.ip }));
  app.post('/size', async (request) => ({ size: request.body.text.length }));
  await app.ready();
  const server = serveHttp(web);
  server.listen(0, '127.0.0.1');
  const { port } = server.addresses[0];
  const base = `http://127.0.0.1:${port}`;
  const hello = await (await fetch(`${base}/hello/ann`)).json();
  assert.deepEqual(hello, { hello: 'ann', ip: '127.0.0.1' });
  const posted = await fetch(`${base}/size`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ text: 'x'.repeat(5_000_000) }),
  });
  assert.deepEqual(await posted.json(), { size: 5_000_000 });
  // Only now: the requests above may take longer on a busy machine.
  web.headersTimeout = 200;
  web.requestTimeout = 300;
  const slow = connecting(port);
  slow.write('GET / HTTP/1.1\r\nHost: x\r\n');
  let answer = '';
  for await (const chunk of slow) answer += String(chunk);
  assert.match(answer, /^HTTP\/1\.1 408 /);
  await new Promise((resolve) => web.close(resolve));
  assert.equal(server.connections, 0);
});
