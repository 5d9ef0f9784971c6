/** Subscribers of channels that act on the objects of a message. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test, { type ExecutionContext } from 'ava';
import { TCPServer, type IOStream, type TCPServerOptions } from 'ioloop';
import { runChild } from './helpers/child.js';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { addressOf, closing, connectTo } from './helpers/net.js';
import { TEXT_HEADER } from './helpers/proxy-headers.js';
import { testOwnWith } from './helpers/sockets-of.js';

interface Message {
  readonly server: TCPServer;
  readonly stream: IOStream;
}

/** Subscribes to a channel for the messages of `server`, until the test ends. */
function onMessage(
  t: ExecutionContext,
  name: 'open' | 'close',
  server: TCPServer,
  act: (message: Message) => unknown,
): void {
  const listen = (message: unknown): void => {
    if ((message as Message).server === server) act(message as Message);
  };
  subscribe(`ioloop:connection:${name}`, listen);
  t.teardown(() => unsubscribe(`ioloop:connection:${name}`, listen));
}

const SERVERS: readonly (readonly [string, TCPServerOptions])[] = [
  ['a server', {}],
  ['a server that requires headers', { proxyProtocol: true }],
  ['a server that takes headers', { proxyProtocol: { require: false } }],
];

function serve(loop: ReportingLoop, options: TCPServerOptions): [TCPServer, () => number] {
  let handled = 0;
  const handleStream = (stream: IOStream): void => {
    handled += 1;
    stream.close();
  };
  const server = new TCPServer({ loop, handleStream, ...options });
  server.listen(0, '127.0.0.1');
  return [server, () => handled];
}

for (const [name, options] of SERVERS) {
  for (const [action, act] of Object.entries({
    'closes the stream': ({ stream }: Message) => stream.close(),
    'closes the stream with an error': ({ stream }: Message) => stream.close(new Error('banned')),
    'stops the server': ({ server }: Message) => server.stop(),
    'closes the stream later': ({ stream }: Message) =>
      queueMicrotask(() => {
        stream.close();
      }),
  })) {
    const isLate = action.endsWith('later');
    if (isLate && options.proxyProtocol === undefined) continue;
    test(`${name}: a subscriber of open that ${action}: no handler, no refusal, one close`, (t) =>
      onLoop(async (loop) => {
        const [server, handled] = serve(loop, options);
        let closes = 0;
        onMessage(t, 'open', server, act);
        onMessage(t, 'close', server, () => (closes += 1));
        const client = await connectTo(loop, addressOf(server));
        const closed = closing(client);
        if (!isLate) void client.write(TEXT_HEADER).catch(() => {});
        await closed;
        t.is(handled(), 0);
        t.is(server.proxyRefusals, 0);
        t.is(closes, 1);
        t.is(server.connections, 0);
        await server.stop({ drain: true });
      }));
  }

  test(`${name}: a subscriber of open that reads the stream does not let it pass`, (t) =>
    onLoop(async (loop) => {
      const [server, handled] = serve(loop, options);
      onMessage(t, 'open', server, ({ stream }) => void stream.readBytes(1).catch(() => {}));
      const client = await connectTo(loop, addressOf(server));
      await closing(client);
      const isProxy = options.proxyProtocol !== undefined;
      t.is(handled(), isProxy ? 0 : 1);
      t.is(server.proxyRefusals, isProxy ? 1 : 0);
      t.is(loop.reports.splice(0).length, isProxy ? 1 : 0);
      await server.stop({ drain: true });
    }));
}

test('a message of close has the number of refusals, the header and the error', (t) =>
  onLoop(async (loop) => {
    const [server] = serve(loop, { proxyProtocol: true });
    const seen: unknown[] = [];
    onMessage(t, 'close', server, ({ stream }) => {
      seen.push([server.proxyRefusals, stream.proxyHeader?.source, stream.error !== null]);
    });
    for (const bytes of ['GET / HTTP/1.0\r\n', TEXT_HEADER]) {
      const client = await connectTo(loop, addressOf(server));
      const closed = closing(client);
      void client.write(bytes).catch(() => {});
      await closed;
    }
    t.deepEqual(seen, [
      [1, undefined, true],
      [1, { host: '192.0.2.1', port: 56_324 }, false],
    ]);
    t.is(loop.reports.splice(0).length, 1);
    await server.stop({ drain: true });
  }));

const STOPPED_IN_PAUSE = `
  import { subscribe } from 'node:diagnostics_channel';
  import { IOLoop, TCPServer, Socket } from 'ioloop';
  const loop = IOLoop.current();
  await loop.runSync(async () => {
    const server = new TCPServer({ handleStream: () => {} });
    server.listen(0, '127.0.0.1');
    const client = Socket.tcp();
    const paused = new Promise((resolve) => {
      subscribe('ioloop:accept:pause', () => {
        const { acceptPaused } = server;
        server.stop();
        resolve(acceptPaused);
      });
    });
    const before = loop.metrics().timersPending;
    const hoard = [];
    try { for (;;) hoard.push(Socket.tcp()); } catch {}
    client.connect(server.addresses[0]);
    console.log(await paused, server.acceptPaused, loop.metrics().timersPending - before);
  }, { timeout: 30 });
`;

testOwnWith('prlimit')(
  'a subscriber of a pause that stops the server ends the pause',
  async (t) => {
    const result = await runChild(STOPPED_IN_PAUSE, { through: ['prlimit', '--nofile=256:256'] });
    t.is(result.stdout.trim(), 'true false 0', result.stderr);
  },
);
