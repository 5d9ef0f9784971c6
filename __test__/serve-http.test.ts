/** `node:http` and its relatives on connections of the loop: timeouts, idle connections, the end. */
import { once } from 'node:events';
import http, { Agent, createServer, request, type IncomingMessage } from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import net, { type Socket as NetSocket } from 'node:net';
import test from 'ava';
import { WebSocket, WebSocketServer } from 'ws';
import { serveHttp, TCPServer, type ServeHttpOptions } from 'ioloop';
import { until } from './helpers/fds.js';
import { USUAL } from './helpers/capacities.js';
import { onLoop } from './helpers/loop.js';
import { fixture, portOf } from './helpers/net.js';
import { untilRefused } from './helpers/refusing.js';

const TLS = { cert: fixture('server.pem'), key: fixture('server.key') };

/** A helper, and what the documentation gave before it. */
const ways = {
  serveHttp: (web: http.Server, options: ServeHttpOptions): TCPServer => serveHttp(web, options),
  "emit('connection')": (web: http.Server, options: ServeHttpOptions): TCPServer =>
    new TCPServer({
      ...options,
      handleStream: (stream) => web.emit('connection', stream.toDuplex()),
    }),
};

async function get(port: number, agent: Agent | false): Promise<string> {
  const outgoing = request({ port, host: '127.0.0.1', agent }).end();
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return body;
}

/** A connection that sends `text`, and what it gets until it is closed. */
async function answerTo(port: number, text: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += String(chunk)));
  socket.on('error', () => {});
  socket.write(text);
  await new Promise((resolve) => socket.once('close', resolve));
  return answer;
}

for (const [name, serve] of Object.entries(ways)) {
  // Serial: a busy process lets time pass in which the request is not read.
  test.serial(`${name}: headersTimeout and requestTimeout answer 408`, (t) =>
    onLoop(async (loop) => {
      const web = createServer({ connectionsCheckingInterval: 20 }, (_, res) => res.end('ok'));
      web.headersTimeout = 300;
      web.requestTimeout = 400;
      await using server = serve(web, { loop });
      server.listen(0, '127.0.0.1');
      const half = await answerTo(portOf(server), 'GET / HTTP/1.1\r\nHost: x\r\n');
      t.regex(half, /^HTTP\/1\.1 408 /);
      const body = 'POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nsome';
      // The answer of the handler precedes the timeout of the body.
      t.regex(await answerTo(portOf(server), body), /^HTTP\/1\.1 200 /);
      t.is(server.connections, 0);
      web.close();
    }),
  );

  test(`${name}: closeIdleConnections() and closeAllConnections() close`, (t) =>
    onLoop(async (loop) => {
      let began = 0;
      const web = createServer((req, res) => {
        if (req.url === '/slow') began += 1;
        else res.end('ok');
      });
      await using server = serve(web, { loop });
      server.listen(0, '127.0.0.1');
      const port = portOf(server);
      const agent = new Agent({ keepAlive: true });
      t.is(await get(port, agent), 'ok');
      const slow = answerTo(port, 'GET /slow HTTP/1.1\r\nHost: x\r\n\r\n');
      await until(() => began === 1, 'the slow request');
      t.is(server.connections, 2);
      web.closeIdleConnections();
      await until(() => server.connections === 1, 'the close of the idle one');
      web.closeAllConnections();
      t.is(await slow, '');
      await until(() => server.connections === 0, 'the close of both');
      agent.destroy();
      web.close();
    }));

  // Node 26 waits for 'drain' for ever when a write ends between write() and its uncork().
  test.serial(`${name}: bodies of 50 kB to 8 MB are echoed by a pipe`, (t) =>
    onLoop(
      async (loop) => {
        const web = createServer((req, res) => void req.pipe(res));
        await using server = serve(web, { loop });
        server.listen(0, '127.0.0.1');
        for (const size of [50_000, 200_000, 500_000, 1_000_000, 8_000_000]) {
          const outgoing = request({ port: portOf(server), method: 'POST', agent: false });
          const response = once(outgoing, 'response', { signal: AbortSignal.timeout(20_000) });
          outgoing.end(Buffer.alloc(size, 'echo'));
          const [incoming] = (await response) as [IncomingMessage];
          let received = 0;
          for await (const chunk of incoming) received += (chunk as Buffer).length;
          t.is(received, size);
        }
        web.close();
      },
      { capacities: USUAL },
    ),
  );
}

