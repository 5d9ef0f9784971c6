/** Whom TLS lets in: every kind of certificate against every option, as `node:tls` has it. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import * as tls from 'node:tls';
import test from 'ava';
import { SSLIOStream, TCPClient, TCPServer, type IOLoop } from 'ioloop';
import { Authority, selfSigned, type Identity } from './helpers/certificates.js';
import { onLoop } from './helpers/loop.js';
import { localPair } from './helpers/streams.js';

/** Certificates of the peer under test. */
type Peers = Record<
  'good' | 'expired' | 'purpose' | 'foreign' | 'stranger' | 'none',
  Identity | object
>;

const authority = new Authority('authority');
const foreign = new Authority('another authority');
test.after.always(() => {
  authority.dispose();
  foreign.dispose();
});

const ca = authority.cert;
const identity = authority.issue({ name: 'localhost', usage: 'serverAuth' });
const clients: Peers = {
  good: authority.issue({ name: 'client' }),
  expired: authority.issue({ name: 'late', expired: true }),
  purpose: authority.issue({ name: 'server only', usage: 'serverAuth' }),
  foreign: foreign.issue({ name: 'foreigner' }),
  stranger: selfSigned('client'),
  none: {},
};

const modes = {
  none: {},
  optional: { ca, requestCert: true, rejectUnauthorized: false },
  required: { ca, requestCert: true, rejectUnauthorized: true },
  // Of `tls.createServer()` the default is to refuse.
  default: { ca, requestCert: true },
};

/** What a server has seen: a connection, or none. */
interface Verdict {
  readonly in: boolean;
  readonly authorized?: boolean;
  readonly error?: string | null;
}

function seen(stream: SSLIOStream): Verdict {
  return { in: true, authorized: stream.authorized, error: stream.authorizationError };
}

/** Connects with `node:tls` and waits until the server has decided. */
async function knock(port: number, options: tls.ConnectionOptions): Promise<void> {
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'localhost', ca, ...options });
  socket.on('error', () => {});
  socket.resume();
  await new Promise((resolve) => socket.once('close', resolve));
}

