/** `util.inspect` shows the state of loops, sockets, streams, servers and timers, and changes none. */
import { inspect } from 'node:util';
import { closeSync, openSync } from 'node:fs';
import test from 'ava';
import * as all from 'ioloop';
import { IOLoop, IOStream, PeriodicCallback, Socket, TCPClient, TCPServer } from 'ioloop';
import { descriptorOf } from '#internal';
import { onLoop, runTurns, withLoop } from './helpers/loop.js';
import { withPair, withTcpPair } from './helpers/streams.js';
import { securePair } from './helpers/tls.js';

test('an open stream shows what it reads and what is unsent', (t) =>
  withTcpPair(async (near) => {
    const read = near.readUntil('\n');
    void near.write(Buffer.alloc(100));
    const shown = inspect(near, { breakLength: Infinity });
    t.regex(
      shown,
      /^IOStream \{ fd: (?:\d+|null), remote: '127\.0\.0\.1:\d+', reading: 'readUntil', buffered: 0, unsent: 100 \}$/,
    );
    near.close();
    await t.throwsAsync(read);
  }));

test('a closed stream shows why', (t) =>
  withPair((near) => {
    near.close(new RangeError('too far'));
    t.regex(inspect(near), /fd: -1,\s+state: 'closed',\s+error: 'RangeError: too far'/);
    return Promise.resolve();
  }));

test('unread bytes and EOF are shown', (t) =>
  withTcpPair(async (near, far) => {
    await far.write('hello');
    await near.peek(5);
    t.regex(inspect(near), /remote: '[\d.:]+',\s+reading: null,\s+buffered: 5,\s+unsent: 0/);
    await far.shutdownWrite();
    await near.readUntilClose();
    t.regex(inspect(far), /state: '(write ended|ended)'/);
  }));

test('a TLS stream shows its protocol', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await securePair(loop);
    t.regex(inspect(client), /^SSLIOStream \{\s+fd: (?:\d+|null),[^]+protocol: 'TLSv1\.3'\s+\}$/);
    client.close();
    server.close();
    t.regex(inspect(client), /^SSLIOStream \{\s+fd: -1,\s+state: 'closed'/);
  }));

test('a socket shows its addresses, and its descriptor stays private', (t) => {
  using socket = Socket.tcp();
  socket.bind({ host: '127.0.0.1', port: 0 });
  const { port } = socket.localAddress as { port: number };
  const pattern = RegExp(
    `^Socket \\{ fd: (?:\\d+|null), local: '127.0.0.1:${port}', remote: null \\}$`,
  );
  t.regex(inspect(socket), pattern);
  t.false(descriptorOf(socket)?.isExposed);
  t.regex(inspect(socket, { depth: -1 }), /^\[Socket\]$/);
  socket.close();
  t.is(inspect(socket), 'Socket { fd: -1, local: null, remote: null }');
});

test('a number that is another file by now is not shown', (t) => {
  const [socket, peer] = Socket.pair();
  const { fd } = socket;
  closeSync(fd);
  const other = openSync('/dev/null', 'r');
  t.is(inspect(socket), 'Socket { fd: -1, local: null, remote: null }');
  // Not found out by the look: the next operation does that.
  t.false(socket.closed);
  t.throws(() => socket.recv(1), { code: 'EBADF' });
  t.true(socket.closed);
  closeSync(other);
  peer.close();
});

test('a loop shows what it has, in each of its states', (t) =>
  withLoop(async (loop) => {
    const [socket, peer] = Socket.pair();
    loop.addHandler(socket, () => {}, IOLoop.READ);
    const stream = new IOStream(peer, { loop });
    loop.addTimeout({ minutes: 1 }, () => {});
    loop.addCallback(() => {});
    const { driver } = loop;
    const counts = `driver: '${driver}',\\s+handlers: 1,\\s+streams: 1,\\s+timeouts: 1,\\s+callbacks:`;
    t.regex(inspect(loop), RegExp(`^ReportingLoop \\{\\s+state: 'stopped',\\s+${counts} 1`));
    let turning = '';
    loop.addCallback(() => (turning = inspect(loop)));
    await runTurns(loop);
    t.regex(turning, RegExp(`state: 'turning',\\s+${counts} 0`));
    stream.close();
    socket.close();
    t.regex(inspect(loop), /handlers: 0,\s+streams: 0,/);
    loop.close();
    t.regex(inspect(loop), /state: 'closed',[^]+timeouts: 0/);
  }));

