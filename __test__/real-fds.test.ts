/** Descriptors of every kind in the loop: FIFOs, terminals, eventfds, timerfds, inotify, UDP. */
import { closeSync, constants, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import test from 'ava';
import { IOLoop } from 'ioloop';
import { testWith } from './helpers/conditions.js';
import { drain } from './helpers/fds.js';
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
