/** `startTls()` in the handler of a server: the connection stays the server's, whichever stream it has. */
import test from 'ava';
import { TCPServer, type IOStream, type TCPServerOptions } from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { addressOf, connectTo } from './helpers/net.js';
import { closedBy, failureOf, isSettled, turns, withPair } from './helpers/streams.js';
import { clientSide, serverSide } from './helpers/tls.js';

function serve(loop: ReportingLoop, options: TCPServerOptions): TCPServer {
  const server = new TCPServer({ loop, ...options });
  server.listen(0, '127.0.0.1');
  return server;
}

/** A secure stream to a server whose handler begins TLS at once. */
async function connectSecurely(loop: ReportingLoop, server: TCPServer): Promise<IOStream> {
  const stream = await connectTo(loop, addressOf(server));
  return stream.startTls(clientSide);
}

test('a connection counts until its secure stream is closed, and a drain ends with it', (t) =>
  onLoop(async (loop) => {
    const server = serve(loop, {
      handleStream: async (stream) => {
        const secure = await stream.startTls(serverSide);
        await secure.write(await secure.readUntil('\n'));
        await secure.end();
      },
    });
    const client = await connectSecurely(loop, server);
    t.is(server.connections, 1);
    const stopping = server.stop({ drain: true });
    await turns(client);
    t.false(await isSettled(stopping));
    await client.write('hello\n');
    t.is(String(await client.readUntilClose()), 'hello\n');
    await stopping;
    t.is(server.connections, 0);
  }));

test('a handshake that fails in a handler gives its place to the next connection', (t) =>
  onLoop(async (loop) => {
    const failures: unknown[] = [];
    const server = serve(loop, {
      maxConnections: 1,
      handleStream: async (stream) => {
        failures.push((await failureOf(stream.startTls(serverSide))).code);
      },
    });
    for (let round = 1; round <= 3; round += 1) {
      const client = await connectTo(loop, addressOf(server));
      await client.write('no handshake\n');
      await client.readUntilClose().catch(() => {});
      t.is(failures.length, round);
    }
    await server.stop({ drain: true });
    t.is(new Set(failures).size, 1);
  }));

test('a drain that is given up closes secure streams, and handshakes in progress', (t) =>
  onLoop(async (loop) => {
    const server = serve(loop, {
      handleStream: async (stream) => {
        const secure = await stream.startTls(serverSide).catch(() => null);
        void secure?.write('x');
        await secure?.readUntilClose().catch(() => {});
      },
    });
    const silent = await connectTo(loop, addressOf(server));
    const secure = await connectSecurely(loop, server);
    await secure.readBytes(1);
    await until(() => server.connections === 2, 'both connections');
    await server.stop({ drain: true, timeout: 0.01 });
    t.is(server.connections, 0);
    await secure.readUntilClose();
    await silent.readUntilClose();
  }));

test('a handler that fails after startTls() has its secure stream closed', (t) =>
  onLoop(async (loop) => {
    const reason = new Error('handler');
    const server = serve(loop, {
      handleStream: async (stream) => {
        await stream.startTls(serverSide);
        throw reason;
      },
    });
    const client = await connectSecurely(loop, server);
    await client.readUntilClose().catch(() => {});
    await server.stop({ drain: true });
    t.deepEqual(
      loop.reports.splice(0).map(({ error }) => error),
      [reason],
    );
  }));

for (const reason of [null, new Error('why')]) {
  test(`close(${String(reason)}) gives up the handshake at once`, (t) =>
    withPair(async (near, far) => {
      const closed = new Promise((resolve) => {
        near.setCloseCallback(resolve);
      });
      const starting = closedBy(near.startTls(serverSide));
      await turns(near);
      near.close(reason);
      t.is(await starting, reason as NodeJS.ErrnoException | null);
      t.is(await closed, reason);
      t.is((await far.readUntilClose()).length, 0);
    }));
}

test('end() resolves when the peer ends meanwhile: TLS within TLS, whose end takes a round trip', (t) =>
  withPair(async (near, far) => {
    let pair: [IOStream, IOStream] = [near, far];
    for (let depth = 1; depth <= 2; depth += 1) {
      const [first, second] = pair;
      pair = await Promise.all([first.startTls(serverSide), second.startTls(clientSide)]);
    }
    const [first, second] = pair;
    await t.notThrowsAsync(first.end());
    t.is((await second.readUntilClose()).length, 0);
  }));
