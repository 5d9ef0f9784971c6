/**
 * What Node itself cannot wait for: terminals, inotify, eventfd, timerfd, FIFOs, inherited ends of
 * pipes. Some of them Node cannot even open; a Python process does, and becomes Node.
 */
import { spawn } from 'node:child_process';
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import test from 'ava';
import { IOLoop, Socket, type Address } from 'ioloop';
import { startChild } from './helpers/child.js';
import { closeAll, drain, pipe, testWith } from './helpers/fds.js';
import { pythonOpens, withFifo } from './helpers/special-fds.js';
import { withLoop } from './helpers/loop.js';

const { READ } = IOLoop;
const testFifo = testWith('mkfifo');
const testPython = testWith('python3');

testFifo('a FIFO, by number', (t) =>
  withFifo((path) =>
    withLoop(async (loop) => {
      const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
      const writer = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK);
      const read: (string | null)[] = [];
      loop.addHandler(
        reader,
        () => {
          read.push(drain(reader));
          if (read.length === 1) {
            writeSync(writer, 'second');
            closeSync(writer);
          } else if (read.at(-1) === null) loop.stop();
        },
        READ,
      );
      writeSync(writer, 'first');
      await loop.start();
      t.deepEqual(read, ['first', 'second', null]);
      loop.removeHandler(reader);
      closeSync(reader);
    }),
  ),
);

testFifo('a FIFO, by its FileHandle', (t) =>
  withFifo((path) =>
    withLoop(async (loop) => {
      const handle = await open(path, constants.O_RDWR | constants.O_NONBLOCK);
      loop.addHandler(
        handle,
        (passed, events) => {
          t.is(passed, handle);
          t.is(events, READ);
          t.is(drain(passed.fd), 'hello');
          loop.stop();
        },
        READ,
      );
      await handle.write('hello');
      await loop.start();
      loop.removeHandler(handle);
      await handle.close();
    }),
  ),
);

