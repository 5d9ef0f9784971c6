// Express on a TCPServer of ours, asked by node:http on a stream of ours.
import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { serveHttp } from 'ioloop';
import { assert, connecting, load, program } from './lib.mjs';

const express = load('express');

await program(async () => {
  const app = express();
  app.get('/ip', (req, res) => void res.json({ ip: req.ip, secure: req.secure }));
  app.post('/echo', express.raw({ limit: '10mb', type: '*/*' }), (req, res) => {
    res.send(req.body);
  });
  const web = createServer(app);
  const server = serveHttp(web);
  server.listen(0, '127.0.0.1');
  const { port } = server.addresses[0];
  /** @param {string} path @param {Buffer} [body] */
  const ask = async (path, body) => {
    const method = body === undefined ? 'GET' : 'POST';
    const outgoing = request({
      path,
      method,
      headers: body === undefined ? {} : { 'content-type': 'application/octet-stream' },
      createConnection: () => connecting(port),
    });
    outgoing.end(body);
    const [response] = await once(outgoing, 'response');
    return Buffer.concat(await response.toArray());
  };
  assert.deepEqual(JSON.parse(String(await ask('/ip'))), { ip: '127.0.0.1', secure: false });
  for (const size of [50_000, 200_000, 1_000_000, 8_000_000]) {
    const body = Buffer.alloc(size, 'express');
    assert.ok(body.equals(await ask('/echo', body)));
  }
  await new Promise((resolve) => web.close(resolve));
});
