/** In debug mode promises of streams that the program drops are reported, and no others. */
import test from 'ava';
import { runChild } from './helpers/child.js';

/** `collect(done)` runs the collector until `done()`, or often; `pair()` is two streams in debug mode. */
const PRELUDE = `
  import { IOLoop, IOStream, Socket } from 'ioloop';
  const loop = new IOLoop({ debug: true });
  loop.slowCallbackDuration = Infinity;
  const warnings = [];
  process.on('warning', ({ code, message }) => warnings.push(code + ': ' + message));
  const turn = () => new Promise((resolve) => loop.callLater(0, resolve));
  async function collect(done) {
    for (let round = 0; round < (done ? 100 : 6) && !done?.(); round += 1) {
      gc();
      await new Promise(setImmediate);
      await turn();
    }
  }
  function pair(options) {
    return Socket.pair().map((socket) => new IOStream(socket, { loop, ...options }));
  }
`;

/** Each body runs in the same process, one after another. Returns the warnings of each. */
async function warningsOfAll(bodies: readonly string[]): Promise<string[][]> {
  const { stdout, stderr, code } = await runChild(
    `${PRELUDE}
    const found = [];
    const isolated = async (body) => {
      await body();
      await new Promise(setImmediate);
      found.push(warnings.splice(0));
    };
    await loop.runSync(async function main() {
      ${bodies.map((body) => `await isolated(async () => { ${body} });`).join('\n')}
    });
    console.log(JSON.stringify(found));`,
    { nodeOptions: ['--no-warnings'] },
  );
  if (code !== 0) throw new Error(`${code}: ${stderr}`);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as string[][];
}

async function warningsOf(body: string): Promise<string[]> {
  const [warnings = []] = await warningsOfAll([body]);
  return warnings;
}

test('a write that fails, and is not awaited, is reported with its site', async (t) => {
  const warnings = await warningsOf(`
    const [near, far] = pair();
    (function sends() { near.write(Buffer.alloc(8e6)); })();
    await turn();
    near.close(new Error('closed on purpose'));
    await collect(() => warnings.length > 0);
    far.close();
  `);
  t.is(warnings.length, 1);
  t.regex(
    warnings[0] ?? '',
    /^IOLOOP_UNAWAITED: The promise of write\(\) was not awaited, and it has failed: Stream is closed: closed on purpose\. Called at sends \(file:\S+\)$/,
  );
});

test('a write to a stream that is closed already is reported, too', async (t) => {
  const warnings = await warningsOf(`
    const [near, far] = pair();
    far.close();
    near.close();
    near.write('x');
    await collect(() => warnings.length > 0);
  `);
  t.is(warnings.length, 1);
  t.regex(
    warnings[0] ?? '',
    /write\(\) was not awaited, and it has failed: Stream is closed\. Called/,
  );
});

test('a program that ends reports what the collector has not found', async (t) => {
  const { stderr } = await runChild(`
    ${PRELUDE}
    const held = [];
    await loop.runSync(async () => {
      const [near, far] = pair();
      for (let call = 0; call < 3; call += 1) held.push(near.write('x'.repeat(1e6)));
      near.close();
      far.close();
    });
    process.on('exit', () => console.log(held.length));
  `);
  // Once for the site.
  t.is(stderr.match(/\[IOLOOP_UNAWAITED\] Warning: The promise of write/g)?.length, 1, stderr);
});

test('bytes of a read that is not awaited are reported as lost', async (t) => {
  const reads = [
    ['readBytes(4)', 4],
    ["readUntil('b')", 6],
    ['readUntilRegex(/b/)', 6],
    ['readBytes(100, { partial: true })', 7],
    ['readBytes(4, { timeout: 60 })', 4],
  ] as const;
  const found = await warningsOfAll(
    reads.map(
      ([call]) => `
        const [near, far] = pair();
        await far.write('aaaaabb');
        (function forgets() { near.${call}; })();
        await collect(() => warnings.length > 0);
        near.close();
        far.close();`,
    ),
  );
  for (const [at, [call, count]] of reads.entries()) {
    const name = call.slice(0, call.indexOf('('));
    t.is(found[at]?.length, 1, call);
    t.regex(
      found[at]?.[0] ?? '',
      RegExp(
        `promise of ${name}\\(\\) was not awaited, and the ${count} bytes that it has read are lost. Called at forgets`,
      ),
    );
  }
});

