/** `pump()` and the kernel: calls that fail, urgent data, and ends behind bytes that are spliced. */
import { spawn, spawnSync } from 'node:child_process';
import { IOStream, pump, Socket, type PumpCounts } from 'ioloop';
import { capabilities } from '#internal';
import { runChild } from './helpers/child.js';
import { testIf, testWith } from './helpers/conditions.js';
import { failing, runFailing, served } from './helpers/faults.js';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { reset } from './helpers/net.js';
import { digest, digestOf, noise, pumped, withProxied } from './helpers/pumps.js';
import { ownSockets, testOwnSockets } from './helpers/sockets-of.js';
import { failureOf, localPair } from './helpers/streams.js';

/** A proxy in a process of its own; prints what has arrived. */
const PROXY = (before: string): string => `
  import { IOLoop, IOStream, Socket, pump } from 'ioloop';
  import { createHash } from 'node:crypto';
  import { openSync } from 'node:fs';
  const loop = IOLoop.current();
  const result = await loop.runSync(async () => {
    const [client, near, far, server] = [...Socket.pair(), ...Socket.pair()].map(
      (socket) => new IOStream(socket, { allowHalfOpen: true }),
    );
    ${before}
    const bytes = Buffer.alloc(2 << 20, 'abcdefg');
    const running = pump(near, far);
    void client.write(bytes).then(() => client.shutdownWrite());
    const got = await server.readUntilClose();
    server.close();
    return [got.equals(bytes), await running];
  }, { timeout: 40 });
  console.log(JSON.stringify(result));
  process.exit(0);
`;

testWith('prlimit')('EMFILE: bytes go through memory', async (t) => {
  const exhaust =
    "try { for (;;) openSync('/dev/null'); } catch ({ code }) { if (code !== 'EMFILE') throw code; }";
  const result = await runChild(PROXY(exhaust), { through: ['prlimit', '--nofile=100'] });
  t.is(result.code, 0, result.stderr);
  t.deepEqual(JSON.parse(result.stdout), [true, { forward: 2 << 20, back: 0 }]);
});

for (const [calls, errno, nth] of [
  ['splice', 'EINVAL', '1+'],
  ['splice', 'ENOSYS', '1+'],
  ['splice', 'EINTR', '1+2'],
] as const) {
  const title = `${errno} of ${calls}: the bytes go another way, and none is lost`;
  testWith('strace')(title, async (t) => {
    if (!capabilities.splice) {
      t.pass('nothing is spliced here');
      return;
    }
    const result = await runFailing(PROXY(''), failing(calls, errno, nth));
    t.deepEqual(served(t, result), [true, { forward: 2 << 20, back: 0 }]);
  });
}

const URGENT = `
import socket, sys
s = socket.create_connection(('127.0.0.1', int(sys.argv[1])))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for at in range(8):
    s.sendall(b'a' * 100000)
    s.send(b'!', socket.MSG_OOB)
s.sendall(b'last')
s.shutdown(socket.SHUT_WR)
sys.stdin.read()
`;

testWith('python3')('urgent data do not stop a pump', (t) =>
  onLoop(async (loop) => {
    const listener = Socket.tcp();
    listener.bind({ host: '127.0.0.1', port: 0 });
    listener.listen();
    const { port } = listener.localAddress as { port: number };
    const peer = spawn('python3', ['-c', URGENT, String(port)], {
      stdio: ['pipe', 'inherit', 'inherit'],
    });
    let accepted = listener.accept();
    await until(() => (accepted ??= listener.accept()) !== null, 'a connection');
    const [socket] = accepted as unknown as [Socket];
    const near = new IOStream(socket, { loop, allowHalfOpen: true });
    const [far, server] = localPair(loop, { allowHalfOpen: true });
    const running = pump(near, far);
    const text = String(await server.readUntilClose());
    // Not by comparison, whose report would be long.
    const rest = text.replaceAll(/a{1000}/g, '');
    // A mark before another one is data, as for recv(2).
    t.is(rest.replaceAll('!', ''), 'last');
    t.is(text.length - rest.length, 800_000);
    server.close();
    peer.stdin.end();
    await running;
    listener.close();
  }),
);

/** Sends through the socket that is its standard input. */
const LAST = `
import socket
s = socket.socket(fileno=0)
s.send(b'b' * 10000)
s.send(b'!', socket.MSG_OOB)
s.send(b'last')
s.shutdown(socket.SHUT_WR)
`;

/** Calls `act` once so many bytes have moved, before the next chunk: the loop collects nothing between. */
function countsCalling(bytes: number, act: () => void): PumpCounts {
  let forward = 0;
  return {
    back: 0,
    get forward() {
      return forward;
    },
    set forward(count) {
      forward = count;
      if (count === bytes) act();
    },
  };
}

const spliced =
  capabilities.splice && ownSockets
    ? testWith('python3')
    : testIf(false, 'sockets that are spliced');

spliced('an urgent mark before EOF, which arrive between two chunks, is not EOF', (t) =>
  withProxied(async (proxied) => {
    const { client, server } = proxied;
    const first = noise(64 * 1024);
    const counts = countsCalling(first.length, () => {
      spawnSync('python3', ['-c', LAST], { stdio: [client.fileno(), 'inherit', 'inherit'] });
    });
    const running = pumped(proxied, { direction: 'forward', counts });
    await client.write(first);
    t.is(await digest(server), digestOf(first, Buffer.alloc(10_000, 'b'), Buffer.from('last')));
    await running;
  }),
);

testOwnSockets('a reset behind bytes that pass in one crossing is a reset', (t) =>
  withProxied(async (proxied) => {
    const { client, near, server } = proxied;
    const first = noise(64 * 1024);
    const counts = countsCalling(first.length, () => {
      client.socket?.send(Buffer.alloc(20_000));
      reset(client);
    });
    const failed = failureOf(pumped(proxied, { direction: 'forward', counts }));
    void client.write(first);
    t.is((await failureOf(digest(server))).code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.is((await failed).code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.regex(String(near.error), /ECONNRESET/);
  }),
);
