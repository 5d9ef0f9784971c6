/** Sockets and streams between threads: races, ended threads, and descriptors that are left. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import test from 'ava';
import { descriptorOf } from '#internal';
import { IOStream, Socket, type DetachedToken } from 'ioloop';
import { serialIf } from './helpers/conditions.js';
import { HAS_PROC, isOpen, openFds, tcpPair, until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { caught, pair } from './helpers/sockets.js';

/** A worker that runs `source`, with `IOLoop`, `IOStream`, `Socket` and `parentPort`. */
function worker(source: string, workerData?: unknown): Worker {
  return new Worker(
    `import { once } from 'node:events';
     import { parentPort, workerData } from 'node:worker_threads';
     const { IOLoop, IOStream, Socket } = await import(${JSON.stringify(import.meta.resolve('ioloop'))});
     ${source}`,
    { eval: true, execArgv: ['--input-type=module'], workerData },
  );
}

async function message(thread: Worker): Promise<unknown> {
  const [value] = (await once(thread, 'message')) as unknown[];
  return value;
}

/** The sockets that are open, except those of Node. */
function openSockets(): number {
  return Array.from(openFds().values()).filter((link) => link.startsWith('socket:')).length;
}

/** Runs the steps that need a second, and a worker to do them. */
const FOREVER = 'setInterval(() => {}, 1_000);';

test.serial('a stream moves to a worker and back, with what was unread', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await tcpPair();
    const far = new IOStream(client, { loop });
    const near = new IOStream(server, { loop });
    const thread = worker(`
      const loop = new IOLoop();
      parentPort.on('message', async (token) => {
        const stream = IOStream.attach(token, { loop });
        await stream.write(['<', await stream.readUntil('.'), '>']);
        parentPort.postMessage(stream.detach());
      });
      await loop.start();
    `);
    await far.write('one.two.three.');
    t.is(String(await near.readUntil('.')), 'one.');
    thread.postMessage(near.detach(), []);
    const back = IOStream.attach((await message(thread)) as DetachedToken, { loop });
    t.is(back.readBufferSize, 6);
    t.is(String(await far.readBytes(6)), '<two.>');
    t.is(String(await back.readUntil('.')), 'three.');
    await thread.terminate();
    await back.write('still open');
    t.is(String(await far.readBytes(10)), 'still open');
    far.close();
    back.close();
  }),
);

test.serial('a token in workerData, and as an argument of a remote call', (t) =>
  onLoop(async (loop) => {
    const [[first, peer], [second, other]] = [Socket.pair(), Socket.pair()];
    loop.expose({
      adopt: async (token: DetachedToken) => {
        const stream = IOStream.attach(token, { loop });
        const read = String(await stream.readBytes(1));
        stream.close();
        return read;
      },
    });
    const thread = worker(
      `const remote = IOLoop.fromRemote(workerData.loop);
       const socket = Socket.attach(workerData.token);
       const [near, far] = Socket.pair();
       far.send('y');
       const read = await remote.call('adopt', near.detach());
       socket.send(read);
       socket.close();
       far.close();`,
      { loop: loop.remote(), token: first.detach() },
    );
    await once(thread, 'exit');
    t.is(String(peer.recv(10)), 'y');
    for (const socket of [peer, second, other]) socket.close();
  }),
);

test.serial('of several threads that attach a token at once, one gets the socket', async (t) => {
  const THREADS = 3;
  const ROUNDS = 60;
  const gate = new Int32Array(new SharedArrayBuffer(8));
  const threads = Array.from({ length: THREADS }, () =>
    worker(
      `const gate = workerData;
       parentPort.on('message', (tokens) => {
         const codes = [];
         for (let round = 0; round < tokens.length; round += 1) {
           // All threads begin each round together.
           Atomics.add(gate, 0, 1);
           while (Atomics.load(gate, 0) < ${THREADS} * (round + 1)) {}
           try {
             Socket.attach(tokens[round]).close();
             codes.push('');
           } catch (error) {
             codes.push(error.code);
           }
         }
         parentPort.postMessage(codes);
       });`,
      gate,
    ),
  );
  const peers: Socket[] = [];
  const tokens = Array.from({ length: ROUNDS }, () => {
    const [near, far] = Socket.pair();
    peers.push(far);
    return near.detach();
  });
  const results = Promise.all(threads.map(message));
  for (const thread of threads) thread.postMessage(tokens, []);
  const codes = (await results) as string[][];
  for (let round = 0; round < ROUNDS; round += 1) {
    const got = codes.map((each) => each[round]).toSorted();
    t.deepEqual(got, ['', ...Array<string>(THREADS - 1).fill('ERR_IOLOOP_ATTACHED')]);
    // Closed by the thread that has got it, and by no other.
    t.is(peers[round]?.recv(1)?.length, 0);
    peers[round]?.close();
  }
  await Promise.all(threads.map((thread) => thread.terminate()));
  t.is(Socket.detachedCount, 0);
});

test.serial('a worker that is terminated closes what it has detached', async (t) => {
  const [near, far] = Socket.pair();
  const [other, peer] = Socket.pair();
  const thread = worker(
    `const socket = Socket.attach(workerData[0]);
     const loop = new IOLoop();
     const stream = IOStream.attach(workerData[1], { loop });
     parentPort.postMessage([socket.detach(), stream.detach()]);
     ${FOREVER}`,
    [near.detach(), other.detach()],
  );
  const [token, streamToken] = (await message(thread)) as [
    DetachedToken<'socket'>,
    DetachedToken<'stream'>,
  ];
  t.is(far.recv(1), null, 'open as long as its thread');
  t.is(Socket.detachedCount, 2);
  await thread.terminate();
  t.is(Socket.detachedCount, 0);
  t.is(far.recv(1)?.length, 0);
  t.is(peer.recv(1)?.length, 0);
  t.is(caught(() => Socket.attach(token)).code, 'ERR_IOLOOP_SENDER_ENDED');
  t.is(caught(() => IOStream.attach(streamToken)).code, 'ERR_IOLOOP_SENDER_ENDED');
  far.close();
  peer.close();
});

