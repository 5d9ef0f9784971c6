/** Acceptors whose callbacks, sockets or loops fail, and servers whose connections are not taken. */
import { closeSync, openSync } from 'node:fs';
import test from 'ava';
import { addAcceptHandler, bindSockets, IOLoop, IOStream, Socket, TCPServer } from 'ioloop';
import { runChild } from './helpers/child.js';
import { onLoop, ReportingLoop, takeReports } from './helpers/loop.js';
import { addressOf, closing, connectTo } from './helpers/net.js';
import { turns } from './helpers/streams.js';

function listener(): Socket {
  return bindSockets(0, '127.0.0.1')[0] as Socket;
}

test('an async callback that rejects is reported, and its connection closed with its stream', (t) =>
  onLoop(async (loop) => {
    const socket = listener();
    const fault = new Error('no service');
    let made: IOStream | null = null;
    const remove = addAcceptHandler(
      socket,
      async (connection) => {
        made = new IOStream(connection, { loop });
        await Promise.resolve();
        throw fault;
      },
      { loop },
    );
    const client = await connectTo(loop, socket.localAddress);
    t.is((await client.readUntilClose()).length, 0);
    t.is(takeReports(loop)[0]?.error, fault);
    t.true((made as IOStream | null)?.closed);
    remove();
    socket.close();
  }));

test('a listening socket that its owner closes is reported once; the others go on', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({
      loop,
      maxConnections: 1,
      handleStream: (stream) => stream.readUntilClose(),
    });
    const [lost, kept] = [listener(), listener()];
    server.addSockets([lost, kept]);
    const first = await connectTo(loop, lost.localAddress);
    while (server.connections === 0) await turns(first, 1);
    lost.close();
    t.is(server.addresses.length, 1);
    first.close();
    while (server.connections > 0) await turns(first, 1);
    t.deepEqual(
      takeReports(loop).map(({ error }) => (error as NodeJS.ErrnoException).code),
      ['EBADF'],
    );
    const second = await connectTo(loop, addressOf(server));
    while (server.connections === 0) await turns(second, 1);
    second.close();
  }));

test('a listening socket that is closed by its number, while the server is full, is reported once', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({
      loop,
      maxConnections: 1,
      handleStream: (stream) => stream.readUntilClose(),
    });
    const lost = listener();
    server.addSockets([lost, listener()]);
    const number = lost.fd;
    const first = await connectTo(loop, lost.localAddress);
    while (server.connections === 0) await turns(first, 1);
    closeSync(number);
    const files: number[] = [];
    while (!files.includes(number)) files.push(openSync('/dev/null', 'r'));
    // There is room again, so that it is to be listened to.
    first.close();
    while (server.connections > 0) await turns(first, 1);
    await turns(first);
    t.is(takeReports(loop).length, 1);
    t.is(server.addresses.length, 1);
    const second = await connectTo(loop, addressOf(server));
    while (server.connections === 0) await turns(second, 1);
    second.close();
    for (const file of files) closeSync(file);
  }));

test('close() of a loop with a full server closes everything', async (t) => {
  const loop = new ReportingLoop({ makeCurrent: false });
  const pending = new Promise<never>(() => {});
  const server = new TCPServer({ loop, maxConnections: 2, handleStream: () => pending });
  server.listen(0, '127.0.0.1');
  await loop.runSync(async () => {
    const clients = await Promise.all([0, 1].map(() => connectTo(loop, addressOf(server))));
    while (server.connections < 2) await turns(clients[0] as IOStream, 1);
  });
  t.notThrows(() => {
    loop.close();
  });
  t.is(server.connections, 0);
  t.deepEqual(loop.reports, []);
  await server.stop();
});

test('a function is a handler', async (t) => {
  const loop = new IOLoop();
  await loop.runSync(async () => {
    await using server = new TCPServer(async (stream) => {
      await stream.write('hello');
      await stream.end();
    });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    const closed = closing(client);
    t.is(String(await client.readUntilClose()), 'hello');
    await closed;
  });
  loop.close();
});

/** The codes of the warnings of a program. */
async function warningsOf(body: string): Promise<string[]> {
  const program = `
    import { IOLoop, TCPServer, TCPClient } from 'ioloop';
    const loop = IOLoop.current();
    process.on('warning', ({ code }) => console.log(code));
    ${body}`;
  const { stdout } = await runChild(program);
  return stdout.split('\n').filter((line) => line !== '');
}

test('a server whose loop never runs is warned of, and one that runs is not', async (t) => {
  const listen = "new TCPServer(() => {}).listen(0, '127.0.0.1');";
  t.deepEqual(await warningsOf(listen), ['IOLOOP_NOT_RUNNING']);
  t.deepEqual(await warningsOf(`${listen} await loop.runSync(async () => {});`), []);
  t.deepEqual(
    await warningsOf(`const s = ${listen.replace('.listen', ';s.listen')} s.stop();`),
    [],
  );
});

test('a server without a consumer warns when a client waits', async (t) => {
  // The clock of the loop is the test's. A server warns of a connection that has waited for a second.
  const body = (before: string, after: string): string => `
    let now = 0;
    IOLoop.clearCurrent();
    const clocked = new IOLoop({ timeFunc: () => now });
    const pass = async (seconds) => {
      now += seconds;
      for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => clocked.addCallback(resolve));
    };
    await clocked.runSync(async () => {
      const server = new TCPServer();
      server.listen(0, '127.0.0.1');
      ${before}
      await new TCPClient().connect('127.0.0.1', server.port);
      await pass(0);
      ${after}
      await pass(0.9);
      ${after === '' && before === '' ? "console.log('in time');" : ''}
      await pass(0.2);
    }); process.exit();`;
  const iterate = 'server.streams().next();';
  const warned = await Promise.all(
    [
      body('', ''),
      body(iterate, ''),
      // The connection waits already, and not for long enough.
      body('', `await pass(0.2); ${iterate}`),
      body('', 'await pass(0.2); server.stop();'),
    ].map(warningsOf),
  );
  t.deepEqual(warned, [['in time', 'IOLOOP_SERVER_UNHANDLED'], [], [], []]);
});

test('an accept that goes on failing pauses, and is reported once', (t) =>
  onLoop(async (loop) => {
    const socket = listener();
    const attempts: number[] = [];
    const accept = (): never => {
      attempts.push(1);
      throw Object.assign(new Error('accept EOPNOTSUPP'), { code: 'EOPNOTSUPP' });
    };
    Object.defineProperty(socket, 'accept', { value: accept });
    const remove = addAcceptHandler(socket, () => t.fail(), { loop });
    const client = await connectTo(loop, socket.localAddress);
    while (attempts.length < 3) await turns(client, 1);
    t.deepEqual(
      takeReports(loop).map(({ error }) => (error as NodeJS.ErrnoException).code),
      ['EOPNOTSUPP'],
    );
    remove();
    socket.close();
    client.close();
  }));

test('options of a server that nothing could be accepted with are refused at once', (t) => {
  for (const [options, code] of [
    [{ tls: null }, 'ERR_INVALID_ARG_TYPE'],
    [{ tls: true }, 'ERR_INVALID_ARG_TYPE'],
    [{ acceptBatch: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ handshakeTimeout: 0 }, 'ERR_OUT_OF_RANGE'],
    [{ handshakeTimeout: '5' }, 'ERR_INVALID_ARG_TYPE'],
    [{ nodelay: 1 }, 'ERR_INVALID_ARG_TYPE'],
  ] as const) {
    const [name] = Object.keys(options);
    t.throws(() => new TCPServer(options as never), { code, message: new RegExp(`^"${name}"`) });
  }
});
