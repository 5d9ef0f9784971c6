/** TCPClient: names, addresses, deadlines. */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { once } from 'node:events';
import test, { type ExecutionContext } from 'ava';
import { Socket, StreamClosedError, TCPClient, type HostAddress } from 'ioloop';
import { openFds, until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { serialOwnSockets } from './helpers/sockets-of.js';
import { REFUSING_PORT } from './helpers/refusing.js';

const LOOPBACK: HostAddress = { address: '127.0.0.1', family: 4 };
/** Never answers: reserved for documentation (RFC 5737). */
const DEAD: HostAddress = { address: '192.0.2.1', family: 4 };

async function listening(t: ExecutionContext): Promise<{ server: Server; port: number }> {
  const server = createServer((socket) => socket.on('error', () => {}).end('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

/** A port without a listener. */
function refusing(): number {
  const socket = Socket.tcp();
  socket.bind({ host: '127.0.0.1', port: 0 });
  const { port } = socket.localAddress as { port: number };
  socket.close();
  return port;
}

/** A listener whose queue is full: connections to it get no answer. */
function silent(t: ExecutionContext): number {
  const listener = Socket.tcp();
  listener.bind({ host: '127.0.0.1', port: 0 });
  listener.listen(0);
  const fillers = Array.from({ length: 4 }, () => Socket.tcp());
  for (const socket of fillers) socket.connect(listener.localAddress);
  t.teardown(() => {
    for (const socket of [listener, ...fillers]) socket.close();
  });
  return (listener.localAddress as { port: number }).port;
}

// One after the other: some count what is open.
test.serial('a name is resolved and connected to', async (t) => {
  const { port } = await listening(t);
  await onLoop(async (loop) => {
    const stream = await new TCPClient().connect('localhost', port, { loop });
    t.is(String(await stream.readUntilClose()), 'hello');
  });
});

test.serial('a refused address is followed by the next one', async (t) => {
  const { port } = await listening(t);
  const resolver = (): Promise<HostAddress[]> =>
    Promise.resolve([{ address: '127.0.0.2', family: 4 }, { address: '::1', family: 6 }, LOOPBACK]);
  await onLoop(async (loop) => {
    const stream = await new TCPClient({ resolver }).connect('three.example', port, { loop });
    t.deepEqual(stream.socket?.remoteAddress, { host: '127.0.0.1', port });
    stream.close();
  });
});

test.serial(
  'an address that does not answer loses its head start, and the loser is closed',
  async (t) => {
    const { port } = await listening(t);
    const before = openFds();
    const resolver = (): Promise<HostAddress[]> => Promise.resolve([DEAD, LOOPBACK]);
    await onLoop(async (loop) => {
      const started = loop.time();
      const stream = await new TCPClient({ resolver }).connect('two.example', port, { loop });
      t.deepEqual(stream.socket?.remoteAddress, { host: '127.0.0.1', port });
      // Where the network says at once that there is no way, no head start is needed.
      t.true(loop.time() - started < 5);
      stream.close();
    });
    // The server's side of the connection is Node's, which closes it in its own time. What tests
    // before have left may close meanwhile; nothing may be open that was not.
    const isNew = ([fd, file]: [number, string]): boolean => before.get(fd) !== file;
    await until(() => ![...openFds()].some(isNew), 'the descriptors to be closed');
  },
);

test.serial('when all addresses fail, the last failure is reported', async (t) => {
  const port = REFUSING_PORT;
  const resolver = (): Promise<HostAddress[]> =>
    Promise.resolve([{ address: '127.0.0.3', family: 4 }, LOOPBACK]);
  await onLoop(async (loop) => {
    const error = await t.throwsAsync<StreamClosedError>(
      new TCPClient({ resolver }).connect('gone.example', port, { loop }),
      { instanceOf: StreamClosedError },
    );
    t.like(error?.realError, { code: 'ECONNREFUSED', address: '127.0.0.1', port });
  });
});

test.serial('one deadline covers resolving', async (t) => {
  const resolver = (): Promise<HostAddress[]> => new Promise(() => {});
  await onLoop(async (loop) => {
    const connecting = new TCPClient({ resolver }).connect('slow.example', 80, {
      loop,
      timeout: { milliseconds: 20 },
    });
    await t.throwsAsync(connecting, {
      code: 'ERR_IOLOOP_TIMEOUT',
      message: 'connect to slow.example:80 timed out after 0.02 seconds',
    });
  });
});

serialOwnSockets('one deadline covers connecting, and nothing stays open', async (t) => {
  const port = silent(t);
  const before = openFds().size;
  await onLoop(async (loop) => {
    const connecting = new TCPClient().connect('127.0.0.1', port, { loop, timeout: 0.05 });
    await t.throwsAsync(connecting, { code: 'ERR_IOLOOP_TIMEOUT' });
  });
  t.is(openFds().size, before);
});

test.serial('one deadline covers the TLS handshake', async (t) => {
  const mute = createServer((socket) => socket.on('error', () => {}).resume());
  mute.listen(0, '127.0.0.1');
  await once(mute, 'listening');
  t.teardown(() => mute.close());
  const { port } = mute.address() as AddressInfo;
  await onLoop(async (loop) => {
    const options = { loop, tls: true, timeout: 0.1 };
    const connecting = new TCPClient().connect('127.0.0.1', port, options);
    await t.throwsAsync(connecting, { code: 'ERR_IOLOOP_TIMEOUT' });
  });
});

serialOwnSockets('a signal gives up, with its reason', async (t) => {
  const port = silent(t);
  await onLoop(async (loop) => {
    const controller = new AbortController();
    const options = { loop, signal: controller.signal };
    const connecting = new TCPClient().connect('127.0.0.1', port, options);
    loop.addCallback(() => {
      controller.abort(new Error('changed my mind'));
    });
    await t.throwsAsync(connecting, { message: 'changed my mind' });
    await t.throwsAsync(new TCPClient().connect('127.0.0.1', port, options), {
      message: 'changed my mind',
    });
  });
});

test.serial('a resolver that fails or finds nothing', (t) =>
  onLoop(async (loop) => {
    const failing = new TCPClient({ resolver: () => Promise.reject(new Error('no servers')) });
    await t.throwsAsync(failing.connect('x', 1, { loop }), { message: 'no servers' });
    const empty = new TCPClient({ resolver: () => Promise.resolve([]) });
    await t.throwsAsync(empty.connect('x', 1, { loop }), { code: 'ERR_INVALID_ARG_VALUE' });
    const unknown = new TCPClient().connect('no.such.name.invalid', 1, { loop });
    await t.throwsAsync(unknown, { message: /^getaddrinfo (ENOTFOUND|EAI_AGAIN)/ });
  }),
);

test.serial('the source: an address, a port', async (t) => {
  const { server, port } = await listening(t);
  const sources: string[] = [];
  server.on('connection', (socket) => sources.push(`${socket.remoteAddress}:${socket.remotePort}`));
  const sourcePort = refusing();
  await onLoop(async (loop) => {
    for (const source of [{ sourceIp: '127.0.0.9' }, { sourcePort }]) {
      const stream = await new TCPClient().connect('127.0.0.1', port, { loop, ...source });
      await stream.readUntilClose();
    }
  });
  t.regex(sources[0] ?? '', /^127\.0\.0\.9:/);
  t.is(sources[1], `127.0.0.1:${sourcePort}`);
});

test.serial('an invalid host, port or source is refused', async (t) => {
  const client = new TCPClient();
  await t.throwsAsync(client.connect(1 as never, 80), { code: 'ERR_INVALID_ARG_TYPE' });
  await t.throwsAsync(client.connect('x', 70_000), { code: 'ERR_OUT_OF_RANGE' });
  await t.throwsAsync(client.connect('x', 80, { sourceIp: 'here' }), {
    code: 'ERR_INVALID_ARG_VALUE',
  });
});

for (const [what, given] of [
  ['nothing', undefined],
  ['a list with a hole', [null]],
  ['a number', 5],
] as const) {
  test.serial(`a resolver that gives ${what} fails the connection`, (t) =>
    onLoop(async (loop) => {
      const client = new TCPClient({ resolver: () => Promise.resolve(given as never) });
      await t.throwsAsync(client.connect('name.invalid', 1, { loop }), { instanceOf: TypeError });
    }),
  );
}
