/** The PROXY protocol from programs that others have written: HAProxy, curl and Python. */
import { execFile, spawn } from 'node:child_process';
import { createServer } from 'node:http';
import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import type { ExecutionContext } from 'ava';
import { bindSockets, serveHttp, TCPClient, type Address, type Socket } from 'ioloop';
import { testWith } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { portOf } from './helpers/net.js';
import { CLIENT } from './helpers/proxy-headers.js';
import { serveViews, viewOf } from './helpers/proxy-servers.js';
import { directory } from './helpers/sockets.js';
import { ca, identity } from './helpers/tls.js';

const run = promisify(execFile);

/**
 * Starts HAProxy with one `listen` section. Its listening socket is inherited, so that connections
 * wait until HAProxy accepts them.
 */
function startHaproxy(t: ExecutionContext, host: string, section: readonly string[]): Address {
  const [listener] = bindSockets(0, host) as [Socket];
  const address = listener.localAddress;
  const file = `${directory(t)}/haproxy.cfg`;
  const defaults = [
    'mode tcp',
    ...['connect', 'client', 'server'].map((of) => `timeout ${of} 60s`),
  ];
  const lines = ['defaults', ...defaults, 'listen balancer', 'bind fd@3', ...section];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const child = spawn('haproxy', ['-db', '-q', '-f', file], {
    stdio: ['ignore', 'ignore', 'inherit', listener.fileno()],
    timeout: 60_000,
    killSignal: 'SIGKILL',
  });
  listener.close();
  t.teardown(() => child.kill('SIGKILL'));
  return address;
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
      const balancer = startHaproxy(t, host, [
        'unique-id-format id-%pid',
        `server one 127.0.0.1:${portOf(server)} ${option}`,
      ]);
      const client = await new TCPClient().connect(host, (balancer as { port: number }).port, {
        loop,
      });
      await client.write('hello');
      const { address, header, peer } = await viewOf(client);
      t.deepEqual(address, client.socket?.localAddress);
      t.like(header, { version, isLocal: false, source: address, destination: balancer });
      t.notDeepEqual(peer, address);
      const types = header?.tlvs.map(({ type }) => type);
      t.deepEqual(new Set(types), new Set(option.includes('crc32c') ? [3, 5] : []));
      t.is(String(await client.readBytes(5)), 'hello');
      client.close();
    }),
  );
}

testWith('haproxy')('HAProxy passes TLS through: the header comes before the handshake', (t) =>
  onLoop(async (loop) => {
    await using server = serveViews(loop, true, { tls: identity });
    const line = `server one 127.0.0.1:${portOf(server)} send-proxy-v2`;
    const balancer = startHaproxy(t, '127.0.0.1', [line]) as { port: number };
    const client = await new TCPClient().connect('127.0.0.1', balancer.port, {
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
      startHaproxy(t, '127.0.0.1', [`server one 127.0.0.1:${portOf(server)} ${check}`]);
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
