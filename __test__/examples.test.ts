/** The examples, run as their users run them, with real clients. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { testWith } from './helpers/conditions.js';

const run = promisify(execFile);
const EXAMPLES = new URL('../../examples/', import.meta.url);

interface Example {
  readonly child: ChildProcess;
  readonly port: number;
  /** The next line that it prints. */
  nextLine(): Promise<string>;
}

/** Starts an example on a port that the system chooses. */
async function start(
  t: ExecutionContext,
  name: string,
  args: readonly string[] = [],
): Promise<Example> {
  const path = fileURLToPath(new URL(name, EXAMPLES));
  const child = spawn(process.execPath, [path, '0', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill());
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<string> => String((await lines.next()).value);
  const port = Number(/(\d+)\/?$/.exec(await nextLine())?.[1]);
  return { child, port, nextLine };
}

test("the documentation's example prints what a client has sent", async (t) => {
  const { port, nextLine } = await start(t, 'tcp-server.mjs');
  connect({ port, host: '127.0.0.1' }).end('hello from a client\n');
  t.is(await nextLine(), 'message from client: hello from a client');
});

test('debug mode finds the faults of its example, and does without them otherwise', async (t) => {
  const path = fileURLToPath(new URL('debug-mode.mjs', EXAMPLES));
  const faults = [
    /^Exception in callback parse, registered at \S*debug-mode\.mjs:\d+:8: SyntaxError/m,
    /IOLOOP_SLOW_CALLBACK\] Warning: Executing callback search, registered at \S+mjs:\d+:8, took 0\./,
    /IOLOOP_UNAWAITED\] Warning: The promise of readUntil\(\) .* 9 bytes .* at \S+mjs:\d+:10/,
    /IOLOOP_UNAWAITED\] Warning: The promise of write\(\) .* it has failed: .* at \S+mjs:\d+:10/,
  ];
  const found = async (value: string): Promise<boolean[]> => {
    const env = { ...process.env, IOLOOP_DEBUG: value };
    const { stderr } = await run(process.execPath, [path], { env });
    return faults.map((fault) => fault.test(stderr));
  };
  t.deepEqual(await found('1'), [true, true, true, true]);
  t.deepEqual(await found('0'), [false, false, false, false]);
});

test('the echo server echoes', async (t) => {
  const { port } = await start(t, 'echo-server.mjs');
  const client = connect({ port, host: '127.0.0.1' });
  client.write('hello');
  const [echo] = (await once(client, 'data')) as [Buffer];
  t.is(String(echo), 'hello');
  client.destroy();
});

test('the proxy joins clients to the servers behind it, and passes over one that refuses', async (t) => {
  const { port: backend } = await start(t, 'echo-server.mjs');
  // No program listens on port 1.
  const { port, nextLine } = await start(t, 'proxy.mjs', ['127.0.0.1:1', `127.0.0.1:${backend}`]);
  for (let count = 0; count < 2; count += 1) {
    const client = connect({ port, host: '127.0.0.1' });
    client.end('x'.repeat(100_000));
    let length = 0;
    for await (const chunk of client) length += (chunk as Buffer).length;
    t.is(length, 100_000);
    t.is(await nextLine(), 'finished: 100000 bytes up, 100000 down');
  }
});

for (const example of ['chat-server.mjs', 'push-chat-server.mjs']) {
  test(`${example} forwards lines, uses names, and cuts off endless lines`, async (t) => {
    const { port, child } = await start(t, example);
    const enter = async (
      name: string,
    ): Promise<[(text: string) => void, () => Promise<string>]> => {
      const socket = connect({ port, host: '127.0.0.1' });
      const lines = createInterface({ input: socket })[Symbol.asyncIterator]();
      socket.write(`${name}\n`);
      await once(socket, 'readable');
      return [
        (text) => socket.write(text),
        async () => String((await lines.next()).value).replace(/^(name\? )*/, ''),
      ];
    };
    const [tellAnn, hearAnn] = await enter('ann');
    const [tellBob] = await enter('bob');
    t.is(await hearAnn(), '* bob is here');
    tellBob('hi there\n');
    t.is(await hearAnn(), '<bob> hi there');
    const [tellCy, hearCy] = await enter('cy');
    t.is(await hearAnn(), '* cy is here');
    tellAnn('welcome\n');
    t.is(await hearCy(), '<ann> welcome');
    tellCy('x'.repeat(5000));
    t.is(await hearAnn(), '* cy has left');
    child.kill();
    const [code] = await once(child, 'exit');
    t.is(code, 0);
  });
}

