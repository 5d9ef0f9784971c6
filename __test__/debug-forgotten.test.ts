/** In debug mode loops and streams that a program forgets are reported: not started, not closed. */
import { inspect } from 'node:util';
import test from 'ava';
import { IOLoop, IOStream, Socket } from 'ioloop';
import { runChild, type ChildResult } from './helpers/child.js';

const PRELUDE = `
  import { IOLoop, IOStream, Socket, TCPClient, TCPServer } from 'ioloop';
  const warnings = [];
  process.on('warning', ({ code, message }) => {
    // The machine may be slow.
    if (code !== 'IOLOOP_SLOW_CALLBACK') warnings.push(code + ': ' + message);
  });
  async function collect(done) {
    for (let round = 0; round < 50 && !done(); round += 1) {
      gc();
      await new Promise(setImmediate);
    }
  }
`;

function run(body: string, debug = '1'): Promise<ChildResult> {
  return runChild(PRELUDE + body, { env: { IOLOOP_DEBUG: debug } });
}

const LISTENS = `
  (function serves() { new TCPServer((stream) => stream.end()).listen(0, '127.0.0.1'); })();
`;

test('a server that listens on a loop that does not start is reported while the process lives', async (t) => {
  // The timer of Node keeps the process alive until the warning is there.
  const { stdout, stderr } = await run(`
    ${LISTENS}
    const alive = setInterval(() => {}, 1000);
    process.on('warning', () => { console.log(warnings.join()); clearInterval(alive); });
  `);
  t.regex(
    stdout,
    /^IOLOOP_NOT_RUNNING: A TCPServer that listens waits for an event loop that does not run\. Call it within loop\.runSync\(\), or let await loop\.start\(\) follow\. Begun at serves \(file:\S+\)\n$/,
  );
  t.is(stderr.match(/IOLOOP_NOT_RUNNING/g)?.length, 1, stderr);
});

test('without debug mode it is reported when the process ends, without a site', async (t) => {
  const { stderr } = await run(LISTENS, '');
  t.is(stderr.match(/IOLOOP_NOT_RUNNING/g)?.length, 1, stderr);
  t.notRegex(stderr, /Begun at/);
});

test('a loop that starts in time is not reported', async (t) => {
  const { stderr, stdout } = await run(`
    const server = new TCPServer(() => {});
    server.listen(0, '127.0.0.1');
    const loop = IOLoop.current();
    await loop.runSync(async () => { await server.stop(); });
    await new Promise((resolve) => setTimeout(resolve, 1100));
    loop.close();
    console.log(warnings.length);
  `);
  t.is(stdout, '0\n', stderr);
});

