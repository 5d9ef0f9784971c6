/** Streams on descriptors other than sockets: pipes, FIFOs, terminals. */
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, readSync } from 'node:fs';
import test from 'ava';
import { IOLoop, IOStream, Socket, type IOStreamOptions } from 'ioloop';
import { testWith } from './helpers/conditions.js';
import { closeAll, pipe } from './helpers/fds.js';
import { onLoop, withLoop } from './helpers/loop.js';
import { closing } from './helpers/net.js';
import { pythonOpens, withFifo } from './helpers/special-fds.js';
import { closedBy, turns } from './helpers/streams.js';

function pipeStreams(loop: IOLoop, options: IOStreamOptions = {}): [IOStream, IOStream] {
  const [reader, writer] = pipe();
  return [
    IOStream.fromFd(reader, { loop, ...options }),
    IOStream.fromFd(writer, { loop, ...options }),
  ];
}

test('a pipe: megabytes through it, then its end', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipeStreams(loop);
    t.is(reader.socket, null);
    const sent = Buffer.alloc(3_000_000, 'through a pipe ');
    void writer.write('small, ');
    void writer.write([sent.subarray(0, 1_000_000), 'between', sent.subarray(1_000_000)]);
    const ended = writer.end();
    t.is((await reader.readUntil(', ')).toString(), 'small, ');
    t.true((await reader.readBytes(1_000_000)).equals(sent.subarray(0, 1_000_000)));
    t.is((await reader.readBytes(7)).toString(), 'between');
    t.true((await reader.readUntilClose()).equals(sent.subarray(1_000_000)));
    await ended;
    t.true(reader.closed);
  }));

test('a pipe without a reader: EPIPE, also without a write', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipeStreams(loop);
    reader.close();
    t.is((await closedBy(writer.write('x')))?.code, 'EPIPE');
    const [other, idle] = pipeStreams(loop);
    const closed = closing(idle);
    other.close();
    await closed;
    t.true(idle.closed);
  }));

test('the wrong end of a pipe fails as the system says', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipeStreams(loop);
    t.is((await closedBy(reader.write('x')))?.code, 'EBADF');
    writer.close();
  }));

test('a blocking descriptor becomes non-blocking', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipe();
    // Opened anew it is blocking: reading would stop the loop.
    const stream = IOStream.fromFd(openSync(`/dev/fd/${reader}`, 'r'), { loop });
    const reading = stream.readBytes(1);
    await turns(stream);
    t.true(stream.reading);
    stream.close();
    t.is(await closedBy(reading), null);
    closeAll(reader, writer);
  }));

testWith('mkfifo')('a FIFO, with a child at its other end', async (t) => {
  await withFifo((path) =>
    onLoop(async (loop) => {
      const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const stream = IOStream.fromFd(fd, { loop });
      const child = spawn('sh', ['-c', `printf 'line one\\nline two\\n' > "${path}"`]);
      t.is((await stream.readUntil('\n')).toString(), 'line one\n');
      t.is((await stream.readUntil('\n')).toString(), 'line two\n');
      t.is((await stream.readUntilClose()).length, 0);
      t.true(stream.closed);
      child.kill();
    }),
  );
});

testWith('python3')('a terminal: both directions, and its end', async (t) => {
  const stdout = await pythonOpens(
    t,
    `import tty
master, slave = os.openpty()
tty.setraw(slave)
fds += [master, slave]`,
    `
    const [near, far] = args.map((fd) => IOStream.fromFd(Number(fd), { loop }));
    await loop.runSync(async () => {
      void far.write('a line\\n');
      console.log(String(await near.readUntil('\\n')).trim());
      const sent = Buffer.alloc(100_000, 'typed very fast ');
      void near.write(sent);
      console.log((await far.readBytes(sent.length)).equals(sent));
      far.close();
      // EIO, which is a terminal's end.
      console.log((await near.readUntilClose()).length, near.closed, near.error);
    }, { timeout: 20 });
    `,
  );
  t.is(stdout, 'a line\ntrue\n0 true null\n');
});

test('a regular file cannot be watched: EPERM, and it stays open', (t) =>
  withLoop((loop) => {
    const fd = openSync('package.json', 'r');
    t.throws(() => IOStream.fromFd(fd, { loop }), { code: 'EPERM' });
    t.is(readSync(fd, Buffer.alloc(1)), 1);
    closeSync(fd);
    return Promise.resolve();
  }));

test('a value that is not a descriptor, or not a socket, is refused', (t) =>
  withLoop(async (loop) => {
    for (const fd of [-1, 1.5, NaN, 'x', null, undefined, {}]) {
      const { code } = t.throws<NodeJS.ErrnoException>(() =>
        IOStream.fromFd(fd as never, { loop }),
      );
      t.true(code === 'EBADF' || code?.startsWith('ERR_'), `${String(fd)}: ${code}`);
    }
    t.throws(() => IOStream.fromFd(999_999, { loop }), { code: 'EBADF' });
    t.throws(() => new IOStream(5 as never, { loop }), { code: 'ERR_INVALID_ARG_TYPE' });
    t.throws(() => new IOStream(null as never), { code: 'ERR_INVALID_ARG_TYPE' });
    const [socket, other] = Socket.pair();
    t.throws(() => new IOStream(socket, 5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
    for (const options of [
      { maxBufferSize: 0 },
      { maxBufferSize: -1 },
      { readChunkSize: 0.5 },
      { maxWriteBufferSize: NaN },
      { highWaterMark: 10, lowWaterMark: 11 },
    ]) {
      t.throws(() => new IOStream(socket, { loop, ...options }), { code: 'ERR_OUT_OF_RANGE' });
    }
    loop.addHandler(socket, () => {}, IOLoop.READ);
    t.throws(() => new IOStream(socket, { loop }), { code: 'EEXIST' });
    loop.removeHandler(socket);
    // Nothing of all that has closed it.
    const stream = new IOStream(socket, { loop });
    t.is(stream.fileno(), socket.fd);
    t.throws(() => new IOStream(socket, { loop }), { code: 'EEXIST' });
    stream.close();
    t.throws(() => new IOStream(socket, { loop }), { code: 'EBADF' });
    other.close();
  }));

test('a socket is a stream as any other, with its socket', (t) =>
  onLoop(async (loop) => {
    const [first, second] = Socket.pair();
    const near = IOStream.fromFd(first, { loop });
    const far = new IOStream(second, { loop });
    t.is(near.socket, first);
    await far.write('hello');
    t.is((await near.readBytes(5)).toString(), 'hello');
    near.close();
    far.close();
  }));

test.serial('a descriptor that other code has closed: EBADF when its number is used again', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipe();
    const stream = IOStream.fromFd(reader, { loop });
    const closed = closing(stream);
    const reading = stream.readBytes(1);
    await turns(stream);
    closeAll(reader, writer);
    // The numbers are given out again, and the first stream closes nothing that is not its own.
    const [again, other] = pipeStreams(loop);
    t.is(again.fileno(), reader);
    t.is((await closedBy(reading))?.code, 'EBADF');
    t.is(((await closed) as NodeJS.ErrnoException | null)?.code, 'EBADF');
    await other.write('fine');
    t.is((await again.readBytes(4)).toString(), 'fine');
    again.close();
    other.close();
  }),
);

test.serial('writing to a descriptor that other code has closed: EBADF', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipe();
    const stream = IOStream.fromFd(writer, { loop });
    closeAll(reader, writer);
    t.is((await closedBy(stream.write('x')))?.code, 'EBADF');
  }),
);