/** Answers each request by 2 MB; a client pipelines three, half-closes, and reads when all have come. */
async function pipelined(web: http.Server, port: number): Promise<number> {
  let requests = 0;
  web.on('request', (_, res) => {
    requests += 1;
    res.end(Buffer.alloc(2_000_000, 'large'));
  });
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.pause();
  socket.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(3));
  await until(() => requests > 1, 'two requests');
  let received = 0;
  socket.on('data', (chunk: Buffer) => (received += chunk.length)).resume();
  await once(socket, 'close');
  return received;
}

test('pipelined requests before a half-close are answered whole, as over net.Socket', async (t) => {
  const theirs = createServer();
  await once(theirs.listen(0, '127.0.0.1'), 'listening');
  const expected = await pipelined(theirs, (theirs.address() as net.AddressInfo).port);
  theirs.close();
  t.true(expected > 6_000_000);
  for (const serve of Object.values(ways)) {
    await onLoop(
      async (loop) => {
        const web = createServer();
        await using server = serve(web, { loop });
        server.listen(0, '127.0.0.1');
        t.is(await pipelined(web, portOf(server)), expected);
        await until(() => server.connections === 0, 'the close');
        web.close();
      },
      { capacities: USUAL },
    );
  }
});

test('an upgraded connection gets the end while it is paused, as of a net.Socket', (t) =>
  onLoop(async (loop) => {
    const web = createServer();
    await using server = serveHttp(web, { loop });
    server.listen(0, '127.0.0.1');
    const client = net.connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
    client.write('GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n');
    const [, socket] = (await once(web, 'upgrade')) as [IncomingMessage, NetSocket];
    socket.pause();
    const ended = once(socket, 'end', { signal: AbortSignal.timeout(20_000) });
    client.end();
    await t.notThrowsAsync(ended);
    t.true(socket.isPaused());
    socket.destroy();
    client.destroy();
    web.close();
  }));

