/** The PROXY protocol from programs that others have written: HAProxy, nginx, curl and Python. */
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createServer as createNetServer, type AddressInfo } from 'node:net';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { bindSockets, serveHttp, TCPClient, type Socket } from 'ioloop';
import { testWith } from './helpers/conditions.js';
import { onLoop } from './helpers/loop.js';
import { portOf } from './helpers/net.js';
import { CLIENT } from './helpers/proxy-headers.js';
import { serveViews, viewOf } from './helpers/proxy-servers.js';
import { directory } from './helpers/sockets.js';
import { ca, identity } from './helpers/tls.js';

const run = promisify(execFile);

/** A listening socket that a balancer inherits: connections wait until it accepts them. */
interface Inherited {
  readonly fd: number;
  readonly port: number;
  close(): unknown;
}

function listenAt(host: string): Inherited {
  const [socket] = bindSockets(0, host) as [Socket];
  const { port } = socket.localAddress as { port: number };
  return { fd: socket.fileno(), port, close: () => socket.close() };
}

/** Of both families, which `bindSockets` does not make. */
async function listenDualStack(): Promise<Inherited> {
  const server = createNetServer().listen({ port: 0, host: '::', ipv6Only: false });
  await once(server, 'listening');
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  return { fd, port: (server.address() as AddressInfo).port, close: () => server.close() };
}

