/** Descriptors that no handler could ever serve are refused, and the error says what they are. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import {
  createServer,
  type AddressInfo,
  connect as connectNet,
  type Socket as Net,
} from 'node:net';
import test from 'ava';
import { IOLoop, IOStream, Socket, type FdLike } from 'ioloop';
import { native } from '#internal';
import { runChild } from './helpers/child.js';
import { testIf } from './helpers/conditions.js';
import { pipe, until } from './helpers/fds.js';
import { onLoop, takeReports, withLoop } from './helpers/loop.js';

const { NONE, READ, WRITE } = IOLoop;

/** For poll(2) they are always ready. */
const testOfDevices = testIf(
  native.backend() !== 'poll',
  'refusals of devices without readiness: epoll or kqueue',
);

for (const [path, kind] of [
  ['/dev/null', /a device without readiness, such as \/dev\/null, is always ready/],
  ['package.json', /a regular file is always ready/],
  ['docs', /a directory is always ready/],
] as const) {
  const watched: ReturnType<typeof testIf> = path === '/dev/null' ? testOfDevices : test;
  watched(`${path}: EPERM says what it is`, (t) =>
    withLoop((loop) => {
      const fd = openSync(path, 'r');
      const attempts = [
        () => loop.addHandler(fd, () => {}, READ),
        () => IOStream.fromFd(fd, { loop }),
      ];
      for (const attempt of attempts) {
        const error = t.throws(attempt, { code: 'EPERM', message: kind });
        t.regex(error.message, /^addHandler EPERM fd \d+: .*node:fs/);
      }
      closeSync(fd);
    }),
  );
}

testOfDevices('stdin that is /dev/null says what it is', async (t) => {
  const { code, stderr } = await runChild(
    `import { openSync, closeSync } from 'node:fs';
     import { IOLoop } from 'ioloop';
     closeSync(0);
     openSync('/dev/null', 'r');
     IOLoop.current().addHandler(0, () => {}, IOLoop.READ);`,
  );
  t.not(code, 0);
  t.regex(stderr, /EPERM fd 0: a device without readiness, such as \/dev\/null/);
});

/** Reading it is refused, in both ways. */
function refusesReading(loop: IOLoop, file: FdLike): unknown[] {
  const codes: unknown[] = [];
  for (const attempt of [
    () => loop.addHandler(file, () => {}, READ),
    () => loop.addHandler(file, () => {}, READ | WRITE),
    () => IOStream.fromFd(file, { loop }),
  ]) {
    try {
      attempt();
      codes.push('accepted');
    } catch (error) {
      codes.push((error as NodeJS.ErrnoException).code);
    }
  }
  return codes;
}

const BUSY = Array.from({ length: 3 }, () => 'ERR_IOLOOP_FD_BUSY');

test("a child's stdout without a consumer: the handler is called, and Node has it back", (t) =>
  onLoop(async (loop) => {
    const child = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
    for (const round of ['first', 'second']) {
      const events = new Promise<number>((resolve) => {
        loop.addHandler(child.stdout, (_, bits) => resolve(bits), READ);
      });
      child.stdin.write(round);
      t.is(await events, READ);
      loop.removeHandler(child.stdout);
      const data = once(child.stdout, 'data') as Promise<[Buffer]>;
      child.stdout.resume();
      const [chunk] = await data;
      t.is(String(chunk), round);
      t.deepEqual(refusesReading(loop, child.stdout), BUSY);
      child.stdout.pause();
      await new Promise(setImmediate);
    }
    child.stdout.resume();
    child.stdin.end();
    await once(child, 'close');
  }));

test("a child's stdout that fromFd() cannot watch: Node has it back", (t) =>
  onLoop(async (loop) => {
    const child = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
    const [fd] = loop.splitFd(child.stdout);
    loop.addHandler(fd, () => {}, NONE);
    t.throws(() => IOStream.fromFd(child.stdout, { loop }), { code: 'EEXIST' });
    loop.removeHandler(fd);
    const data = once(child.stdout, 'data', { signal: AbortSignal.timeout(5000) });
    child.stdin.end('hello');
    const [chunk] = (await data) as [Buffer];
    t.is(String(chunk), 'hello');
    await once(child, 'close');
  }));

test("a child's stdout: its data stays in the kernel, for a handler that reads it later", (t) =>
  onLoop(async (loop) => {
    const child = spawn('cat', { stdio: ['pipe', 'pipe', 'ignore'] });
    const [fd] = loop.splitFd(child.stdout);
    const readable = new Promise<void>((resolve) => {
      loop.addHandler(child.stdout, () => resolve(), READ);
    });
    child.stdin.write('hello');
    await readable;
    // Node has its chances to take it.
    for (let round = 0; round < 10; round += 1) await new Promise(setImmediate);
    t.is(child.stdout.readableLength, 0);
    const buffer = Buffer.alloc(16);
    t.is(buffer.toString('latin1', 0, readSync(fd, buffer)), 'hello');
    loop.removeHandler(child.stdout);
    child.stdin.end();
    await once(child.stdout.resume(), 'close');
  }));