for (const name of ['redis/server.mjs', 'redis/push-server.mjs']) {
  testWith('redis-cli')(`redis-cli talks to ${name}`, async (t) => {
    const { port } = await start(t, name);
    const redis = async (...args: string[]): Promise<string> =>
      (await run('redis-cli', ['-p', String(port), ...args])).stdout.trimEnd();
    t.is(await redis('PING'), 'PONG');
    t.is(await redis('SET', 'key', 'välue\n'), 'OK');
    t.is(await redis('GET', 'key'), 'välue');
    t.is(await redis('INCR', 'n'), '1');
    t.is(await redis('INCR', 'n'), '2');
    t.regex(await redis('INCR', 'key'), /^ERR value is not an integer/);
    t.is(await redis('MSET', 'a', '1', 'b', '2'), 'OK');
    t.is(await redis('MGET', 'a', 'b', 'c'), '1\n2');
    t.is(await redis('LPUSH', 'list', 'x', 'y', 'z'), '3');
    t.is(await redis('LRANGE', 'list', '0', '-1'), 'z\ny\nx');
    t.is(await redis('LRANGE', 'list', '-2', '1'), 'y');
    t.regex(await redis('GET', 'list'), /^WRONGTYPE/);
    t.is(await redis('DEL', 'a', 'b', 'nobody'), '2');
    t.regex(await redis('GET'), /^ERR wrong number of arguments/);
    t.regex(await redis('NOSUCH'), /^ERR unknown command/);
    t.is(await redis('DBSIZE'), '3');
  });

  testWith('redis-benchmark')(`redis-benchmark finishes against ${name}`, async (t) => {
    const { port } = await start(t, name);
    const tests = 'ping,set,get,incr,lpush,lrange_100,mset';
    const args = ['-p', String(port), '-n', '20000', '-P', '16', '-t', tests, '--csv'];
    const { stdout, stderr } = await run('redis-benchmark', args);
    const rows = stdout.split('\n').filter((line) => /^"[A-Z]/.test(line));
    t.true(rows.length >= 7, stdout);
    for (const row of rows) t.true(Number(/,"([\d.]+)"/.exec(row)?.[1]) > 0, row);
    t.notRegex(stderr + stdout, /error/i);
  });

  test(`a violation of the Redis protocol is answered by ${name}, and the connection ends`, async (t) => {
    const { port } = await start(t, name);
    for (const [sent, expected] of [
      ['*1\r\n:5\r\n', /^-ERR Protocol error: expected '\$', got ':'/],
      ['*99999999999\r\n', /^-ERR Protocol error/],
      ['PING\r\nQUIT\r\n', /^\+PONG\r\n\+OK\r\n$/],
    ] as const) {
      const client = connect({ port, host: '127.0.0.1' });
      client.write(sent);
      let reply = '';
      for await (const chunk of client) reply += String(chunk);
      t.regex(reply, expected);
    }
  });
}

testWith('curl')('curl gets answers from the HTTP server', async (t) => {
  const { port } = await start(t, 'http-server.mjs');
  const url = `http://127.0.0.1:${port}/`;
  const { stdout } = await run('curl', ['-sS', '--fail', url, url, '--http1.0', url]);
  t.is(stdout, 'hello, 127.0.0.1\n'.repeat(3));
});

test('autocannon gets only answers from the HTTP server', async (t) => {
  const { port } = await start(t, 'http-server.mjs');
  const { default: autocannon } = (await import('autocannon' as string)) as {
    default: (options: object) => Promise<Record<string, number>>;
  };
  const url = `http://127.0.0.1:${port}/`;
  const result = await autocannon({ url, connections: 20, amount: 5000 });
  t.like(result, { '2xx': 5000, non2xx: 0, errors: 0, timeouts: 0 });
});

testWith('curl')('curl scrapes the metrics of a loop through prom-client', async (t) => {
  const { port } = await start(t, 'metrics.mjs');
  const url = `http://127.0.0.1:${port}/`;
  await run('curl', ['-sS', '--fail', url]);
  const { stdout } = await run('curl', ['-sS', '--fail', `${url}metrics`]);
  t.regex(stdout, /^ioloop_connections_accepted_total\{loop="main"\} 2$/m);
  t.regex(stdout, /^ioloop_received_bytes_total\{loop="main"\} [1-9]\d+$/m);
  t.regex(stdout, /^ioloop_turn_length_seconds_bucket\{loop="main",le="\+Inf"\} [1-9]\d*$/m);
});
