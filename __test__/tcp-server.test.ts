/** TCPServer: connections in, streams out, and what becomes of them. */
import test from 'ava';
import { bindSockets, IOStream, TCPServer, type StreamHandler } from 'ioloop';
import { onLoop, type ReportingLoop, takeReports } from './helpers/loop.js';
import { addressOf, closing, connectTo, portOf, reset } from './helpers/net.js';

function serve(loop: ReportingLoop, handleStream: StreamHandler, options = {}): TCPServer {
  const server = new TCPServer({ loop, handleStream, ...options });
  server.listen(0, '127.0.0.1');
  return server;
}

const echo: StreamHandler = async (stream) => {
  for await (const chunk of stream) await stream.write(chunk);
};

test('a server gives each connection a stream, with its address', (t) =>
  onLoop(async (loop) => {
    const seen: unknown[] = [];
    await using server = serve(loop, (stream, address) => {
      seen.push(address);
      return echo(stream, address);
    });
    const clients = await Promise.all(
      Array.from({ length: 20 }, () => connectTo(loop, addressOf(server))),
    );
    for (const [at, client] of clients.entries()) {
      await client.write(`message ${at}`);
      t.is(String(await client.readBytes(`message ${at}`.length)), `message ${at}`);
    }
    t.is(server.connections, 20);
    const locals = clients.map((client) => client.socket?.localAddress);
    const text = (address: unknown): string => JSON.stringify(address);
    t.deepEqual(new Set(seen.map(text)), new Set(locals.map(text)));
    t.is(new Set(seen.map(text)).size, 20);
    for (const client of clients) client.close();
  }));

test('a subclass overrides handleStream', async (t) => {
  class Greeter extends TCPServer {
    override async handleStream(stream: IOStream): Promise<void> {
      await stream.write('welcome');
      await stream.end();
    }
  }
  await onLoop(async (loop) => {
    await using server = new Greeter({ loop });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    t.is(String(await client.readUntilClose()), 'welcome');
  });
});

test('a handler that fails has its stream closed and is reported; the server goes on', (t) =>
  onLoop(async (loop) => {
    const sync = new Error('at once');
    const late = new Error('later');
    const failures = [
      () => {
        throw sync;
      },
      async () => {
        await Promise.resolve();
        throw late;
      },
    ];
    let count = 0;
    await using server = serve(loop, (stream, address) => {
      const failure = failures[count];
      count += 1;
      return failure === undefined ? echo(stream, address) : failure();
    });
    for (const expected of [sync, late]) {
      const client = await connectTo(loop, addressOf(server));
      t.is((await client.readUntilClose()).length, 0);
      t.deepEqual(
        takeReports(loop).map(({ error }) => error),
        [expected],
      );
    }
    const client = await connectTo(loop, addressOf(server));
    await client.write('still there');
    t.is(String(await client.readBytes(11)), 'still there');
    client.close();
  }));

test('a peer that closes, by EOF or by a reset, is not an error of the handler', (t) =>
  onLoop(async (loop) => {
    await using server = serve(loop, async (stream) => {
      for (;;) await stream.write(await stream.readUntil('\n'));
    });
    for (const leave of [(stream: IOStream) => stream.close(), reset]) {
      const client = await connectTo(loop, addressOf(server));
      await client.write('hello\n');
      await client.readUntil('\n');
      leave(client);
    }
    await server.stop({ drain: true, timeout: 5 });
    t.is(server.connections, 0);
    t.deepEqual(loop.reports, []);
  }));

test('streams come by iteration, which ends when the server is stopped', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({ loop });
    server.listen(0, '127.0.0.1');
    const clients = [connectTo(loop, addressOf(server)), connectTo(loop, addressOf(server))];
    const streams: IOStream[] = [];
    for await (const stream of server) {
      streams.push(stream);
      if (streams.length === 2) void server.stop();
    }
    t.is(streams.length, 2);
    for (const client of await Promise.all(clients)) client.close();
  }));

test('leaving the iteration stops the server', (t) =>
  onLoop(async (loop) => {
    const server = new TCPServer({ loop });
    server.listen(0, '127.0.0.1');
    const address = addressOf(server);
    const client = await connectTo(loop, address);
    for await (const stream of server) {
      stream.close();
      break;
    }
    t.deepEqual(server.addresses, []);
    await t.throwsAsync(connectTo(loop, address), { code: 'ERR_IOLOOP_STREAM_CLOSED' });
    client.close();
  }));

test('more than maxConnections wait in the backlog until one has left', (t) =>
  onLoop(async (loop) => {
    let most = 0;
    await using server: TCPServer = serve(
      loop,
      async (stream, address) => {
        most = Math.max(most, server.connections);
        await echo(stream, address);
      },
      { maxConnections: 3 },
    );
    const clients = await Promise.all(
      Array.from({ length: 10 }, () => connectTo(loop, addressOf(server))),
    );
    for (const client of clients) {
      await client.write('x');
      t.is(String(await client.readBytes(1)), 'x');
      client.close();
    }
    t.is(most, 3);
  }));

test('stop() closes the listeners, and connections live on', (t) =>
  onLoop(async (loop) => {
    await using server = serve(loop, echo);
    const address = addressOf(server);
    const client = await connectTo(loop, address);
    await client.write('a');
    await client.readBytes(1);
    await server.stop();
    await server.stop();
    await t.throwsAsync(connectTo(loop, address), { code: 'ERR_IOLOOP_STREAM_CLOSED' });
    await client.write('b');
    t.is(String(await client.readBytes(1)), 'b');
    t.throws(() => server.listen(0), { code: 'ERR_IOLOOP_SERVER' });
    client.close();
  }));

test('stop({ drain }) waits for the connections, and closes those that outlast its timeout', (t) =>
  onLoop(async (loop) => {
    const server = serve(loop, echo);
    const [patient, hasty] = await Promise.all([
      connectTo(loop, addressOf(server)),
      connectTo(loop, addressOf(server)),
    ]);
    for (const client of [patient, hasty]) {
      await client.write('x');
      await client.readBytes(1);
    }
    const gone = closing(patient);
    const stopped = server.stop({ drain: true, timeout: 0.05 });
    hasty.close();
    await stopped;
    t.is(await gone, null);
    t.is(server.connections, 0);
  }));

test('bind() and start(): nothing is accepted before', (t) =>
  onLoop(async (loop) => {
    const [socket] = bindSockets(0, '127.0.0.1');
    if (socket === undefined) return t.fail();
    let accepted = 0;
    await using server = new TCPServer({ loop, handleStream: () => (accepted += 1) });
    server.addSocket(socket);
    const port = portOf(server);
    await using other = new TCPServer({
      loop,
      handleStream: (stream) => {
        void stream.end();
      },
    });
    other.bind(0, '127.0.0.1');
    t.deepEqual(other.addresses, []);
    other.start();
    t.throws(() => void other.start(2), { code: 'ERR_IOLOOP_SERVER' });
    t.throws(() => void other.start(-1), { code: 'ERR_IOLOOP_SERVER' });
    const client = await connectTo(loop, addressOf(other));
    t.is((await client.readUntilClose()).length, 0);
    t.not(portOf(other), port);
    t.is(accepted, 0);
  }));

test('wrong options are refused when the server is made', (t) => {
  t.throws(() => new TCPServer({ handleStream: 1 as never }), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => new TCPServer({ maxConnections: 0 }), { code: 'ERR_OUT_OF_RANGE' });
  t.throws(() => new TCPServer({ tls: { key: 'no key', cert: 'no certificate' } }));
});
