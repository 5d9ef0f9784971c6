// ws: a server and a client on streams of ours, with compression, 4 MB, pings, both closes.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { serveHttp } from 'ioloop';
import { assert, connecting, load, program, until } from './lib.mjs';

const { WebSocket, WebSocketServer } = load('ws');

await program(async () => {
  const web = createServer();
  const wss = new WebSocketServer({ server: web, perMessageDeflate: true });
  wss.on('connection', (socket) => {
    socket.on('message', (data, binary) => socket.send(data, { binary }));
  });
  const server = serveHttp(web);
  server.listen(0, '127.0.0.1');
  const { port } = server.addresses[0];
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, {
    createConnection: () => connecting(port),
  });
  await once(client, 'open');
  for (const data of [Buffer.from('small'), Buffer.alloc(4_000_000, 'large')]) {
    client.send(data);
    const [answer] = await once(client, 'message');
    assert.ok(data.equals(answer));
  }
  client.ping();
  await once(client, 'pong');
  for (const socket of wss.clients) socket.close(1001, 'going');
  assert.equal((await once(client, 'close'))[0], 1001);
  const other = new WebSocket(`ws://127.0.0.1:${port}/`, {
    createConnection: () => connecting(port),
  });
  await once(other, 'open');
  other.terminate();
  await until(() => wss.clients.size === 0, 'the terminated client');
  await new Promise((resolve) => web.close(resolve));
});
