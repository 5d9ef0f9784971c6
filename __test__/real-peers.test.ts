/** Processes as peers: children, standard input, and clients that everybody has. */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import test from 'ava';
import { IOLoop, Socket, type Address } from 'ioloop';
import { startChild } from './helpers/child.js';
import { testWith } from './helpers/conditions.js';
import { closeAll, drain, pipe } from './helpers/fds.js';
import { withLoop } from './helpers/loop.js';

const { READ } = IOLoop;

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
    // Node reads a child's output from the beginning, with or without a listener.
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
