/** `detach()` and `attach()` that fail leave all as it was; unusual kinds of descriptors. */
import diagnostics from 'node:diagnostics_channel';
import test from 'ava';
import { descriptorOf } from '#internal';
import { IOLoop, IOStream, Socket, TCPServer } from 'ioloop';
import { runChild } from './helpers/child.js';
import { testWith } from './helpers/conditions.js';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { caught, owned, pair } from './helpers/sockets.js';
import { pythonOpens } from './helpers/special-fds.js';
import { failureOf, turns, withPair } from './helpers/streams.js';

testWith('prlimit')(
  'detach() of a number that was read needs one: EMFILE leaves the stream as it was',
  async (t) => {
    const { code, stdout, stderr } = await runChild(
      `
      import { execFileSync } from 'node:child_process';
      import { closeSync, openSync } from 'node:fs';
      import { IOLoop, IOStream, Socket } from 'ioloop';
      const loop = new IOLoop();
      const [first, second] = Socket.pair();
      const [idle] = Socket.pair();
      const near = new IOStream(first, { loop });
      const far = new IOStream(second, { loop });
      await loop.runSync(async () => {
        await far.write('unread');
        await near.peek(6);
        near.fileno();
        idle.fd;
        execFileSync('prlimit', ['--pid', process.pid, '--nofile=100:']);
        const held = [];
        try {
          for (;;) held.push(openSync('/dev/null'));
        } catch {}
        const codes = [];
        for (const file of [near, idle]) {
          try {
            file.detach();
          } catch ({ code, syscall }) {
            codes.push(code, syscall);
          }
        }
        codes.push(Socket.detachedCount, near.closed, idle.closed);
        // A private number moves without another one.
        const there = IOStream.attach(far.detach(), { loop });
        for (const fd of held) closeSync(fd);
        const attached = IOStream.attach(near.detach(), { loop });
        Socket.attach(idle.detach()).close();
        await there.write(' and more');
        codes.push(String(await attached.readBytes(15)));
        console.log(JSON.stringify(codes));
      });
      process.exit(0);
    `,
    );
    t.is(code, 0, stderr);
    const refusals = ['EMFILE', 'detach', 'EMFILE', 'detach'];
    t.deepEqual(JSON.parse(stdout), [...refusals, 0, false, false, 'unread and more']);
  },
);

test('attach() that cannot register puts the token back', (t) =>
  withPair(async (near, far, loop) => {
    await far.write('unread');
    await near.peek(6);
    const number = descriptorOf(near.socket)?.use() as number;
    const token = near.detach();
    // The descriptor is open, in the table: other code could register it by its number.
    loop.addHandler(number, () => {}, IOLoop.PRI);
    for (const _ of [1, 2]) {
      t.is(caught(() => IOStream.attach(token, { loop })).code, 'EEXIST');
      t.is(Socket.detachedCount, 1);
    }
    loop.removeHandler(number);
    const attached = IOStream.attach(token, { loop });
    await far.write('.');
    t.is(String(await attached.readBytes(7)), 'unread.');
    t.is(Socket.detachedCount, 0);
    attached.close();
  }));

testWith('python3')('a socket with messages moves, and does not become a stream', async (t) => {
  const stdout = await pythonOpens(
    t,
    `a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
fds += [a.fileno(), b.fileno()]`,
    `
      const [receiver, sender] = args.map((fd) => Socket.fromFd(Number(fd)));
      sender.send('a message');
      const token = receiver.detach();
      const seen = [];
      try {
        IOStream.attach(token, { loop });
      } catch ({ code }) {
        seen.push(code, Socket.detachedCount);
      }
      seen.push(String(Socket.attach(token).recv(100)));
      console.log(seen.join());
    `,
  );
  t.is(stdout, 'ERR_IOLOOP_UNSUPPORTED,1,a message\n');
});

