/** What becomes of TLS handshakes: of a stopped server, of a full one, and in floods. */
import { readdirSync } from 'node:fs';
import test from 'ava';
import { IOStream, TCPClient, TCPServer, type TCPServerOptions } from 'ioloop';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { addressOf, closing, connectTo } from './helpers/net.js';
import { turns, localPair } from './helpers/streams.js';
import { ca, identity } from './helpers/tls.js';

function serve(loop: ReportingLoop, options: TCPServerOptions = {}): TCPServer {
  const server = new TCPServer({ loop, tls: identity, ...options });
  server.listen(0, '127.0.0.1');
  return server;
}

/** Clients that connect and say nothing. */
async function silent(loop: ReportingLoop, server: TCPServer, count: number): Promise<IOStream[]> {
  const address = addressOf(server);
  const clients = await Promise.all(Array.from({ length: count }, () => connectTo(loop, address)));
  while (server.connections < count) await turns(clients[0] as IOStream, 1);
  return clients;
}

for (const [name, stop] of Object.entries({
  stop: (server: TCPServer) => server.stop(),
  'a drain that is over': (server: TCPServer) => server.stop({ drain: true, timeout: 0 }),
  dispose: (server: TCPServer) => server[Symbol.asyncDispose](),
})) {
  test(`${name} closes the handshakes in progress at once`, (t) =>
    onLoop(async (loop) => {
      // Far above the time limit of the test: the stop ends them, not their timeout.
      const server = serve(loop, { handshakeTimeout: 1000, handleStream: () => t.fail() });
      const clients = await silent(loop, server, 3);
      const closed = Promise.all(clients.map(closing));
      await stop(server);
      await closed;
      t.is(server.connections, 0);
    }));
}

test('a server that drains completes handshakes, and serves their connections', (t) =>
  onLoop(async (loop) => {
    for (let delay = 0; delay < 12; delay += 1) {
      const server = serve(loop, {
        handleStream: async (stream) => {
          await stream.write('served');
          await stream.end();
        },
      });
      const options = { loop, family: 4, tls: { tls: { ca } } } as const;
      const connecting = new TCPClient().connect('localhost', server.port, options);
      const idle = localPair(loop)[0];
      // Its connection is in the backlog at least.
      while (server.connections === 0) await turns(idle, 1);
      await turns(idle, delay);
      idle.close();
      const stopping = server.stop({ drain: true });
      const client = await connecting;
      t.is(String(await client.readUntilClose()), 'served');
      await stopping;
    }
  }));

test('nothing reaches the handler of a server that is stopped during handshakes', (t) =>
  onLoop(async (loop) => {
    for (let delay = 0; delay < 12; delay += 1) {
      let isStopped = false;
      const server = serve(loop, {
        handleStream: (stream) => {
          t.false(isStopped);
          stream.close();
        },
      });
      const options = { loop, family: 4, tls: { tls: { ca } } } as const;
      const connecting = new TCPClient().connect('localhost', server.port, options).then(
        (stream) => {
          stream.close();
        },
        () => {},
      );
      const idle = localPair(loop)[0];
      await turns(idle, delay);
      idle.close();
      const stopping = server.stop();
      isStopped = true;
      await Promise.all([stopping, connecting]);
      // The test has a time limit.
      while (server.connections > 0) await new Promise(setImmediate);
    }
  }));

test('a handshake that goes on for 10 seconds of the loop is given up', async (t) => {
  let offset = 0;
  const timeFunc = (): number => performance.now() / 1e3 + offset;
  await onLoop(
    async (loop) => {
      const server = serve(loop, { handleStream: () => t.fail() });
      const [client] = (await silent(loop, server, 1)) as [IOStream];
      offset += 8;
      await turns(client);
      t.is(server.connections, 1);
      offset += 3;
      const closed = closing(client);
      await turns(client);
      await closed;
      t.is(server.connections, 0);
      await server.stop();
    },
    { timeFunc },
  );
});

// Serial: the method is that of all streams.
test.serial(
  'nothing reaches the handler when the stop comes with the handshake done',
  async (t) => {
    const { prototype } = IOStream;
    const { startTls } = prototype;
    await onLoop(async (loop) => {
      let handled = 0;
      const server = serve(loop, {
        handleStream: (stream) => {
          handled += 1;
          stream.close();
        },
      });
      prototype.startTls = async function (options) {
        const secure = await startTls.call(this, options);
        // The handshake is over, and the server has not heard of it.
        if (options?.serverSide === true) await server.stop();
        return secure;
      };
      try {
        const options = { loop, tls: { hostname: 'localhost', tls: { ca } } } as const;
        const client = await new TCPClient().connect('127.0.0.1', server.port, options);
        t.is((await client.readUntilClose()).length, 0);
      } finally {
        prototype.startTls = startTls;
      }
      t.is(handled, 0);
      t.is(server.connections, 0);
    });
  },
);

test.serial('handshakes count as connections, and a flood of half of one leaves nothing', (t) =>
  onLoop(async (loop) => {
    const options = { handshakeTimeout: 0.1, maxConnections: 20, handleStream: () => t.fail() };
    const server = serve(loop, options);
    const address = addressOf(server);
    const before = readdirSync('/dev/fd').length;
    let most = 0;
    for (let round = 0; round < 3; round += 1) {
      const clients = await Promise.all(Array.from({ length: 40 }, () => connectTo(loop, address)));
      const closed = clients.map(async (client) => {
        // The beginning of a ClientHello.
        await client.write(Buffer.from([22, 3, 1, 2, 0, 1])).catch(() => {});
        await closing(client);
        most = Math.max(most, server.connections);
      });
      await Promise.all(closed);
    }
    t.true(most <= 20);
    t.is(server.connections, 0);
    t.is(readdirSync('/dev/fd').length, before);
    await server.stop();
  }),
);