test("a child's stdout as a stream: every byte, none taken by Node", (t) =>
  onLoop(async (loop) => {
    const child = spawn('sh', ['-c', 'seq 1 20000'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const stream = IOStream.fromFd(child.stdout, { loop });
    const lines = String(await stream.readUntilClose())
      .trimEnd()
      .split('\n');
    t.is(lines.length, 20_000);
    t.is(lines.at(-1), '20000');
  }));

for (const kind of ['handler', 'stream'] as const) {
  test(`a net.Socket within its own 'connect' event: the ${kind} has every byte, Node none`, (t) =>
    onLoop(async (loop) => {
      const server = createServer((socket) => {
        socket.end('hello');
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const client = connectNet((server.address() as AddressInfo).port, '127.0.0.1');
      const received = await new Promise<string>((resolve, reject) => {
        client.once('connect', () => {
          if (kind === 'stream') {
            const stream = IOStream.fromFd(client, { loop });
            stream.readUntilClose().then((bytes) => resolve(String(bytes)), reject);
            return;
          }
          const [fd] = loop.splitFd(client);
          const buffer = Buffer.alloc(16);
          const read = (): void => {
            resolve(buffer.toString('latin1', 0, readSync(fd, buffer)));
          };
          loop.addHandler(client, read, READ);
        });
      });
      t.is(received, 'hello');
      t.is(client.readableLength, 0);
      if (kind === 'handler') {
        // Node has the reading back, and finds the end.
        loop.removeHandler(client);
        const ended = once(client, 'end');
        client.resume();
        await ended;
      }
      client.destroy();
      server.close();
    }));
}

test('a net.Socket: refused once Node has data, watched with pauseOnConnect', (t) =>
  onLoop(async (loop) => {
    const server = createServer({ pauseOnConnect: true });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[Net]>;
    const client = connectNet((server.address() as AddressInfo).port, '127.0.0.1');
    const [paused] = await accepted;
    if (client.connecting) await once(client, 'connect');
    // Node begins to read after it has emitted the event.
    await new Promise(setImmediate);
    const readable = new Promise<number>((resolve) => {
      loop.addHandler(paused, (_, events) => resolve(events), READ);
    });
    client.write('hello');
    t.is(await readable, READ);
    loop.removeHandler(paused);
    // Node reads this side ahead.
    paused.write('hello');
    while (client.readableLength === 0) await new Promise(setImmediate);
    t.deepEqual(refusesReading(loop, client), BUSY);
    t.notThrows(() => loop.addHandler(client, () => {}, WRITE));
    t.throws(() => loop.updateHandler(client, READ), { code: 'ERR_IOLOOP_FD_BUSY' });
    loop.removeHandler(client);
    client.destroy();
    paused.destroy();
    server.close();
  }));

test("a child's stdout with wrong options is left to Node", (t) =>
  withLoop(async (loop) => {
    const child = spawn('echo', ['hello'], { stdio: ['ignore', 'pipe', 'ignore'] });
    t.throws(() => IOStream.fromFd(child.stdout, { loop, maxBufferSize: -1 }), {
      code: 'ERR_OUT_OF_RANGE',
    });
    t.throws(() => IOStream.fromFd(child.stdout, { loop, allowHalfOpen: 1 as never }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
    const [data] = (await once(child.stdout, 'data')) as [Buffer];
    t.is(String(data), 'hello\n');
  }));

/** An object that looks like one of Node's streams, with this handle. */
function streamOn(fd: number, handle: object): FdLike {
  return {
    fd,
    readableLength: 0,
    listenerCount: () => 0,
    _handle: { reading: true, readStop: () => {}, readStart: () => {}, ...handle },
  } as FdLike;
}

function fails(): never {
  throw new Error('the handle fails');
}

test('a handle that cannot stop reading fails addHandler(), and nothing is registered', (t) =>
  withLoop((loop) => {
    const [socket, peer] = Socket.pair();
    const stream = streamOn(socket.fd, { readStop: fails });
    t.throws(() => loop.addHandler(stream, () => {}, READ), { message: 'the handle fails' });
    t.notThrows(() => loop.addHandler(socket.fd, () => {}, READ));
    socket.close();
    peer.close();
  }));

test('a handle that cannot go on reading stops no other handler', (t) =>
  onLoop(async (loop) => {
    const [near, far] = Socket.pair();
    const [reader, writer] = pipe();
    for (const end of [far, writer]) loop.addHandler(end, () => {}, IOLoop.NONE);
    let calls = 0;
    loop.addHandler(near, () => void (calls += 1), READ);
    loop.addHandler(streamOn(reader, { readStart: fails }), () => t.fail(), READ);
    far.send(Buffer.from('x'));
    writeSync(writer, 'x');
    // Runs in the turn that has collected both, before their handlers.
    loop.addCallback(() => {
      closeSync(reader);
    });
    await until(() => calls >= 3, 'further calls');
    t.is(takeReports(loop).length, 1);
    loop.removeHandler(writer);
    closeSync(writer);
    near.close();
    far.close();
  }));