test('a failed wait with options, and a failed end(), are reported', async (t) => {
  const calls = [
    "write('x', { timeout: 60 })",
    'drain({ timeout: 60 })',
    'end()',
    'end({ timeout: 60 })',
  ];
  const found = await warningsOfAll(
    calls.map(
      (call) => `
        const [near, far] = pair();
        near.write(Buffer.alloc(8e6)).catch(() => {});
        (function forgets() { near.${call}; })();
        far.close();
        await collect(() => warnings.length > 0);`,
    ),
  );
  for (const [at, call] of calls.entries()) {
    const name = call.slice(0, call.indexOf('('));
    t.is(found[at]?.length, 1, call);
    t.regex(
      found[at]?.[0] ?? '',
      RegExp(`promise of ${name}\\(\\) was not awaited, and it has failed: .* Called at forgets`),
    );
  }
});

for (const debug of [true, false]) {
  test(`faults of the program in writes are unhandled rejections, debug: ${debug}`, async (t) => {
    const { stdout, stderr } = await runChild(
      `import { IOLoop, IOStream, Socket } from 'ioloop';
      const loop = new IOLoop({ debug: ${debug} });
      process.on('unhandledRejection', ({ code }) => console.log(code));
      const pair = () =>
        Socket.pair().map((socket) => new IOStream(socket, { loop, maxWriteBufferSize: 9 }));
      await loop.runSync(async () => {
        const [refuses, wrong, ended, detached, closed] = Array.from({ length: 5 }, pair);
        refuses[0].write('more than 9 bytes');
        refuses[0].close();
        wrong[0].write(5);
        wrong[0].close();
        ended[0].end('text');
        ended[0].close();
        const token = detached[0].detach();
        detached[0].write('x');
        detached[0].shutdownWrite();
        closed[0].close();
        closed[0].write('x');
        closed[0].drain({ timeout: 60 });
        await new Promise(setImmediate);
        IOStream.attach(token, { loop }).close();
        for (const [, far] of [refuses, wrong, ended, detached, closed]) far.close();
      });`,
      { nodeOptions: ['--no-warnings'] },
    );
    t.deepEqual(
      stdout.trim().split('\n').toSorted(),
      [
        'ERR_INVALID_ARG_TYPE',
        'ERR_INVALID_ARG_TYPE',
        'ERR_IOLOOP_BUFFER_FULL',
        'ERR_IOLOOP_DETACHED',
        'ERR_IOLOOP_DETACHED',
      ],
      stderr,
    );
  });
}

/** Programs that use their promises, or need not. */
const USES: readonly [string, string][] = [
  ['await', `await near.write('x'); await far.readBytes(1);`],
  ['then', `near.write('x').then(() => {}); far.readBytes(1).then(() => {});`],
  ['catch', `near.write('x').catch(() => {}); far.readBytes(1).catch(() => {});`],
  ['finally', `near.write('x').finally(() => {}); far.readBytes(1).finally(() => {});`],
  ['Promise.all', `await Promise.all([near.write('x'), far.readBytes(1)]);`],
  ['Promise.allSettled', `await Promise.allSettled([near.write('x'), far.readBytes(1)]);`],
  ['Promise.race', `near.write('x'); await Promise.race([far.readBytes(1), turn()]);`],
  ['Promise.any', `near.write('x'); await Promise.any([far.readBytes(1), turn()]);`],
  ['Promise.resolve', `near.write('x'); await Promise.resolve(far.readBytes(1));`],
  ['return of an async function', `near.write('x'); await (async () => far.readBytes(1))();`],
  ['a later await', `const late = far.readBytes(1); near.write('x'); await collect(); await late;`],
  [
    'many later awaits',
    `for (let at = 0; at < 15; at += 1) {
      near.write('x');
      const late = far.readBytes(1);
      await collect();
      await late;
    }`,
  ],
  ['for await', `near.write('x'); near.end(); for await (const chunk of far) chunk.length;`],
  ['a callback that returns it', `near.write('x'); loop.addCallback(() => far.readBytes(1));`],
  ['addFuture', `near.write('x'); loop.addFuture(far.readBytes(1), () => {});`],
  ['void of a write', `void near.write('x'); await far.readBytes(1);`],
  ['void of an end', `void near.write('x'); void near.end(); await far.readUntilClose();`],
  ['peek', `near.write('x'); far.peek(1);`],
  ['readInto', `near.write('x'); far.readInto(Buffer.alloc(1));`],
  ['a discarded rest', `near.write('x'); far.readUntilClose(); near.end();`],
  ['web streams', `near.write('x'); await far.toWeb().readable.getReader().read();`],
  ['a duplex', `near.toDuplex().end('x'); for await (const chunk of far.toDuplex()) chunk.length;`],
  ['a cancelled read', `await far.readBytes(1, { signal: AbortSignal.abort(1) }).catch(() => {});`],
];

