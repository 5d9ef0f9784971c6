/** What is written for Node's servers, on connections of our loop: Express and ws from npm. */
import { once } from 'node:events';
import { createServer, request, Agent, type IncomingMessage } from 'node:http';
import test from 'ava';
import express from 'express';
import { WebSocket, WebSocketServer } from 'ws';
import { TCPServer } from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { portOf } from './helpers/net.js';

async function bodyOf(response: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return body;
}

test('Express: routes, bodies, streams, keep-alive, and a client that leaves', (t) =>
  onLoop(async (loop) => {
    const app = express();
    app.get(
      '/hello/:name',
      (req, res) => void res.send(`hello ${req.params['name']} of ${req.ip}`),
    );
    app.post('/echo', express.json(), (req, res) => void res.json(req.body));
    app.get('/large', (_, res) => void res.send('x'.repeat(2_000_000)));
    let aborted = 0;
    let began = 0;
    app.get('/slow', (_, res) => {
      began += 1;
      res.on('close', () => (aborted += 1));
    });
    const http = createServer(app);
    await using server = new TCPServer({
      loop,
      handleStream: (stream) => http.emit('connection', stream.toDuplex()),
    });
    server.listen(0, '127.0.0.1');
    const base = `http://127.0.0.1:${portOf(server)}`;
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const get = async (path: string): Promise<string> => {
      const [response] = (await once(request(base + path, { agent }).end(), 'response')) as [
        IncomingMessage,
      ];
      return bodyOf(response);
    };
    t.is(await get('/hello/ann'), 'hello ann of 127.0.0.1');
    t.is((await get('/large')).length, 2_000_000);
    t.is(server.connections, 1, 'the connection is kept alive');
    const posted = await fetch(`${base}/echo`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ list: [1, 2, 3] }),
    });
    t.deepEqual(await posted.json(), { list: [1, 2, 3] });
    const leaving = request(`${base}/slow`).on('error', () => {});
    leaving.end();
    await until(() => began > 0, 'the request');
    leaving.destroy();
    await until(() => aborted > 0, 'the abort');
    t.is(began, 1);
    agent.destroy();
  }));

test('ws: messages both ways, large ones, pings, closing from both sides', (t) =>
  onLoop(async (loop) => {
    const http = createServer();
    const wss = new WebSocketServer({ server: http });
    wss.on('connection', (socket) => {
      socket.on('message', (data, isBinary) => {
        socket.send(data, { binary: isBinary });
      });
    });
    await using server = new TCPServer({
      loop,
      handleStream: (stream) => http.emit('connection', stream.toDuplex()),
    });
    server.listen(0, '127.0.0.1');
    const client = new WebSocket(`ws://127.0.0.1:${portOf(server)}/`);
    await once(client, 'open');
    client.send('hello');
    t.is(String((await once(client, 'message'))[0]), 'hello');
    const large = Buffer.alloc(3_000_000, 'large ');
    client.send(large);
    t.true(large.equals((await once(client, 'message'))[0] as Buffer));
    client.ping();
    await once(client, 'pong');
    client.close(1000, 'done');
    const [code, reason] = (await once(client, 'close')) as [number, Buffer];
    t.is(code, 1000);
    t.is(String(reason), 'done');
    await server.stop({ drain: true, timeout: 5 });
    t.is(server.connections, 0);
    wss.close();
  }));

test('the timeouts of http.Server end a connection that sends nothing', (t) =>
  onLoop(async (loop) => {
    const http = createServer((_, response) => response.end('ok'));
    http.keepAliveTimeout = 50;
    await using server = new TCPServer({
      loop,
      handleStream: (stream) => http.emit('connection', stream.toDuplex()),
    });
    server.listen(0, '127.0.0.1');
    const agent = new Agent({ keepAlive: true });
    const url = `http://127.0.0.1:${portOf(server)}/`;
    const [response] = (await once(request(url, { agent }).end(), 'response')) as [IncomingMessage];
    t.is(await bodyOf(response), 'ok');
    await server.stop({ drain: true, timeout: 10 });
    t.is(server.connections, 0);
    agent.destroy();
  }));