test('a loop that waits is sleeping', async (t) => {
  const loop = new IOLoop({ makeCurrent: false });
  const finished = loop.start();
  while (!inspect(loop).includes("'sleeping'")) {
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
  loop.stop();
  t.regex(inspect(loop), /^IOLoop \{\s+state: 'scheduled'/);
  await finished;
  loop.close();
});

test('a server shows its addresses and connections', (t) =>
  onLoop(async (loop) => {
    class Echo extends TCPServer {
      readonly greeting = 'hello';
      override handleStream(): void {}
    }
    const server = new Echo({ loop, maxConnections: 7 });
    t.regex(inspect(server), /^Echo \{\s+state: 'idle',\s+addresses: \[\]/);
    server.listen(0, '127.0.0.1');
    const { port } = server;
    const client = await new TCPClient().connect('127.0.0.1', port, { loop });
    while (server.connections === 0)
      await new Promise<void>((resolve) => loop.addCallback(resolve));
    const expected =
      `state: 'listening',\\s+addresses: \\[ '127\\.0\\.0\\.1:${port}' \\],\\s+connections: 1,` +
      `\\s+maxConnections: 7,\\s+acceptPaused: false,\\s+greeting: 'hello'`;
    t.regex(inspect(server), RegExp(`^Echo \\{\\s+${expected}\\s+\\}$`));
    client.close();
    await server.stop({ drain: true });
    t.regex(inspect(server), /state: 'stopped',\s+addresses: \[\],\s+connections: 0/);
  }));

test('timers show whether they are pending', (t) =>
  withLoop(async (loop) => {
    const beep = (): void => {};
    const timeout = loop.callLater(60, beep);
    t.is(inspect(timeout), "Timeout { state: 'pending', callback: [Function: beep] }");
    const bound = loop.callLater(60, (text: string) => text, 'argument');
    t.regex(inspect(bound), /^Timeout \{ state: 'pending', callback: /);
    loop.removeTimeout(timeout);
    t.is(inspect(timeout), "Timeout { state: 'done' }");
    t.regex(inspect(loop.callAt(Infinity, beep)), /'never due'/);
    let due = '';
    const second = { timeout: loop.callLater(0, beep) };
    loop.removeTimeout(second.timeout);
    loop.callAt(1, () => (due = inspect(second.timeout)));
    second.timeout = loop.callAt(2, beep);
    await runTurns(loop);
    t.regex(due, /'due'/);
    const periodic = new PeriodicCallback(beep, { seconds: 0.5 }, { jitter: 0.25 });
    t.is(
      inspect(periodic, { breakLength: Infinity }),
      'PeriodicCallback { running: false, callbackTime: 500, jitter: 0.25, callback: [Function: beep] }',
    );
  }));

test('properties of the program are shown, circles are found, getters are not called', (t) => {
  const loop = new IOLoop({ makeCurrent: false }) as IOLoop & Record<string, unknown>;
  loop['self'] = loop;
  loop['twin'] = loop;
  Object.defineProperty(loop, 'trap', {
    enumerable: true,
    get: () => t.fail(),
  });
  const shown = inspect(loop, { depth: null });
  t.regex(shown, /^<ref \*1> IOLoop \{[^]+self: \[Circular \*1\],\s+twin: \[Circular \*1\]\s+\}$/);
  loop.close();
});

test('inspect does not throw for prototypes, proxies and objects without a constructor call', (t) => {
  using socket = Socket.tcp();
  for (const { prototype } of [IOLoop, Socket, IOStream, TCPServer, PeriodicCallback]) {
    t.is(typeof inspect(prototype), 'string');
    t.is(typeof inspect(Object.create(prototype)), 'string');
  }
  t.is(inspect(new Proxy(socket, {})), 'Socket {}');
});

test('a duplex shows its stream, and nothing of the insides of Node', (t) =>
  withTcpPair(async (near) => {
    const duplex = near.toDuplex();
    Object.assign(duplex, { user: 'mine' });
    t.regex(
      inspect(duplex, { breakLength: Infinity }),
      /^IOStreamDuplex \{ readyState: 'open', stream: IOStream \{ fd: (?:\d+|null), [^]+ \}, user: 'mine' \}$/,
    );
    t.is(inspect({ duplex }, { depth: 0 }), '{ duplex: [IOStreamDuplex] }');
    duplex.destroy();
    await new Promise((resolve) => duplex.once('close', resolve));
    t.regex(inspect(duplex), /readyState: 'closed',\s+stream: IOStream \{\s+fd: -1/);
  }));

test('a settled future shows its result or its reason', (t) =>
  onLoop(async (loop) => {
    const shown = async (promise: Promise<unknown>): Promise<string> =>
      new Promise((resolve) => {
        loop.addFuture(promise, (future) => resolve(inspect(future)));
      });
    t.is(await shown(Promise.resolve([1])), 'Future { result: [ 1 ] }');
    t.is(
      await shown(Promise.reject(new Error('no'))).then((text) => text.split('\n')[0]),
      'Future {',
    );
  }));

test('a remote loop shows its handle', (t) =>
  onLoop((loop) => {
    const handle = loop.remote();
    const { ioloop, pid, thread } = handle;
    const expected = `RemoteLoop { ioloop: ${ioloop}, pid: ${pid}, thread: ${thread} }`;
    t.is(inspect(IOLoop.fromRemote(handle)), expected);
    return Promise.resolve();
  }));

test('a loop with thousands of handlers, timeouts and callbacks is shown in few words', (t) =>
  withLoop((loop) => {
    for (let count = 0; count < 10_000; count += 1) {
      loop.callLater(60, () => {});
      loop.addCallback(() => {});
    }
    t.true(inspect(loop, { depth: Infinity, showHidden: true }).length < 300);
    t.is(inspect({ loop }, { depth: 0 }), '{ loop: [ReportingLoop] }');
  }));

test('prototypes of public classes are shown, and objects that no constructor has made', (t) => {
  const classes = Object.values(all).filter(
    (value): value is typeof IOLoop => typeof value === 'function' && value.prototype !== undefined,
  );
  t.true(classes.length > 10);
  for (const { prototype } of classes) {
    t.is(typeof inspect(prototype), 'string');
    t.is(typeof inspect(Object.create(prototype)), 'string');
  }
});
