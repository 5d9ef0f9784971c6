/** Hosts and ports as people have them: from a URL, from the environment, from ip(8). */
import { networkInterfaces } from 'node:os';
import test from 'ava';
import { bindSockets, TCPClient, TCPServer } from 'ioloop';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { closing, portOf } from './helpers/net.js';
import { closedBy, failureOf, withTcpPair, localPair } from './helpers/streams.js';
import { testOwnSockets } from './helpers/sockets-of.js';
import { REFUSING_PORT } from './helpers/refusing.js';

async function withServer(
  host: string,
  body: (port: number, loop: ReportingLoop) => Promise<void>,
): Promise<void> {
  await onLoop(async (loop) => {
    await using server = new TCPServer({ loop, handleStream: (stream) => stream.end() });
    server.listen('0', host);
    await body(portOf(server), loop);
  });
}

test('host and port of a URL connect', async (t) => {
  await withServer('::1', async (port, loop) => {
    const url = new URL(`http://[::1]:${port}/`);
    const stream = await new TCPClient().connect(url.hostname, url.port, { loop });
    t.deepEqual(stream.socket?.remoteAddress, { host: '::1', port });
    stream.close();
  });
});

test('a port that is none says what to do', async (t) => {
  const connect = (port: unknown): Promise<NodeJS.ErrnoException> =>
    failureOf(new TCPClient().connect('127.0.0.1', port as number));
  const empty = await connect(new URL('http://example.net/').port);
  t.is(empty.code, 'ERR_INVALID_ARG_TYPE');
  t.regex(empty.message, /default port/);
  for (const port of ['http', '-1', '1.5', ' 80', '0x50', null, 80n]) {
    t.is((await connect(port)).code, 'ERR_INVALID_ARG_TYPE', String(port));
  }
  for (const port of ['65536', 65_536, -1, 1.5]) {
    t.is((await connect(port)).code, 'ERR_OUT_OF_RANGE', String(port));
  }
  t.throws(() => bindSockets('99999', '127.0.0.1'), { code: 'ERR_OUT_OF_RANGE' });
});

test('brackets are taken off an IPv6 address only', async (t) => {
  const hosts: string[] = [];
  const client = new TCPClient({
    resolver: (host) => {
      hosts.push(host);
      return Promise.reject(new Error('no such host'));
    },
  });
  for (const host of ['[::1]', '[fe80::1%eth0]', '[127.0.0.1]', '[', '[]', 'name']) {
    await failureOf(client.connect(host, 80));
  }
  t.deepEqual(hosts, ['::1', 'fe80::1%eth0', '[127.0.0.1]', '[', '[]', 'name']);
});

test('a zone is an interface by name or by index, to connect and to listen', async (t) => {
  const linkLocal = Object.entries(networkInterfaces()).flatMap(([name, entries = []]) =>
    entries
      .filter(({ address }) => address.startsWith('fe80'))
      .map(({ address }) => `${address}%${name}`),
  );
  const host = linkLocal[0] ?? (process.platform === 'linux' ? '::1%lo' : '::1%lo0');
  await withServer(host, async (port, loop) => {
    const stream = await new TCPClient().connect(`[${host}]`, port, { loop });
    t.is(String(await stream.readUntilClose()), '');
  });
  const { code, message } = await failureOf(new TCPClient().connect('fe80::1%nosuch0', 80));
  t.is(code, 'ERR_INVALID_ARG_VALUE');
  t.regex(message, /interface of this system/);
});

test('what the system says to a connection keeps its code', (t) =>
  onLoop(async (loop) => {
    const port = REFUSING_PORT;
    const refused = await closedBy(new TCPClient().connect('127.0.0.1', port, { loop }));
    t.is(refused?.message, `connect ECONNREFUSED 127.0.0.1:${port}`);
    // A source on the loopback interface cannot leave it.
    const options = { loop, sourceIp: '127.0.0.1', timeout: 5 };
    const failed = await failureOf(new TCPClient().connect('192.0.2.1', 80, options));
    const { realError = failed } = failed as { realError?: NodeJS.ErrnoException };
    t.regex(String(realError.code), /^E(INVAL|NETUNREACH|HOSTUNREACH|CONNREFUSED|ADDRNOTAVAIL)/);
    t.is(realError.syscall, 'connect');
  }));

test('a broken connection names the operation: read ECONNRESET', async (t) => {
  await withTcpPair(async (near, far) => {
    far.socket?.setOption('linger', 0);
    const reading = closedBy(near.readBytes(1));
    far.close();
    const error = await reading;
    t.is(error?.message, 'read ECONNRESET');
    t.is(error?.syscall, 'read');
    t.is((await failureOf(near.readBytes(1))).message, 'Stream is closed: read ECONNRESET');
  });
});

// libuv does not watch a connection after EOF.
testOwnSockets('without a read or a write, the error of a reset stands for a failed write', (t) =>
  withTcpPair(
    async (near, far) => {
      await far.shutdownWrite();
      await failureOf(near.readBytes(1));
      far.socket?.setOption('linger', 0);
      const gone = closing(near);
      far.close();
      t.is((await gone)?.message, 'write EPIPE');
      t.false('fd' in (near.error ?? {}));
    },
    { allowHalfOpen: true },
  ),
);

test('the other end of a Unix socket is closed: write EPIPE', (t) =>
  onLoop(async (loop) => {
    const [stream, other] = localPair(loop, { allowHalfOpen: true });
    other.close();
    t.is((await closedBy(stream.write('x')))?.message, 'write EPIPE');
  }));