test('a character device that can be waited for: the master of a pty, by its FileHandle', (t) =>
  withLoop(async (loop) => {
    const handle = await open('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY);
    loop.addHandler(
      handle,
      (passed, events) => {
        t.is(passed, handle);
        t.true((events & IOLoop.WRITE) !== 0);
        loop.stop();
      },
      IOLoop.WRITE,
    );
    await loop.start();
    loop.removeHandler(handle);
    await handle.close();
  }));

testPython(
  'a pty: what is typed into one end arrives at the other, until it hangs up',
  async (t) => {
    const stdout = await pythonOpens(
      t,
      'master, slave = os.openpty(); fds += [master, slave]',
      `
    const [master, slave] = args.map(Number);
    const buffer = Buffer.alloc(100);
    let text = '';
    let open = true;
    loop.addHandler(master, (fd, events) => {
      if (events & IOLoop.READ) text += buffer.toString('utf8', 0, readSync(fd, buffer));
      if (text === 'hello\\r\\n' && open) {
        open = false;
        closeSync(slave);
      }
      if (events & 0x10) {
        console.log(JSON.stringify(text), 'hung up');
        loop.removeHandler(fd);
        loop.stop();
      }
    }, IOLoop.READ);
    loop.addCallback(() => writeSync(slave, 'hello\\n'));
    await loop.start();
    `,
    );
    t.is(stdout, '"hello\\r\\n" hung up\n');
  },
);

testPython('a terminal as a tty.ReadStream', async (t) => {
  const stdout = await pythonOpens(
    t,
    'master, slave = os.openpty(); fds += [master, slave]',
    `
    const { ReadStream } = await import('node:tty');
    const [master, slave] = args.map(Number);
    const terminal = new ReadStream(slave);
    loop.addHandler(terminal, (passed, events) => {
      const buffer = Buffer.alloc(100);
      const count = readSync(loop.splitFd(passed)[0], buffer);
      console.log(passed === terminal, events, buffer.toString('utf8', 0, count).trim());
      loop.stop();
    }, IOLoop.READ);
    terminal._handle.readStop();
    loop.addCallback(() => writeSync(master, 'typed\\n'));
    await loop.start();
    process.exit();
    `,
  );
  t.is(stdout, 'true 1 typed\n');
});

testPython('an eventfd: counts, and is drained by one read', async (t) => {
  const stdout = await pythonOpens(
    t,
    'fds.append(libc.eventfd(0, os.O_NONBLOCK))',
    `
    const [fd] = args.map(Number);
    const add = (count) => writeSync(fd, new BigUint64Array([BigInt(count)]));
    const seen = [];
    loop.addHandler(fd, () => {
      const words = new BigUint64Array(1);
      readSync(fd, words);
      seen.push(Number(words[0]));
      if (seen.length === 1) add(5);
      else loop.stop();
    }, IOLoop.READ);
    add(1);
    add(2);
    await loop.start();
    console.log(seen.join());
    `,
  );
  t.is(stdout, '3,5\n');
});

testPython('a timerfd that ticks', async (t) => {
  const stdout = await pythonOpens(
    t,
    `fd = libc.timerfd_create(1, os.O_NONBLOCK)
spec = (ctypes.c_long * 4)(0, 2_000_000, 0, 1)
libc.timerfd_settime(fd, 0, spec, None)
fds.append(fd)`,
    `
    const [fd] = args.map(Number);
    let ticks = 0;
    let calls = 0;
    loop.addHandler(fd, () => {
      const words = new BigUint64Array(1);
      readSync(fd, words);
      ticks += Number(words[0]);
      calls += 1;
      if (calls === 3) loop.stop();
    }, IOLoop.READ);
    await loop.start();
    console.log(ticks >= calls, calls);
    `,
  );
  t.is(stdout, 'true 3\n');
});

testPython('inotify: a file that is created in a folder', async (t) => {
  const stdout = await pythonOpens(
    t,
    `import tempfile
folder = tempfile.mkdtemp(prefix='ioloop-')
fd = libc.inotify_init1(os.O_NONBLOCK)
libc.inotify_add_watch(fd, folder.encode(), 0x100)
fds.append(fd)
names.append(folder)`,
    `
    const { rmSync, writeFileSync } = await import('node:fs');
    const [fd, folder] = [Number(args[0]), args[1]];
    loop.addHandler(fd, () => {
      const buffer = Buffer.alloc(4096);
      const count = readSync(fd, buffer);
      const name = buffer.toString('utf8', 16, count).replaceAll('\\0', '');
      console.log('created', name);
      loop.stop();
    }, IOLoop.READ);
    loop.addCallback(() => writeFileSync(folder + '/news', ''));
    await loop.start();
    rmSync(folder, { recursive: true });
    `,
  );
  t.is(stdout, 'created news\n');
});

testPython('a UDP socket: each datagram by itself, though reads are short', async (t) => {
  const stdout = await pythonOpens(
    t,
    `udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind(('127.0.0.1', 0))
fds.append(udp.detach())`,
    `
    const { createSocket } = await import('node:dgram');
    const socket = Socket.fromFd(Number(args[0]));
    const sender = createSocket('udp4');
    const sent = ['one', 'two', 'three'];
    const seen = [];
    loop.addHandler(socket, () => {
      seen.push(socket.recv(1000)?.toString() ?? null);
      if (seen.filter(Boolean).length === sent.length) loop.stop();
    }, IOLoop.READ);
    for (const word of sent) {
      await new Promise((resolve) => {
        sender.send(word, socket.localAddress.port, '127.0.0.1', resolve);
      });
    }
    await loop.start();
    sender.close();
    console.log(seen.filter(Boolean).join());
    `,
  );
  t.is(stdout, 'one,two,three\n');
});

test("a child's output through a pipe of ours, to its end", (t) =>
  withLoop(async (loop) => {
    const [reader, writer] = pipe();
    const child = spawn('echo', ['said by a child'], { stdio: ['ignore', writer, 'inherit'] });
    closeSync(writer);
    let text = '';
    loop.addHandler(
      reader,
      () => {
        const data = drain(reader);
        if (data === null) loop.stop();
        else text += data;
      },
      READ,
    );
    await loop.start();
    t.is(text, 'said by a child\n');
    t.is(child.killed, false);
    loop.removeHandler(reader);
    closeSync(reader);
  }));

test("a child's stdout, when Node does not read it itself", (t) =>
  withLoop(async (loop) => {
    const child = spawn('cat', { stdio: ['pipe', 'pipe', 'inherit'] });
    const { stdin, stdout } = child;
    // Node reads a child's output from the beginning, whether somebody listens or not.
    // oxlint-disable-next-line no-underscore-dangle
    (stdout as unknown as { _handle: { readStop(): void } })._handle.readStop();
    loop.addHandler(
      stdout,
      (passed, events) => {
        t.is(passed, stdout);
        t.is(events, READ);
        t.is(drain(loop.splitFd(passed)[0]), 'hello');
        loop.removeHandler(passed);
        loop.stop();
      },
      READ,
    );
    stdin.write('hello');
    await loop.start();
    child.kill();
    stdout.destroy();
  }));

test('process.stdin that is a pipe', async (t) => {
  const child = startChild(`
    import { readSync } from 'node:fs';
    import { IOLoop } from 'ioloop';
    const loop = new IOLoop();
    loop.addHandler(process.stdin, (stdin, events) => {
      const buffer = Buffer.alloc(100);
      const count = readSync(0, buffer);
      console.log(stdin === process.stdin, events & IOLoop.READ, buffer.toString('utf8', 0, count));
      loop.stop();
    }, IOLoop.READ);
    console.log('ready');
    await loop.start();
    process.exit();
  `);
  await child.wrote('ready');
  child.process.stdin?.write('hello');
  const { code, stdout, stderr } = await child.ended;
  t.is(stderr, '');
  t.is(stdout, 'ready\ntrue 1 hello\n');
  t.is(code, 0);
});

test('a Unix socket pair carries both ways', (t) =>
  withLoop(async (loop) => {
    const [left, right] = Socket.pair();
    const heard: string[] = [];
    const listen = (socket: Socket, name: string, answer?: string): void => {
      loop.addHandler(
        socket,
        () => {
          const data = socket.recv(100);
          if (data === null) return;
          heard.push(`${name} ${data.toString()}`);
          if (answer === undefined) loop.stop();
          else socket.send(answer);
        },
        READ,
      );
    };
    listen(left, 'left');
    listen(right, 'right', 'pong');
    left.send('ping');
    await loop.start();
    t.deepEqual(heard, ['right ping', 'left pong']);
    closeAll(left, right);
  }));

/** Programs that connect to a port, send what they read from stdin, and print what comes back. */
const CLIENTS: Readonly<Record<string, (port: number) => readonly string[]>> = {
  nc: (port) => ['-N', '127.0.0.1', `${port}`],
  // By default it waits half a second for the answer to what it has ended: too little on a busy machine.
  socat: (port) => ['-t', '30', '-', `TCP:127.0.0.1:${port}`],
  python3: (port) => [
    '-c',
    `import socket, sys
s = socket.create_connection(('127.0.0.1', ${port}))
s.sendall(sys.stdin.buffer.read())
s.shutdown(socket.SHUT_WR)
while data := s.recv(4096): sys.stdout.buffer.write(data)`,
  ],
};

for (const [program, args] of Object.entries(CLIENTS)) {
  testWith(program)(`a listening socket serves ${program}`, (t) =>
    withLoop(async (loop) => {
      const listener = Socket.tcp();
      listener.bind({ host: '127.0.0.1', port: 0 });
      listener.listen();
      loop.addHandler(
        listener,
        () => {
          for (let next; (next = listener.accept()) !== null;) echo(loop, next);
        },
        READ,
      );
      const { port } = listener.localAddress as Extract<Address, { port: number }>;
      const client = spawn(program, args(port), { stdio: ['pipe', 'pipe', 'inherit'] });
      const data = 'line\n'.repeat(10_000);
      let answer = '';
      client.stdout.setEncoding('utf8').on('data', (text: string) => {
        answer += text;
      });
      client.once('close', () => loop.stop());
      client.stdin.end(data);
      await loop.start();
      t.is(answer.length, data.length);
      t.true(answer === data);
      listener.close();
    }),
  );
}

/** Sends back what comes, to the end. */
function echo(loop: IOLoop, [socket]: [Socket, Address]): void {
  const backlog: Buffer[] = [];
  const handler = (): void => {
    while (backlog.length > 0) {
      const [first] = backlog as [Buffer];
      const count = socket.send(first);
      if (count === null) break;
      if (count === first.length) backlog.shift();
      else backlog[0] = first.subarray(count);
    }
    loop.updateHandler(socket, backlog.length > 0 ? IOLoop.WRITE : READ);
    if (backlog.length > 0) return;
    const data = socket.recv(65_536);
    if (data === null) return;
    if (data.length > 0) backlog.push(data);
    else {
      loop.removeHandler(socket);
      socket.close();
      return;
    }
    loop.updateHandler(socket, IOLoop.WRITE);
  };
  loop.addHandler(socket, handler, READ);
}
