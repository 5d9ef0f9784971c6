/**
 * A read that gives less than it was asked for has not emptied every kind of descriptor. Each case
 * has more waiting in the kernel than one read gives, and nothing that arrives afterwards.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { bindUnixSocket, IOLoop, IOStream, Socket } from 'ioloop';
import { testWith } from './helpers/conditions.js';
import { until } from './helpers/fds.js';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { pythonOpens } from './helpers/special-fds.js';

const python = testWith('python3');

/** Reads with a stream, or by a handler that calls `recv` once for each call. */
type Reader = (socket: Socket, expected: string, loop: ReportingLoop) => Promise<string>;

const READERS: Record<string, Reader> = {
  stream: async (socket, expected, loop) => {
    const stream = new IOStream(socket, { loop });
    const bytes = await stream.readBytes(expected.length, { timeout: 5 });
    stream.close();
    return bytes.toString();
  },
  'small reads of a stream': async (socket, expected, loop) => {
    const stream = new IOStream(socket, { loop, readChunkSize: 2 });
    let text = '';
    while (text.length < expected.length) {
      text += String(await stream.readBytes(100, { partial: true, timeout: 5 }));
    }
    stream.close();
    return text;
  },
  handler: (socket, expected, loop) => throughHandler(socket, socket, expected, loop),
  'handler by number': (socket, expected, loop) =>
    throughHandler(socket.fd, socket, expected, loop),
};

function throughHandler(
  source: Socket | number,
  socket: Socket,
  expected: string,
  loop: ReportingLoop,
): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    const late = loop.callLater(5, () => reject(new Error(`only ${JSON.stringify(text)}`)));
    loop.addHandler(
      source,
      () => {
        text += String(socket.recv(1024) ?? '');
        if (text.length < expected.length) return;
        loop.removeTimeout(late);
        loop.removeHandler(source);
        socket.close();
        resolve(text);
      },
      IOLoop.READ,
    );
  });
}

/** A connection from a Python program, which has sent everything when it prints a line. */
async function connection(listener: Socket, script: string): Promise<[Socket, () => void]> {
  const peer = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let sent = false;
  peer.stdout.once('data', () => {
    sent = true;
  });
  let accepted: Socket | undefined;
  await until(() => {
    accepted ??= listener.accept()?.[0];
    return sent && accepted !== undefined;
  }, 'a connection');
  return [accepted as Socket, () => peer.kill()];
}

const URGENT = (port: number): string => `
import socket, time
s = socket.create_connection(('127.0.0.1', ${port}))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
s.send(b'abc'); s.send(b'!', socket.MSG_OOB); s.send(b'def'); s.send(b'!', socket.MSG_OOB)
s.send(b'ghi\\n')
print('sent', flush=True); time.sleep(30)
`;

const DESCRIPTORS = (path: string): string => `
import array, socket, time
s = socket.socket(socket.AF_UNIX); s.connect(${JSON.stringify(path)})
fd = array.array('i', [0])
for text in (b'abc', b'!de', b'f!g'): s.sendmsg([text], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fd)])
s.send(b'hi\\n')
print('sent', flush=True); time.sleep(30)
`;

for (const [name, read] of Object.entries(READERS)) {
  python(`${name}: bytes after an urgent mark of TCP`, (t) =>
    onLoop(async (loop) => {
      const listener = Socket.tcp();
      listener.bind({ host: '127.0.0.1', port: 0 });
      listener.listen();
      const { port } = listener.localAddress as { port: number };
      const [socket, end] = await connection(listener, URGENT(port));
      listener.close();
      try {
        // A second urgent byte makes the first an ordinary one, as RFC 6093 says.
        t.regex(await read(socket, 'abc!defghi\n', loop), /^abc!?def!?ghi\n$/);
      } finally {
        end();
      }
    }),
  );

  python(`${name}: messages with descriptors on a Unix socket`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
    const path = join(folder, 'socket');
    const listener = bindUnixSocket(path);
    try {
      await onLoop(async (loop) => {
        const [socket, end] = await connection(listener, DESCRIPTORS(path));
        try {
          t.is(await read(socket, 'abc!def!ghi\n', loop), 'abc!def!ghi\n');
        } finally {
          end();
        }
      });
    } finally {
      listener.close();
      rmSync(folder, { recursive: true });
    }
  });
}

