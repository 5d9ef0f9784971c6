/** The channels of `node:diagnostics_channel`, and their messages. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import test from 'ava';
import { IOStream, TCPClient, TCPServer, type IOLoop } from 'ioloop';
import { runChild } from './helpers/child.js';
import { onLoop, runTurns, takeReports, withLoop } from './helpers/loop.js';
import { testOwnWith } from './helpers/sockets-of.js';

interface Message {
  readonly loop?: IOLoop;
  readonly server?: TCPServer;
  readonly stream?: IOStream;
  readonly [key: string]: unknown;
}

/** The messages of a channel while `body` runs, of this loop: other tests publish as well. */
async function messagesOf(
  name: string,
  loop: IOLoop,
  body: () => Promise<unknown>,
): Promise<Message[]> {
  const seen: Message[] = [];
  const listen = (message: unknown): void => {
    const { loop: of, server } = message as Message;
    if ((of ?? server?.loop) === loop) seen.push(message as Message);
  };
  subscribe(name, listen);
  try {
    await body();
  } finally {
    unsubscribe(name, listen);
  }
  return seen;
}

/** A client connects to a server that closes its connection with an error. */
async function connectOnce(loop: IOLoop): Promise<TCPServer> {
  const server = new TCPServer({
    loop,
    handleStream: (stream) => stream.close(new Error('enough')),
  });
  server.listen(0, '127.0.0.1');
  const client = await new TCPClient().connect('127.0.0.1', server.port, { loop });
  await client.readUntilClose();
  await server.stop({ drain: true });
  return server;
}

test('a connection of a server is published when it opens', (t) =>
  onLoop(async (loop) => {
    let server: TCPServer | null = null;
    const messages = await messagesOf('ioloop:connection:open', loop, async () => {
      server = await connectOnce(loop);
    });
    t.is(messages.length, 1);
    t.is(messages[0]?.server as unknown, server);
    t.true(messages[0]?.stream instanceof IOStream);
    t.like(messages[0]?.['address'], { host: '127.0.0.1' });
  }));

test('a connection of a server is published when it closes, with its error', (t) =>
  onLoop(async (loop) => {
    const messages = await messagesOf('ioloop:connection:close', loop, () => connectOnce(loop));
    t.is(messages.length, 1);
    t.like(messages[0]?.['error'], { message: 'enough' });
    t.true(messages[0]?.stream?.closed);
  }));

test('a callback that fails is published, and reported', (t) =>
  withLoop(async (loop) => {
    const error = new Error('broken');
    const fail = (): never => {
      throw error;
    };
    const messages = await messagesOf('ioloop:callback:error', loop, async () => {
      loop.addCallback(fail);
      await runTurns(loop);
    });
    t.deepEqual(messages, [{ loop, callback: fail, error, origin: null }]);
    t.deepEqual(takeReports(loop), [{ callback: fail, error }]);
  }));

const EXHAUSTED = `
  import { subscribe } from 'node:diagnostics_channel';
  import { IOLoop, TCPServer, Socket } from 'ioloop';
  const loop = IOLoop.current();
  await loop.runSync(async () => {
    const server = new TCPServer({ handleStream: () => {} });
    server.listen(0, '127.0.0.1');
    const client = Socket.tcp();
    subscribe('ioloop:accept:pause', ({ loop: of, socket, error, seconds }) => {
      console.log(of === loop, socket.localAddress.port === server.port, error.code, seconds);
      process.exit();
    });
    try { for (;;) Socket.tcp(); } catch {}
    client.connect(server.addresses[0]);
    await new Promise(() => {});
  }, { timeout: 30 });
`;

testOwnWith('prlimit')('a pause of accepting is published', async (t) => {
  const result = await runChild(EXHAUSTED, { through: ['prlimit', '--nofile=256:256'] });
  t.is(result.stdout.trim(), 'true true EMFILE 0.1', result.stderr);
});

test('a subscriber that throws does not harm the loop', async (t) => {
  const result = await runChild(`
    import { subscribe } from 'node:diagnostics_channel';
    import { IOLoop } from 'ioloop';
    process.on('uncaughtException', (error) => console.log('uncaught', error.message));
    subscribe('ioloop:callback:error', () => { throw new Error('subscriber'); });
    const loop = new IOLoop();
    loop.handleCallbackException = (callback, error) => console.log('reported', error.message);
    loop.addCallback(() => { throw new Error('callback'); });
    loop.callLater(0.01, () => loop.stop());
    await loop.start();
    console.log('stopped');
  `);
  t.is(result.stdout, 'reported callback\nuncaught subscriber\nstopped\n', result.stderr);
});