test.serial('a worker that ends by itself, or by an error, does too', async (t) => {
  for (const end of ['', 'process.exit(1);', 'throw new Error("end");']) {
    const [near, far] = Socket.pair();
    const thread = worker(
      `parentPort.postMessage(Socket.attach(workerData).detach()); ${end}`,
      near.detach(),
    );
    thread.on('error', () => {});
    const tokens: DetachedToken<'socket'>[] = [];
    thread.on('message', (token: DetachedToken<'socket'>) => tokens.push(token));
    await new Promise((resolve) => {
      thread.once('exit', resolve);
    });
    for (const token of tokens) {
      t.is(caught(() => Socket.attach(token)).code, 'ERR_IOLOOP_SENDER_ENDED');
    }
    await until(() => far.recv(1) !== null, 'EOF');
    far.close();
    t.is(Socket.detachedCount, 0);
  }
});

test.serial(
  'what was attached stays when its sender ends, and goes with its receiver',
  async (t) => {
    const [near, far] = Socket.pair();
    const sender = worker(
      `parentPort.postMessage(Socket.attach(workerData).detach()); ${FOREVER}`,
      near.detach(),
    );
    const token = (await message(sender)) as DetachedToken<'socket'>;
    const receiver = worker(
      `const socket = Socket.attach(workerData); parentPort.postMessage(''); ${FOREVER}`,
      token,
    );
    await message(receiver);
    await sender.terminate();
    t.is(far.recv(1), null);
    t.is(caught(() => Socket.attach(token)).code, 'ERR_IOLOOP_ATTACHED');
    await receiver.terminate();
    t.is(far.recv(1)?.length, 0);
    far.close();
  },
);

test.serial(
  'a token that was sent to a thread that has ended comes back to its sender',
  async (t) => {
    const [near, far] = pair(t);
    const thread = worker(FOREVER);
    const token = near.detach();
    thread.postMessage(token, []);
    await thread.terminate();
    t.is(far.recv(1), null);
    const attached = Socket.attach(token);
    far.send('x');
    t.is(String(attached.recv(1)), 'x');
    attached.close();
  },
);

test.serial('a token that a thread has refused stays with its sender', async (t) => {
  const [near, far] = Socket.pair();
  const token = near.detach();
  const thread = worker(
    `const loop = new IOLoop();
     loop.close();
     const codes = [];
     const attempt = (options) => {
       try {
         IOStream.attach(workerData, options);
       } catch (error) {
         codes.push(error.code);
       }
     };
     attempt({ loop });
     attempt({ loop: new IOLoop({ makeCurrent: false }), maxBufferSize: 0 });
     parentPort.postMessage(codes);`,
    token,
  );
  const exit = once(thread, 'exit');
  t.deepEqual(await message(thread), ['ERR_IOLOOP_CLOSED', 'ERR_OUT_OF_RANGE']);
  await exit;
  // It was never taken: the sender has it.
  const attached = Socket.attach(token);
  attached.close();
  far.close();
});

test.serial(
  'workers that are terminated while they attach and detach: nothing is left',
  async (t) => {
    const WORKERS = 40;
    const SOCKETS = 8;
    const peers: Socket[] = [];
    for (let round = 0; round < WORKERS; round += 1) {
      const tokens = Array.from({ length: SOCKETS }, () => {
        const [near, far] = Socket.pair();
        peers.push(far);
        return near.detach();
      });
      const thread = worker(
        `const loop = new IOLoop();
       let tokens = workerData.map((token) => Socket.attach(token).detach());
       parentPort.postMessage('');
       for (;;) {
         tokens = tokens.map((token) => IOStream.attach(token, { loop }).detach());
         tokens = tokens.map((token) => {
           const stream = IOStream.attach(token, { loop });
           // Its number is read: it moves as a duplicate.
           stream.fileno();
           return stream.detach();
         });
       }`,
        tokens,
      );
      await message(thread);
      // In the middle of anything: how far it has come depends on the load of the machine.
      for (let turns = 0; turns < round; turns += 1) await new Promise(setImmediate);
      await thread.terminate();
    }
    t.is(Socket.detachedCount, 0);
    for (const peer of peers) {
      await until(() => peer.recv(1) !== null, 'EOF');
      peer.close();
    }
  },
);

serialIf(HAS_PROC, '/proc')('as many sockets are open as before', async (t) => {
  const before = openSockets();
  const [near, far] = Socket.pair();
  const number = descriptorOf(near)?.use() as number;
  const thread = worker(
    `const loop = new IOLoop();
     parentPort.on('message', (token) => {
       const stream = IOStream.attach(token, { loop });
       parentPort.postMessage(stream.detach());
     });`,
  );
  let token: DetachedToken = near.detach();
  for (let round = 0; round < 100; round += 1) {
    thread.postMessage(token, []);
    token = (await message(thread)) as DetachedToken;
    t.is(openSockets(), before + 2);
  }
  t.true(isOpen(number), 'the descriptor has moved as it is');
  await thread.terminate();
  await until(() => openSockets() === before + 1, 'the close');
  t.false(isOpen(number));
  far.close();
  t.is(openSockets(), before);
});
