/** `IOLoop.PRI`: exceptional conditions, with TCP urgent data, which Linux reports by `EPOLLPRI`. */
import { spawn } from 'node:child_process';
import { IOLoop, Socket } from 'ioloop';
import { testWith } from './helpers/conditions.js';
import { until } from './helpers/fds.js';
import { onLoop, type ReportingLoop, runTurns, withLoop } from './helpers/loop.js';

type Body = (socket: Socket, send: (text: string) => void, loop: ReportingLoop) => Promise<void>;

/** A connection to a program that sends each line of its input: urgent if it begins with "!". */
async function withPeer(body: Body): Promise<void> {
  const listener = Socket.tcp();
  listener.bind({ host: '127.0.0.1', port: 0 });
  listener.listen();
  const { port } = listener.localAddress as { port: number };
  const source = `
import socket, sys
s = socket.create_connection(('127.0.0.1', ${port}))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for line in sys.stdin: s.send(line.strip().encode(), socket.MSG_OOB if line[0] == '!' else 0)
`;
  const peer = spawn('python3', ['-c', source], { stdio: ['pipe', 'inherit', 'inherit'] });
  try {
    let accepted = listener.accept();
    await until(() => (accepted ??= listener.accept()) !== null, 'a connection');
    const [socket] = accepted as unknown as [Socket];
    await onLoop((loop) => body(socket, (text) => peer.stdin.write(`${text}\n`), loop));
    socket.close();
  } finally {
    listener.close();
    peer.kill();
  }
}

const linux = process.platform === 'linux' ? testWith('python3') : testWith('EPOLLPRI');

linux('PRI alone: urgent data is reported as 0x002, ordinary data is not', async (t) => {
  await withPeer(async (socket, send, loop) => {
    const events: number[] = [];
    loop.addHandler(socket, (_, bits) => events.push(bits), IOLoop.PRI);
    send('ordinary');
    await until(() => socket.recv(100) !== null, 'data');
    t.deepEqual(events, []);
    send('!');
    await until(() => events.length > 0, 'the report');
    t.is(events[0], 0x002);
    loop.removeHandler(socket);
  });
});

linux('PRI is level-triggered: reported in each turn until the condition has passed', async (t) => {
  await withPeer(async (socket, send, loop) => {
    let calls = 0;
    loop.addHandler(socket, () => (calls += 1), IOLoop.PRI);
    send('!');
    await until(() => calls >= 5, 'five reports');
    // Reading past the mark clears it.
    send('after');
    await until(() => socket.recv(100)?.toString() === 'after', 'data after the mark');
    await new Promise<void>((resolve) => {
      loop.addCallback(() => loop.addCallback(() => loop.addCallback(resolve)));
    });
    const before = calls;
    await new Promise<void>((resolve) => {
      loop.addCallback(() => loop.addCallback(() => loop.addCallback(resolve)));
    });
    t.is(calls, before);
    loop.removeHandler(socket);
  });
});

linux('READ alone is never called with 0x002', async (t) => {
  await withPeer(async (socket, send, loop) => {
    const events = new Set<number>();
    let text = '';
    loop.addHandler(
      socket,
      (_, bits) => {
        events.add(bits);
        text += String(socket.recv(100) ?? '');
      },
      IOLoop.READ,
    );
    send('before');
    send('!');
    send('after');
    await until(() => text === 'beforeafter', 'all of the data');
    t.deepEqual([...events], [IOLoop.READ]);
    loop.removeHandler(socket);
  });
});

linux('updateHandler changes to PRI and back', async (t) => {
  await withPeer(async (socket, send, loop) => {
    const events: number[] = [];
    loop.addHandler(
      socket,
      (_, bits) => {
        events.push(bits);
        loop.updateHandler(socket, IOLoop.NONE);
      },
      IOLoop.NONE,
    );
    send('x');
    send('!');
    await until(() => socket.recv(100) !== null, 'data');
    t.deepEqual(events, []);
    loop.updateHandler(socket, IOLoop.PRI);
    await until(() => events.length > 0, 'the report');
    t.deepEqual(events, [IOLoop.PRI]);
    loop.removeHandler(socket);
  });
});

testWith()('elsewhere PRI is refused', async (t) => {
  if (process.platform === 'linux' || process.platform === 'android') {
    t.is(IOLoop.PRI, 0x002);
    return;
  }
  await withLoop(async (loop) => {
    const [one, other] = Socket.pair();
    t.throws(() => loop.addHandler(one, () => {}, IOLoop.PRI), { code: 'ERR_IOLOOP_UNSUPPORTED' });
    await runTurns(loop);
    one.close();
    other.close();
  });
});