test('close() stops accepting, closes idle connections, and waits for the others', (t) =>
  onLoop(async (loop) => {
    let finish: (() => void) | null = null;
    const web = createServer((req, res) => {
      if (req.url === '/slow') finish = () => void res.end('at last');
      else res.end('ok');
    });
    const events: string[] = [];
    web.on('listening', () => events.push('listening')).on('close', () => events.push('close'));
    const server = serveHttp(web, { loop });
    t.false(web.listening);
    t.is(web.address(), null);
    server.listen(0, '127.0.0.1');
    const port = portOf(server);
    t.true(web.listening);
    t.deepEqual(web.address(), { address: '127.0.0.1', family: 'IPv4', port });
    const agent = new Agent({ keepAlive: true });
    t.is(await get(port, agent), 'ok');
    const slow = answerTo(port, 'GET /slow HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    await until(() => finish !== null, 'the slow request');
    t.is(await new Promise((resolve) => web.getConnections((_, count) => resolve(count))), 2);
    const closed = new Promise<unknown>((resolve) => web.close(resolve));
    await until(() => server.connections === 1, 'the close of the idle one');
    t.false(web.listening);
    t.deepEqual(events, ['listening']);
    await t.notThrowsAsync(untilRefused(port));
    (finish as unknown as () => void)();
    t.regex(await slow, /at last/);
    t.is(await closed, undefined);
    t.deepEqual(events, ['listening', 'close']);
    agent.destroy();
  }));

test('stop({ drain }) and disposing close idle connections, and the server with them', (t) =>
  onLoop(async (loop) => {
    const agent = new Agent({ keepAlive: true });
    const web = createServer((_, res) => res.end('ok'));
    const server = serveHttp(web, { loop });
    server.listen(0, '127.0.0.1');
    t.is(await get(portOf(server), agent), 'ok');
    await server.stop({ drain: true, timeout: 30 });
    t.is(server.connections, 0);
    const closed = once(web, 'close');
    await server[Symbol.asyncDispose]();
    await closed;
    t.false(web.listening);
    agent.destroy();
  }));

test("maxConnections of node:http closes what is above it, with 'drop'", (t) =>
  onLoop(async (loop) => {
    const web = createServer();
    web.maxConnections = 1;
    const dropped: { remotePort?: number }[] = [];
    web.on('drop', (data: object | undefined) => dropped.push(data ?? {}));
    await using server = serveHttp(web, { loop });
    server.listen(0, '127.0.0.1');
    const first = net.connect(portOf(server), '127.0.0.1');
    await until(() => server.connections === 1, 'the first');
    const second = net.connect(portOf(server), '127.0.0.1').resume();
    await once(second, 'connect');
    const { localPort } = second;
    await once(second, 'close');
    t.is(server.connections, 1);
    t.is(dropped[0]?.remotePort, localPort);
    first.destroy();
  }));

test('keepAliveTimeout ends an idle connection', (t) =>
  onLoop(async (loop) => {
    const web = createServer((_, res) => res.end('ok'));
    web.keepAliveTimeout = 50;
    await using server = serveHttp(web, { loop });
    server.listen(0, '127.0.0.1');
    const agent = new Agent({ keepAlive: true });
    t.is(await get(portOf(server), agent), 'ok');
    await until(() => server.connections === 0, 'the end');
    agent.destroy();
  }));

test('a client that has ended its side gets its answer, when httpAllowHalfOpen says so', (t) =>
  onLoop(async (loop) => {
    const web = createServer(({ socket }, res) => {
      socket.once('end', () => setImmediate(() => res.end('late')));
    });
    (web as unknown as { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
    await using server = serveHttp(web, { loop });
    server.listen(0, '127.0.0.1');
    const socket = net.connect({ port: portOf(server), host: '127.0.0.1', allowHalfOpen: true });
    socket.end('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
    let answer = '';
    for await (const chunk of socket) answer += String(chunk);
    t.regex(answer, /late/);
  }));

for (const where of [
  'of node:https',
  'of the loop, under node:http',
  'of the loop, under node:https',
]) {
  test(`https with the TLS ${where}`, (t) =>
    onLoop(async (loop) => {
      const seen: unknown[] = [];
      const answer: http.RequestListener = ({ socket }, res) => {
        const { encrypted, remoteAddress } = socket as typeof socket & { encrypted?: boolean };
        const { getPeerCertificate } = socket as unknown as { getPeerCertificate: unknown };
        seen.push([encrypted, remoteAddress, typeof getPeerCertificate]);
        res.end('secret');
      };
      const web = where.endsWith('node:http')
        ? createServer(answer)
        : https.createServer(TLS, answer);
      await using server = serveHttp(
        web,
        where.startsWith('of node') ? { loop } : { loop, tls: TLS },
      );
      server.listen(0, '127.0.0.1');
      const agent = new https.Agent({ keepAlive: true, rejectUnauthorized: false });
      const url = `https://127.0.0.1:${portOf(server)}/`;
      const [response] = (await once(https.get(url, { agent }), 'response')) as [IncomingMessage];
      t.is(
        String(
          await response
            .resume()
            .toArray()
            .then((list) => list.join('')),
        ),
        'secret',
      );
      t.deepEqual(seen, [[true, '127.0.0.1', 'function']]);
      await server.stop({ drain: true, timeout: 30 });
      t.is(server.connections, 0, 'the idle connection was closed');
      agent.destroy();
    }));
}

test('HTTP/2: requests, and a stop that waits for them', (t) =>
  onLoop(async (loop) => {
    let finish = (): void => {};
    const web = http2.createServer((req, res) => {
      if (req.url === '/slow') finish = () => void res.end('at last');
      else res.end('ok');
    });
    const server = serveHttp(web, { loop });
    server.listen(0, '127.0.0.1');
    const session = http2.connect(`http://127.0.0.1:${portOf(server)}`);
    const read = async (path: string): Promise<string> => {
      let body = '';
      for await (const chunk of session.request({ ':path': path })) body += String(chunk);
      return body;
    };
    t.is(await read('/'), 'ok');
    const slow = read('/slow');
    const began = finish;
    await until(() => finish !== began, 'the slow request');
    const stopped = server.stop({ drain: true, timeout: 30 });
    finish();
    t.is(await slow, 'at last');
    await stopped;
    t.is(server.connections, 0);
    web.close();
  }));

test("'upgrade': ws over serveHttp", (t) =>
  onLoop(async (loop) => {
    const web = createServer();
    const wss = new WebSocketServer({ server: web });
    wss.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    await using server = serveHttp(web, { loop });
    server.listen(0, '127.0.0.1');
    const client = new WebSocket(`ws://127.0.0.1:${portOf(server)}/`);
    await once(client, 'open');
    client.send('hello');
    t.is(String((await once(client, 'message'))[0]), 'hello');
    client.close();
    await once(client, 'close');
    wss.close();
  }));

test('serveHttp() refuses a value that is not a server', (t) => {
  t.throws(() => serveHttp({} as NetSocket as never), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => serveHttp(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
});