async function nodesVerdict(options: object, client: tls.ConnectionOptions): Promise<Verdict> {
  let verdict: Verdict = { in: false };
  const server = tls.createServer({ ...identity, ...options }, (socket) => {
    const error = (socket.authorizationError as unknown as string | null) ?? null;
    verdict = { in: true, authorized: socket.authorized, error };
    socket.on('error', () => {});
    socket.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  await knock((server.address() as AddressInfo).port, client);
  server.close();
  return verdict;
}

async function serversVerdict(
  loop: IOLoop,
  options: object,
  client: tls.ConnectionOptions,
): Promise<Verdict> {
  let verdict: Verdict = { in: false };
  await using server = new TCPServer({
    loop,
    tls: { ...identity, ...options },
    handleStream: async (stream) => {
      verdict = seen(stream as SSLIOStream);
      await stream.end();
    },
  });
  server.listen(0, '127.0.0.1');
  await knock(server.port, client);
  return verdict;
}

async function streamsVerdict(
  loop: IOLoop,
  options: object,
  client: tls.ConnectionOptions,
): Promise<Verdict> {
  const [near, far] = localPair(loop);
  const duplex = far.toDuplex();
  const socket = tls.connect({
    socket: duplex,
    host: 'localhost',
    servername: 'localhost',
    ca,
    ...client,
  });
  socket.on('error', () => {});
  try {
    return seen(await near.startTls({ serverSide: true, tls: { ...identity, ...options } }));
  } catch {
    return { in: false };
  } finally {
    socket.destroy();
    far.close();
  }
}

for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
  for (const [mode, options] of Object.entries(modes)) {
    test(`${version}, client certificates ${mode}: the verdicts of node:tls`, (t) =>
      onLoop(async (loop) => {
        for (const [name, client] of Object.entries(clients)) {
          const versioned = { ...client, minVersion: version, maxVersion: version };
          const expected = await nodesVerdict(options, versioned);
          const isIn = mode === 'none' || mode === 'optional' || name === 'good';
          t.is(expected.in, isIn, `node:tls, ${name}`);
          t.deepEqual(
            await serversVerdict(loop, options, versioned),
            expected,
            `TCPServer, ${name}`,
          );
          t.deepEqual(
            await streamsVerdict(loop, options, versioned),
            expected,
            `startTls, ${name}`,
          );
        }
      }));
  }
}

test('a refused client is an error with the code of the verification', (t) =>
  onLoop(async (loop) => {
    for (const [name, code] of [
      ['stranger', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
      ['expired', 'CERT_HAS_EXPIRED'],
    ] as const) {
      const [near, far] = localPair(loop);
      const options = { ...identity, ...modes.required };
      const settings = { ca, ...clients[name], maxVersion: 'TLSv1.2' as const };
      const [server, client] = await Promise.allSettled([
        near.startTls({ serverSide: true, tls: options }),
        far.startTls({ hostname: 'localhost', tls: settings }),
      ]);
      t.is((server as PromiseRejectedResult).reason?.code, code);
      if (client.status === 'fulfilled') client.value.close();
    }
  }));

const servers: Record<string, Identity> = {
  good: identity,
  expired: authority.issue({ name: 'localhost', expired: true }),
  foreign: foreign.issue({ name: 'localhost' }),
  stranger: selfSigned('localhost'),
};

test('a client refuses what node:tls refuses, with its code; rejectUnauthorized false reports it', (t) =>
  onLoop(async (loop) => {
    for (const [name, server] of Object.entries(servers)) {
      const node = tls.createServer(server, (socket) => {
        socket.on('error', () => {});
        socket.resume();
      });
      node.listen(0, '127.0.0.1');
      await once(node, 'listening');
      const { port } = node.address() as AddressInfo;
      for (const hostname of ['localhost', 'other.example']) {
        const theirs = await nodesView(port, { ca, servername: hostname });
        const tolerant = await nodesView(port, {
          ca,
          servername: hostname,
          rejectUnauthorized: false,
        });
        const ours = await view(loop, port, { hostname, tls: { ca } });
        const lax = await view(loop, port, { hostname, tls: { ca, rejectUnauthorized: false } });
        t.deepEqual(ours, theirs, `${name}, ${hostname}`);
        t.deepEqual(lax, tolerant, `${name}, ${hostname}, not rejecting`);
        t.is(ours.in, name === 'good' && hostname === 'localhost');
        t.true(lax.in);
      }
      node.close();
    }
  }));

function nodesView(port: number, options: tls.ConnectionOptions): Promise<Verdict> {
  return new Promise((resolve) => {
    const socket = tls.connect({ port, host: '127.0.0.1', ...options }, () => {
      const { authorizationError } = socket as { authorizationError: unknown };
      const code = (authorizationError as string | null) ?? null;
      resolve({ in: true, authorized: socket.authorized, error: code });
      socket.destroy();
    });
    socket.on('error', (error) => {
      resolve({ in: false, error: (error as NodeJS.ErrnoException).code ?? null });
    });
  });
}

async function view(loop: IOLoop, port: number, options: object): Promise<Verdict> {
  try {
    const stream = await new TCPClient().connect('127.0.0.1', port, { loop, tls: options });
    const verdict = seen(stream as SSLIOStream);
    stream.close();
    return verdict;
  } catch (error) {
    return { in: false, error: (error as NodeJS.ErrnoException).code ?? null };
  }
}

test('SNI, tickets and new certificates: what tls.Server brings along', (t) =>
  onLoop(async (loop) => {
    const names: unknown[] = [];
    await using server = new TCPServer({
      loop,
      tls: identity,
      handleStream: async (stream) => {
        names.push((stream as SSLIOStream).servername, (stream as SSLIOStream).encrypted);
        await stream.write('x');
        await stream.readUntilClose();
      },
    });
    server.listen(0, '127.0.0.1');
    server.tlsServer?.addContext('special.example', clients.good as Identity);
    const connect = async (hostname: string, more = {}): Promise<SSLIOStream> => {
      const settings = { ca, checkServerIdentity: () => undefined, ...more };
      const options = { loop, tls: { hostname, tls: settings } };
      const stream = await new TCPClient().connect('127.0.0.1', server.port, options);
      await stream.readBytes(1);
      return stream as SSLIOStream;
    };
    const special = await connect('special.example');
    t.is(special.peerCertificate?.subject.CN, 'client');
    special.close();
    const first = await connect('localhost');
    t.is(first.peerCertificate?.subject.CN, 'localhost');
    const session = first.tlsSocket.getSession();
    first.close();
    const again = await connect('localhost', { session });
    t.true(again.tlsSocket.isSessionReused());
    again.close();
    server.setSecureContext(clients.good as Identity);
    const renewed = await connect('localhost');
    t.is(renewed.peerCertificate?.subject.CN, 'client');
    renewed.close();
    t.deepEqual(names.slice(0, 2), ['special.example', true]);
    t.throws(() => new TCPServer({ loop }).setSecureContext({}), { code: 'ERR_IOLOOP_SERVER' });
  }));