/** Reads everything that `script` has prepared on its descriptor, whose number is the argument. */
async function fileGives(t: ExecutionContext, script: string, body: string): Promise<string> {
  const source = `
    await loop.runSync(async () => {
      const stream = IOStream.fromFd(Number(args[0]), { loop, ...options });
      const limit = { timeout: 5 };
      ${body}
    }, { timeout: 20 });
  `;
  const results = new Set<string>();
  for (const options of [
    '{}',
    '{ readChunkSize: 1 }',
    '{ readChunkSize: 8, maxBufferSize: 100 }',
  ]) {
    results.add(await pythonOpens(t, script, `const options = ${options};${source}`));
  }
  t.is(results.size, 1);
  return [...results][0] as string;
}

python('a terminal in canonical mode: lines that were typed ahead', async (t) => {
  const output = await fileGives(
    t,
    `import pty, time
master, slave = os.openpty()
os.write(master, b'one\\ntwo\\nthree\\n')
fds += [slave, master]`,
    `for (let line = 0; line < 3; line += 1) {
      process.stdout.write(String(await stream.readUntil('\\n', limit)));
    }`,
  );
  t.is(output, 'one\ntwo\nthree\n');
});

python('a pipe in packet mode: every packet whole', async (t) => {
  const output = await fileGives(
    t,
    `reader, writer = os.pipe2(os.O_DIRECT)
for text in (b'a' * 10, b'b' * 4096, b'c\\n'): os.write(writer, text)
fds += [reader, writer]`,
    `let text = '';
    while (!text.endsWith('\\n')) text += await stream.readBytes(64, { partial: true, ...limit });
    console.log(text.length);`,
  );
  t.is(output, '4108\n');
});

python('inotify: the whole queue, in whole records', async (t) => {
  const output = await fileGives(
    t,
    `import tempfile, shutil
folder = tempfile.mkdtemp()
fd = libc.inotify_init1(os.O_NONBLOCK)
libc.inotify_add_watch(fd, folder.encode(), 0x100)
for n in range(300): os.mkdir(folder + '/some-file-name-%05d' % n)
shutil.rmtree(folder)
fds.append(fd)`,
    `let records = 0;
    while (records < 300) {
      const head = await stream.readBytes(16, limit);
      await stream.readBytes(head.readUInt32LE(12), limit);
      records += 1;
    }
    console.log(records, head);`.replace(', head', ''),
  );
  t.is(output, '300\n');
});

python('a semaphore of eventfd: one for each read', async (t) => {
  const output = await fileGives(
    t,
    `fds.append(libc.eventfd(3, 1 | os.O_NONBLOCK))`,
    `for (let n = 0; n < 3; n += 1) {
      process.stdout.write(String((await stream.readBytes(8, limit)).readBigUInt64LE()));
    }
    const more = stream.readBytes(8, { timeout: 0.1 });
    console.log(await more.catch((error) => error.code));`,
  );
  t.is(output, '111ERR_IOLOOP_TIMEOUT\n');
});

python('an eventfd is read in pieces that are smaller than its record', async (t) => {
  const output = await fileGives(
    t,
    `fds.append(libc.eventfd(3, 1 | os.O_NONBLOCK))`,
    `for (let n = 0; n < 3; n += 1) {
      const bytes = new Uint8Array(8);
      for (const at of [0, 2, 4, 6]) await stream.readInto(bytes.subarray(at, at + 2), limit);
      process.stdout.write(bytes.join(''));
    }`,
  );
  t.is(output, '10000000'.repeat(3));
});

python('sockets with messages are refused, and stay open', async (t) => {
  const output = await pythonOpens(
    t,
    `keep = [socket.socketpair(socket.AF_UNIX, kind)[0] for kind in (socket.SOCK_SEQPACKET, socket.SOCK_DGRAM)]
keep.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
fds += [s.fileno() for s in keep]`,
    `for (const fd of args.map(Number)) {
      const codes = [() => IOStream.fromFd(fd, { loop }), () => new IOStream(Socket.fromFd(fd), { loop })].map((make) => {
        try { make(); } catch (error) { return error.code; }
      });
      console.log(...codes, Socket.fromFd(fd).localAddress !== null);
    }
    await loop[Symbol.asyncDispose]();`,
  );
  t.is(output, 'ERR_IOLOOP_UNSUPPORTED ERR_IOLOOP_UNSUPPORTED true\n'.repeat(3));
});