test('callbacks of a loop that never starts are reported when the process ends', async (t) => {
  const { stderr } = await run(`
    (function makes() {
      const loop = new IOLoop();
      loop.addCallback(() => {});
      loop.addCallback(() => {});
      loop.callLater(1, () => {});
      globalThis.kept = loop;
    })();
  `);
  t.regex(
    stderr,
    /\[IOLOOP_NOT_RUNNING\] Warning: An IOLoop was never started, and has 2 callbacks, 1 timeout\. Let .*\. Made at makes \(file:/,
  );
});

for (const [what, body] of [
  [
    'has run',
    `loop.callLater(9, () => {}); await loop.runSync(async () => {}); loop.callLater(9, () => {});`,
  ],
  ['is closed', `loop.addCallback(() => {}); loop.close();`],
  ['has no work', ``],
] as const) {
  test(`a loop that ${what} is not reported when the process ends`, async (t) => {
    const { stderr } = await run(`const loop = new IOLoop(); globalThis.kept = loop; ${body}`);
    t.notRegex(stderr, /NOT_RUNNING|UNCLOSED/);
  });
}

test('a loop that is garbage collected, and not closed, is reported with its site', async (t) => {
  const { stdout, stderr } = await run(`
    (function leaks() { new IOLoop({ makeCurrent: false }); })();
    (function closes() { new IOLoop({ makeCurrent: false }).close(); })();
    await collect(() => warnings.length > 0);
    console.log(warnings.join());
  `);
  t.regex(
    stdout,
    /^IOLOOP_UNCLOSED: An IOLoop was garbage collected, and not closed\. Made at leaks \(file:\S+\)\n$/,
    stderr,
  );
});

test('a stream that is garbage collected, and open, is reported with its site', async (t) => {
  const { stdout, stderr } = await run(`
    const loop = new IOLoop();
    loop.slowCallbackDuration = Infinity;
    await loop.runSync(async () => {
      const [near, far] = Socket.pair();
      (function leaks() { new IOStream(near); })();
      (function closes() { new IOStream(far).close(); })();
      await collect(() => warnings.length > 0);
    });
    console.log(warnings.join());
  `);
  t.regex(
    stdout,
    /^IOLOOP_UNCLOSED: An IOStream was garbage collected, and not closed: \{ fd: \d+, state: 'open'.*\}\. Its descriptor stays open .*\. Made at leaks \(file:\S+\)\n$/,
    stderr,
  );
});

test('a stream that was attached is reported, one that was detached is not', async (t) => {
  const { stdout, stderr } = await run(`
    const loop = new IOLoop();
    loop.slowCallbackDuration = Infinity;
    await loop.runSync(async () => {
      const [near, far] = Socket.pair();
      let token;
      (function detaches() { token = new IOStream(near).detach(); })();
      (function closes() { new IOStream(far).close(); })();
      (function leaks() { IOStream.attach(token); })();
      await collect(() => warnings.length > 0);
    });
    console.log(warnings.join());
  `);
  t.regex(
    stdout,
    /^IOLOOP_UNCLOSED: An IOStream was garbage collected.* Made at leaks \(file:\S+\)\n$/,
    stderr,
  );
});

test('a stream with a close callback is not reported: that is called', async (t) => {
  const { stdout, stderr } = await run(`
    const loop = new IOLoop();
    loop.slowCallbackDuration = Infinity;
    await loop.runSync(async () => {
      const [near, far] = Socket.pair();
      const closed = new Promise((resolve) => {
        new IOStream(near).setCloseCallback(resolve);
      });
      let rounds = 0;
      await collect(() => (rounds += 1) > 10);
      far.close();
      console.log(await closed, warnings.length);
    });
  `);
  t.is(stdout, 'null 0\n', stderr);
});

test('a stream that a read, a server or a duplex holds is not reported', async (t) => {
  const { stdout, stderr } = await run(`
    const loop = new IOLoop();
    loop.slowCallbackDuration = Infinity;
    let duplex;
    await loop.runSync(async () => {
      const server = new TCPServer((stream) => {});
      server.listen(0, '127.0.0.1');
      const client = await new TCPClient().connect('127.0.0.1', server.port);
      const [near, far] = Socket.pair();
      const [third, fourth] = Socket.pair();
      const read = new IOStream(near).readBytes(1);
      duplex = new IOStream(third).toDuplex();
      let rounds = 0;
      await collect(() => (rounds += 1) > 10);
      far.send(Buffer.from('x'));
      await read;
      console.log(server.connections, warnings.length);
      client.close();
      await server.stop({ drain: true });
      duplex.destroy();
      fourth.close();
    });
  `);
  t.is(stdout, '1 0\n', stderr);
});

test('handlers that are left when their loop is closed are reported with their sites', async (t) => {
  const { stdout, stderr } = await run(`
    const loop = new IOLoop();
    const [near, far] = Socket.pair();
    (function watches() { loop.addHandler(near, function onData() {}, IOLoop.READ); })();
    loop.close();
    const all = new IOLoop();
    all.addHandler(far, () => {}, IOLoop.READ);
    all.close({ allFds: true });
    const none = new IOLoop();
    none.addHandler(near, () => {}, IOLoop.READ);
    none.removeHandler(near);
    none.close();
    await new Promise(setImmediate);
    console.log(warnings.join('\\n'));
  `);
  t.regex(
    stdout,
    /^IOLOOP_HANDLERS_LEFT: The event loop was closed with handlers, whose descriptors stay open: onData of fd \d+, registered at watches \(file:\S+\)\. Stop .*\n$/,
    stderr,
  );
});

test('the state of an object in debug mode has its site', async (t) => {
  const loop = new IOLoop({ debug: true, makeCurrent: false });
  const [near, far] = Socket.pair();
  const stream = new IOStream(near, { loop });
  const timeout = loop.callLater(60, () => {});
  for (const [object, key] of [
    [loop, 'made'],
    [stream, 'made'],
    [timeout, 'registered'],
  ] as const) {
    t.regex(
      inspect(object, { breakLength: Infinity }),
      RegExp(`${key}: '.*debug-forgotten\\.test\\.[jt]s:\\d+:\\d+\\)?'`),
    );
  }
  stream.close();
  far.close();
  loop.close();
  const plain = new IOLoop({ debug: false, makeCurrent: false });
  t.notRegex(inspect(plain), /made/);
  t.notRegex(inspect(plain.callLater(60, (value: number) => value, 1)), /registered/);
  plain.close();
  await Promise.resolve();
});
