/** Protocols while descriptors run out: accepting pauses, and all connections are served afterwards. */
import type { ExecutionContext } from 'ava';
import { runChild } from './helpers/child.js';
import { testOn } from './helpers/conditions.js';
import { ca, identity } from './helpers/tls.js';

/** Clients and server are in one process, whose descriptors run out. Prints what has happened. */
const PROGRAM = `
  import { bindUnixSocket, IOLoop, IOStream, Socket, TCPServer } from 'ioloop';
  import { closeSync, mkdtempSync, openSync, rmSync } from 'node:fs';
  import { tmpdir } from 'node:os';
  import { join } from 'node:path';
  const { ca, identity } = JSON.parse(process.env.TLS);
  const warnings = [];
  process.on('warning', ({ code }) => warnings.push(code));
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
  const kinds = {
    tcp: { make: () => Socket.tcp() },
    tls: { make: () => Socket.tcp(), tls: identity },
    unix: { make: () => Socket.unix(), path: join(folder, 'socket') },
  };
  const until = async (condition) => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  const deferred = () => {
    let resolve;
    const promise = new Promise((settle) => (resolve = settle));
    return { promise, resolve };
  };
  async function runOut({ make, tls, path }) {
    let opened = 0;
    let closed = 0;
    const protocol = {
      open: () => void (opened += 1),
      data: (c, chunk) => void c.write(chunk),
      close: () => void (closed += 1),
    };
    const server = new TCPServer({ protocol, tls });
    if (path === undefined) server.listen(0, '127.0.0.1');
    else server.addSocket(bindUnixSocket(path));
    const [address] = server.addresses;
    const serve = async (client, before = null) => {
      await client.connect(address);
      const options = { hostname: 'localhost', tls: { ca } };
      const stream = tls === undefined ? client : await client.startTls(options);
      await stream.write('x');
      const answer = String(await stream.readBytes(1));
      await before;
      await stream.end();
      return answer;
    };
    const clients = Array.from({ length: 12 }, () => new IOStream(make()));
    const held = [];
    try {
      for (;;) held.push(openSync('/dev/null'));
    } catch ({ code }) {
      if (code !== 'EMFILE') throw code;
    }
    for (let count = 0; count < 4; count += 1) closeSync(held.pop());
    // None ends before the connections are counted, which would make room for another one.
    const counted = deferred();
    const served = clients.map((client) => serve(client, counted.promise));
    await until(() => server.acceptPaused);
    const few = server.connections;
    for (const fd of held) closeSync(fd);
    counted.resolve();
    const answers = (await Promise.all(served)).join('');
    await until(() => closed === 12);
    await server.stop();
    return { few: few > 0 && few < 12, answers, opened, closed, left: server.connections };
  }
  const results = {};
  const loop = IOLoop.current();
  await loop.runSync(async () => {
    for (const [name, kind] of Object.entries(kinds)) results[name] = await runOut(kind);
  }, { timeout: 50 });
  rmSync(folder, { recursive: true });
  console.log(JSON.stringify({ results, warnings: [...new Set(warnings)] }));
  process.exit(0);
`;

testOn('epoll', 'prlimit')('EMFILE: accepting pauses, and all are served afterwards', async (t) => {
  const printed = await withFewDescriptors(t, PROGRAM);
  const each = { few: true, answers: 'x'.repeat(12), opened: 12, closed: 12, left: 0 };
  t.deepEqual(printed, {
    results: { tcp: each, tls: each, unix: each },
    warnings: ['IOLOOP_ACCEPT_PAUSED'],
  });
});

/** Clients while descriptors have run out, and connections that are open. Prints what has happened. */
const CLIENTS = `
  import { IOLoop, TCPClient, TCPServer } from 'ioloop';
  import { closeSync, openSync, readdirSync } from 'node:fs';
  const { ca, identity } = JSON.parse(process.env.TLS);
  const loop = IOLoop.current();
  const until = async (condition) => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 1));
  };
  async function runOut(tls) {
    const calls = [];
    const echo = { data: (c, chunk) => void c.write(chunk) };
    const protocol = {
      data: (c, chunk) => void calls.push(String(chunk)),
      close: (c, error) => void calls.push('close ' + error),
    };
    const server = new TCPServer({ protocol: echo, ...(tls ? { tls: identity } : {}) });
    server.listen(0, '127.0.0.1');
    const connect = () =>
      new TCPClient().connect('127.0.0.1', server.port, {
        protocol,
        ...(tls ? { tls: { hostname: 'localhost', tls: { ca } } } : {}),
      });
    const open = await connect();
    await until(() => server.connections === 1);
    const before = readdirSync('/proc/self/fd').length;
    const held = [];
    try {
      for (;;) held.push(openSync('/dev/null'));
    } catch ({ code }) {
      if (code !== 'EMFILE') throw code;
    }
    const refused = await connect().catch(({ code }) => code);
    // What is open needs no further descriptor.
    open.write('1');
    await until(() => calls.length === 1);
    const stream = open.toStream();
    await stream.write('2');
    const answer = String(await stream.readBytes(1));
    const again = stream.setProtocol(protocol);
    again.write('3');
    const { socket } = again;
    await until(() => calls.length === 2);
    for (const fd of held) closeSync(fd);
    const left = readdirSync('/proc/self/fd').length - before;
    const late = await connect();
    late.write('4');
    await until(() => calls.length === 3);
    again.end();
    late.end();
    await until(() => calls.length === 5 && server.connections === 0);
    await server.stop();
    return { refused, answer, left, calls, hasSocket: socket !== null };
  }
  await loop.runSync(async () => {
    console.log(JSON.stringify([await runOut(false), await runOut(true)]));
  }, { timeout: 50 });
  process.exit(0);
`;

testOn('epoll', 'prlimit')(
  'EMFILE: a client is refused, leaves nothing, and connections that are open go on',
  async (t) => {
    const printed = await withFewDescriptors(t, CLIENTS);
    const calls = ['1', '3', '4', 'close null', 'close null'];
    const each = { refused: 'EMFILE', answer: '2', left: 0, calls, hasSocket: true };
    t.deepEqual(printed, [each, each]);
  },
);

/** What a program prints that has 80 descriptors, and the certificates of the tests. */
async function withFewDescriptors(t: ExecutionContext, source: string): Promise<unknown> {
  const tls = {
    ca: String(ca),
    identity: { cert: String(identity.cert), key: String(identity.key) },
  };
  const result = await runChild(source, {
    through: ['prlimit', '--nofile=80'],
    env: { TLS: JSON.stringify(tls) },
  });
  t.is(result.code, 0, result.stderr);
  return JSON.parse(result.stdout);
}