/** Starts a program with `listener` as descriptor 3. */
function startBalancer(
  t: ExecutionContext,
  listener: Inherited,
  [command = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv = {},
): void {
  const child = spawn(command, args, {
    // nginx says on stderr that it has inherited a socket.
    stdio: ['ignore', 'ignore', 'ignore', listener.fd],
    env: { ...process.env, ...env },
    timeout: 60_000,
    killSignal: 'SIGTERM',
  });
  listener.close();
  t.teardown(() => child.kill('SIGTERM'));
}

/** Starts HAProxy with one `listen` section. Returns its port. */
function startHaproxy(
  t: ExecutionContext,
  listener: Inherited,
  section: readonly string[],
  bind = '',
): number {
  const file = `${directory(t)}/haproxy.cfg`;
  const defaults = [
    'mode tcp',
    ...['connect', 'client', 'server'].map((of) => `timeout ${of} 60s`),
  ];
  const lines = ['defaults', ...defaults, 'listen balancer', `bind fd@3 ${bind}`, ...section];
  writeFileSync(file, `${lines.join('\n')}\n`);
  startBalancer(t, listener, ['haproxy', '-db', '-q', '-f', file]);
  return listener.port;
}

/** Starts nginx, which takes listening sockets from its environment. Returns its port. */
function startNginx(t: ExecutionContext, target: number): number {
  const listener = listenAt('127.0.0.1');
  const folder = directory(t);
  const lines = [
    ...streamModule().map((path) => `load_module ${path};`),
    'daemon off; worker_processes 1; error_log stderr error;',
    `pid ${folder}/pid;`,
    'events { }',
    `stream { server { listen 127.0.0.1:${listener.port};`,
    `proxy_pass 127.0.0.1:${target}; proxy_protocol on; } }`,
  ];
  writeFileSync(`${folder}/nginx.conf`, lines.join('\n'));
  const command = ['nginx', '-p', folder, '-c', `${folder}/nginx.conf`, '-e', 'stderr'];
  startBalancer(t, listener, command, { NGINX: '3;' });
  return listener.port;
}

/** The module `stream` of nginx, where it is a package of its own. */
function streamModule(): string[] {
  const { stderr } = spawnSync('nginx', ['-V'], { encoding: 'utf8' });
  const [, folder] = /--modules-path=(\S+)/.exec(stderr) ?? [];
  return stderr.includes('--with-stream=dynamic') ? [`${folder}/ngx_stream_module.so`] : [];
}

for (const [option, version, host] of [
  ['send-proxy', 1, '127.0.0.1'],
  ['send-proxy', 1, '::1'],
  ['send-proxy-v2', 2, '127.0.0.1'],
  ['send-proxy-v2', 2, '::1'],
  ['send-proxy-v2 proxy-v2-options crc32c,unique-id', 2, '127.0.0.1'],
] as const) {
  testWith('haproxy')(`${option} of HAProxy, with a client at ${host}`, (t) =>
    onLoop(async (loop) => {
      await using server = serveViews(loop, { trust: ['127.0.0.0/8'] });
      const port = startHaproxy(t, listenAt(host), [
        'unique-id-format id-%pid',
        `server one 127.0.0.1:${portOf(server)} ${option}`,
      ]);
      const client = await new TCPClient().connect(host, port, { loop });
      await client.write('hello');
      const { address, header, peer } = await viewOf(client);
      t.deepEqual(address, client.socket?.localAddress);
      t.like(header, { version, isLocal: false, source: address, destination: { host, port } });
      t.notDeepEqual(peer, address);
      const types = header?.tlvs.map(({ type }) => type);
      t.deepEqual(new Set(types), new Set(option.includes('crc32c') ? [3, 5] : []));
      t.is(String(await client.readBytes(5)), 'hello');
      client.close();
    }),
  );
}

for (const [option, version] of [
  ['send-proxy', 1],
  ['send-proxy-v2', 2],
] as const) {
  testWith('haproxy')(
    `${option} of HAProxy at a dual-stack socket: a client of IPv4 is IPv4-mapped`,
    (t) =>
      onLoop(async (loop) => {
        await using server = serveViews(loop, true);
        const line = `server one 127.0.0.1:${portOf(server)} ${option}`;
        const balancer = startHaproxy(t, await listenDualStack(), [line]);
        const client = await new TCPClient().connect('127.0.0.1', balancer, { loop });
        const { address, header } = await viewOf(client);
        const local = (client.socket as Socket).localAddress;
        t.deepEqual(address, { ...local, host: '::ffff:127.0.0.1' });
        t.is(header?.version, version);
        client.close();
      }),
  );
}

testWith('haproxy')('HAProxy ends TLS: the name, the protocol and the cipher are extensions', (t) =>
  onLoop(async (loop) => {
    await using server = serveViews(loop, true);
    const pem = `${directory(t)}/server.pem`;
    writeFileSync(pem, `${identity.cert.toString()}${identity.key.toString()}`);
    const options = 'send-proxy-v2-ssl-cn proxy-v2-options ssl-cipher,authority,crc32c';
    const line = `server one 127.0.0.1:${portOf(server)} ${options}`;
    const bind = `ssl crt ${pem} alpn h2`;
    const port = startHaproxy(t, listenAt('127.0.0.1'), [line], bind);
    const client = await new TCPClient().connect('127.0.0.1', port, {
      loop,
      tls: { hostname: 'localhost', tls: { ca, ALPNProtocols: ['h2'] } },
    });
    const { header } = await viewOf(client);
    // As JSON has a Buffer.
    const tlvs = new Map(header?.tlvs.map(({ type, value }) => [type, Buffer.from(value)]));
    t.is(String(tlvs.get(0x01)), 'h2');
    t.is(String(tlvs.get(0x02)), 'localhost');
    t.true(tlvs.has(0x03));
    const ssl = tlvs.get(0x20) as Buffer;
    // Client flags: TLS, without a certificate. Then extensions of its own, the first is the version.
    t.is(ssl[0], 0x01);
    t.is(ssl[5], 0x21);
    t.regex(String(ssl), /TLSv1\.[23]/);
    client.close();
  }),
);

testWith('nginx')('proxy_protocol of nginx', (t) =>
  onLoop(async (loop) => {
    await using server = serveViews(loop, { trust: ['127.0.0.1'] });
    const port = startNginx(t, portOf(server));
    const client = await new TCPClient().connect('127.0.0.1', port, { loop });
    const { address, header } = await viewOf(client);
    t.deepEqual(address, client.socket?.localAddress);
    t.like(header, { version: 1, source: address, destination: { host: '127.0.0.1', port } });
    await client.write('hello');
    t.is(String(await client.readBytes(5)), 'hello');
    client.close();
  }),
);

testWith('haproxy')('HAProxy passes TLS through: the header comes before the handshake', (t) =>
  onLoop(async (loop) => {
    await using server = serveViews(loop, true, { tls: identity });
    const line = `server one 127.0.0.1:${portOf(server)} send-proxy-v2`;
    const port = startHaproxy(t, listenAt('127.0.0.1'), [line]);
    const client = await new TCPClient().connect('127.0.0.1', port, {
      loop,
      tls: { hostname: 'localhost', tls: { ca } },
    });
    t.deepEqual((await viewOf(client)).address, client.socket?.localAddress);
    client.close();
  }),
);

testWith('haproxy')('health checks of HAProxy are local connections', (t) =>
  onLoop(async (loop) => {
    let isLocal: boolean | undefined;
    const checked = new Promise<void>((resolve) => {
      const server = serveViews(loop, true, {
        handleStream: (stream) => {
          ({ isLocal } = stream.proxyHeader ?? {});
          stream.close();
          resolve(server.stop());
        },
      });
      const check = 'check inter 100ms check-send-proxy send-proxy-v2';
      startHaproxy(t, listenAt('127.0.0.1'), [`server one 127.0.0.1:${portOf(server)} ${check}`]);
    });
    await checked;
    t.true(isLocal);
  }),
);

testWith('curl')('curl --haproxy-protocol gets an answer from node:http', (t) =>
  onLoop(async (loop) => {
    const http = createServer(({ socket }, response) => {
      response.end(`${socket.remoteAddress}:${socket.remotePort}`);
    });
    await using server = serveHttp(http, { loop, proxyProtocol: true });
    server.listen(0, '127.0.0.1');
    const args = ['-sS', '--fail', '--haproxy-protocol', '-w', ' %{local_ip}:%{local_port}'];
    const { stdout } = await run('curl', [...args, `http://127.0.0.1:${portOf(server)}/`]);
    const [seen, local] = stdout.split(' ');
    t.is(seen, local);
    t.is(server.proxyRefusals, 0);
  }),
);

const PYTHON = `
import ipaddress, socket, struct, sys
header = b"\\r\\n\\r\\n\\x00\\r\\nQUIT\\n" + struct.pack("!BB", 0x21, 0x11)
addresses = b"".join(ipaddress.ip_address(a).packed for a in ("192.0.2.1", "192.0.2.2"))
addresses += struct.pack("!HH", 56324, 443) + struct.pack("!BH", 0xEA, 3) + b"abc"
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as s:
    s.sendall(header + struct.pack("!H", len(addresses)) + addresses)
    print(s.makefile().readline(), end="")
`;

testWith('python3')('a header that Python has packed', (t) =>
  onLoop(async (loop) => {
    await using server = serveViews(loop, true);
    const { stdout } = await run('python3', ['-c', PYTHON, String(portOf(server))]);
    const { address, header } = JSON.parse(stdout) as Awaited<ReturnType<typeof viewOf>>;
    t.deepEqual(address, CLIENT);
    t.is(header?.tlvs[0]?.type, 0xea);
  }),
);

testWith('socat')('a header of version 1 through socat', (t) =>
  onLoop(async (loop) => {
    await using server = serveViews(loop, true);
    const line = String.raw`PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`;
    const command = `printf '${line}hello' | socat -t 30 - TCP4:127.0.0.1:${portOf(server)}`;
    const { stdout } = await run('sh', ['-c', command]);
    const [view = '', echo] = stdout.split('\n');
    t.like(JSON.parse(view), { address: CLIENT });
    t.is(echo, 'hello');
  }),
);