testWith('python3')('a terminal moves', async (t) => {
  const stdout = await pythonOpens(
    t,
    `import tty
a, b = os.openpty()
tty.setraw(b)
fds += [a, b]`,
    `
      const [near, far] = args.map((fd) => IOStream.fromFd(Number(fd), { loop }));
      await loop.runSync(async () => {
        await far.write('one two');
        const seen = [String(await near.readBytes(3))];
        const attached = IOStream.attach(near.detach(), { loop });
        await far.write(' three');
        seen.push(String(await attached.readBytes(10)));
        await attached.write('back');
        seen.push(String(await far.readBytes(4)));
        far.close();
        seen.push((await attached.readUntilClose()).length);
        console.log(seen.join());
      });
    `,
  );
  t.is(stdout, 'one, two three,back,0\n');
});

test('bytes beyond the limit of a buffer, which a cancelled read has given back, move', (t) =>
  withPair(
    async (near, far, loop) => {
      const data = Buffer.from(Array.from({ length: 5_000 }, (_, at) => at % 251));
      await far.write(data);
      for (let tries = 0; near.readBufferSize < data.length && tries < 10_000; tries += 1) {
        const controller = new AbortController();
        const read = failureOf(near.readInto(Buffer.alloc(10_000), { signal: controller.signal }));
        await turns(near, 2);
        controller.abort();
        await read;
      }
      t.is(near.readBufferSize, data.length);
      const token = near.detach();
      const tooSmall = { loop, maxBufferSize: 4_999 };
      t.is(caught(() => IOStream.attach(token, tooSmall)).code, 'ERR_OUT_OF_RANGE');
      const attached = IOStream.attach(token, { loop });
      t.is(attached.readBufferSize, data.length);
      const pieces: Buffer[] = [];
      for (let left = 5; left > 0; left -= 1) pieces.push(await attached.readBytes(1_000));
      t.true(Buffer.concat(pieces).equals(data));
      attached.close();
    },
    { maxBufferSize: 1_000 },
  ));

test('detach() succeeds if the close() of the file throws or uses the stream', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    far.send('unread');
    const failure = new TypeError('of close()');
    const codes: Promise<unknown>[] = [];
    const { fd } = near;
    const file = {
      fileno: () => fd,
      close: () => {
        codes.push(failureOf(stream.readBytes(1)), failureOf(stream.write('x')));
        throw failure;
      },
    };
    const stream = IOStream.fromFd(file, { loop });
    await stream.peek(6);
    const attached = IOStream.attach(stream.detach(), { loop });
    t.is(loop.reports.pop()?.error, failure);
    for (const error of (await Promise.all(codes)) as NodeJS.ErrnoException[]) {
      t.is(error.code, 'ERR_IOLOOP_DETACHED');
    }
    t.is(codes.length, 2);
    t.is(String(await attached.readBytes(6)), 'unread');
    attached.close();
  }));

test.serial(
  'a listener that reads the stream, of another one that fails meanwhile, is first',
  (t) =>
    withPair(async (near, far, loop) => {
      const streams: IOStream[] = [];
      const server = new TCPServer({
        loop,
        handleStream: (stream) => {
          streams.push(stream);
        },
      });
      server.listen(0, '127.0.0.1');
      const client = new IOStream(owned(t, Socket.tcp()), { loop });
      await client.connect({ host: '127.0.0.1', port: server.port });
      await until(() => streams.length > 0, 'the connection');
      const [failing] = streams as [IOStream];
      let read: Promise<Buffer> | null = null;
      const onClose = (): void => {
        read ??= near.readBytes(1);
      };
      diagnostics.subscribe('ioloop:connection:close', onClose);
      failing.socket?.shutdown('write');
      // Sent by detach() with what is written here: it fails there.
      failing.write('x').catch(() => {});
      const written = near.write('y');
      t.is(caught(() => near.detach()).code, 'ERR_IOLOOP_STREAM_BUSY');
      await written;
      diagnostics.unsubscribe('ioloop:connection:close', onClose);
      t.true(failing.closed);
      await far.write('r');
      t.is(String(await read), 'r');
      client.close();
      await server.stop();
    }),
);