test('a promise that is used is not reported, and one that need not be is not either', async (t) => {
  const found = await warningsOfAll(
    USES.map(
      ([, body]) => `
        const [near, far] = pair();
        await (async () => { ${body} })();
        await collect();
        near.close();
        far.close();
        await collect();`,
    ),
  );
  t.deepEqual(
    USES.map(([how], at) => [how, found[at]]),
    USES.map(([how]) => [how, []]),
  );
});

test('writes that a slow peer does not read, and that are not awaited, are reported', async (t) => {
  const warnings = await warningsOf(`
    const [near, far] = pair();
    for (let call = 0; call < 50; call += 1) {
      (function floods() { near.write(Buffer.alloc(100_000)); })();
      await turn();
    }
    near.close();
    far.close();
    await new Promise(setImmediate);
  `);
  const unbounded = warnings.filter((text) => text.startsWith('IOLOOP_UNBOUNDED_WRITES'));
  t.is(unbounded.length, 1, warnings.join('\n'));
  t.regex(
    unbounded[0] ?? '',
    /: \d+ bytes are unsent, and no write\(\) of the stream was awaited: .*\. Written at floods \(/,
  );
});

const BURSTS: readonly [string, string][] = [
  [
    'the last write is awaited',
    `for (let at = 0; at < 9; at += 1) near.write(part); const last = near.write(part); far.readUntilClose().catch(() => {}); await last;`,
  ],
  [
    'drain() is awaited',
    `for (let at = 0; at < 9; at += 1) near.write(part); far.readUntilClose().catch(() => {}); await near.drain();
    // What is unsent at close() would fail.
    while (near.writeBufferSize > 0) await new Promise(setImmediate);`,
  ],
  [
    'all are awaited together',
    `const all = []; for (let at = 0; at < 9; at += 1) all.push(near.write(part)); far.readUntilClose().catch(() => {}); await Promise.all(all);`,
  ],
  [
    'end() follows',
    `for (let at = 0; at < 9; at += 1) near.write(part); near.end(); await far.readUntilClose();`,
  ],
];

test('a burst of writes is not reported if one of its promises is awaited', async (t) => {
  const found = await warningsOfAll(
    BURSTS.map(
      ([, body]) => `
        // Smaller than what is sent at once.
        const part = Buffer.alloc(30_000);
        const [near, far] = pair();
        ${body}
        near.close();
        far.close();
        await collect();`,
    ),
  );
  t.deepEqual(
    BURSTS.map(([how], at) => [how, found[at]]),
    BURSTS.map(([how]) => [how, []]),
  );
});

test('streams in debug mode move the same bytes in the same order, also over TLS', async (t) => {
  const { stdout, stderr } = await runChild(
    `
    import { readFileSync } from 'node:fs';
    import { IOLoop, TCPClient, TCPServer } from 'ioloop';
    const [key, cert] = ['key', 'pem'].map((end) => readFileSync('__test__/fixtures/server.' + end));
    const loop = IOLoop.current();
    loop.slowCallbackDuration = Infinity;
    await loop.runSync(async () => {
      for (const tls of [undefined, { key, cert }]) {
        const server = new TCPServer({ tls, async handleStream(stream) {
          for await (const chunk of stream) stream.write(chunk);
          await stream.end();
        } });
        server.listen(0, '127.0.0.1');
        const options = tls && { tls: { tls: { rejectUnauthorized: false } } };
        const client = await new TCPClient().connect('127.0.0.1', server.port, options);
        const order = [];
        for (let at = 0; at < 500; at += 1) client.write(at + ';').then(() => order.push(at));
        const echo = client.readUntilClose();
        await client.shutdownWrite();
        const expected = Array.from({ length: 500 }, (_, at) => at + ';').join('');
        console.log((await echo).toString() === expected, order.every((value, at) => value === at));
        client.close();
        await server.stop({ drain: true });
      }
    }, { timeout: 50 });
    loop.close();
    `,
    { env: { IOLOOP_DEBUG: '1' } },
  );
  t.is(stdout, 'true true\ntrue true\n', stderr);
  t.is(stderr, '');
});

test('a writer of debug mode serves no other stream, and 20,000 writes take no time', async (t) => {
  const warnings = await warningsOf(`
    const [near, far] = pair();
    far.readUntilClose().catch(() => {});
    for (let count = 0; count < 20_000; count += 1) await near.write('x');
    // A connection that goes on with the writer gives it to others in the end.
    near.setProtocol({ data() {} }).write('y');
    await turn();
    const usual = new IOLoop({ makeCurrent: false });
    const others = Socket.pair().map((socket) => new IOStream(socket, { loop: usual }));
    (function drops() { others[0].write('x'); others[0].write(Buffer.alloc(8e6)); })();
    await turn();
    others[0].close(new Error('closed on purpose'));
    await collect();
    others[1].close();
    far.close();
    usual.close();
  `);
  t.deepEqual(warnings, []);
});
