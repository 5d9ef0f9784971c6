/** Loops in a process that has no descriptor left, or whose limit is lowered while they run. */
import type { ExecutionContext } from 'ava';
import { runChild } from './helpers/child.js';
import { testOn, testWith } from './helpers/conditions.js';

/** For child programs: a limit of open files, and all of them taken but a few. */
const SCARCE = `
  import { closeSync, openSync, readdirSync } from 'node:fs';
  import { execFileSync, spawn } from 'node:child_process';
  import { once } from 'node:events';
  import { IOLoop, IOStream, Socket } from 'ioloop';
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  const until = async (done) => {
    const end = performance.now() + 10_000;
    while (!done() && performance.now() < end) await sleep(5);
    return done();
  };
  const limit = (count) => execFileSync('prlimit', ['--pid', process.pid, '--nofile=' + count + ':']);
  const held = [];
  const leave = (free) => {
    try {
      for (;;) held.push(openSync('/dev/null'));
    } catch {}
    for (let count = 0; count < free; count += 1) closeSync(held.pop());
  };
  const release = () => {
    for (const fd of held.splice(0)) closeSync(fd);
  };
  const open = () => readdirSync('/proc/self/fd').length;
  const reports = [];
  IOLoop.prototype.handleCallbackException = (_, error) => reports.push(error.code ?? String(error));
`;

async function run(t: ExecutionContext, body: string, driver?: string): Promise<unknown> {
  const env = driver === undefined ? {} : { IOLOOP_DRIVER: driver };
  const source = `${SCARCE}\n${body}\nprocess.exit(0);`;
  const result = await runChild(source, { env, timeout: 60_000 });
  t.is(result.code, 0, result.stderr);
  return JSON.parse(result.stdout);
}

/** epoll and its alarm are descriptors. Over poll(2) a loop has none. */
testOn('epoll', 'prlimit')('new IOLoop() fails with EMFILE, and leaves nothing open', async (t) => {
  const seen = await run(
    t,
    `
      new IOLoop({ makeCurrent: false }).close();
      limit(100);
      const before = open();
      const errors = new Set();
      for (let round = 0; round < 30; round += 1) {
        leave(round % 2);
        try {
          new IOLoop({ makeCurrent: false });
          errors.add('made');
        } catch ({ code, syscall, errno, message }) {
          errors.add([code, syscall, errno, message.includes('ulimit -n')].join());
        }
        release();
      }
      leave(2);
      new IOLoop({ makeCurrent: false }).close();
      release();
      console.log(JSON.stringify([[...errors], open() - before]));
    `,
  );
  t.deepEqual(seen, [['EMFILE,new IOLoop,-24,true'], 0]);
});

testWith('prlimit')(
  'start() of the thread driver rejects with EMFILE, and can be tried again',
  async (t) => {
    const seen = await run(
      t,
      `
      const loop = new IOLoop();
      limit(100);
      const codes = [];
      const before = open();
      for (let round = 0; round < 12; round += 1) {
        // It takes two: a pipe that ends the wait of the thread.
        leave(round % 2);
        codes.push(await loop.start().catch(({ code, syscall }) => [code, syscall].join()));
        codes.push(loop.running);
        release();
      }
      const lost = open() - before;
      loop.addCallback(() => loop.stop());
      await loop.start();
      loop.close();
      console.log(JSON.stringify([[...new Set(codes)], lost]));
    `,
      'thread',
    );
    t.deepEqual(seen, [['EMFILE,start', false], 0]);
  },
);

testWith('prlimit')(
  'a set that cannot be replaced for want of descriptors serves on, and is replaced later',
  async (t) => {
    const seen = await run(
      t,
      `
        const loop = IOLoop.current();
        const [socket, peer] = Socket.pair();
        const holder = spawn('sleep', ['30'], { stdio: ['ignore', 'ignore', 'ignore', socket.fd] });
        await once(holder, 'spawn');
        const served = [];
        await loop.runSync(async () => {
          loop.addHandler(socket.fd, () => {}, IOLoop.READ);
          // By its number: the set goes on with the copy of the child.
          closeSync(socket.fd);
          const [mine, its] = Socket.pair();
          let calls = 0;
          loop.addHandler(mine, () => { if (mine.recv(10) !== null) calls += 1; }, IOLoop.READ);
          limit(100);
          for (const free of [0, 1, 2, 3, 4, 5, 6]) {
            leave(free);
            // Each is a report of a registration that is gone.
            for (let count = 0; count < 40; count += 1) {
              peer.send('x');
              await sleep(1);
            }
            let fired = false;
            calls = 0;
            its.send('x');
            loop.callLater(0.01, () => (fired = true));
            served.push(await until(() => calls === 1 && fired));
            release();
          }
          holder.kill();
        });
        const isReplaced = loop.backend !== 'epoll' || loop.metrics().rebuilds > 0;
        console.log(JSON.stringify([served, isReplaced, reports]));
      `,
    );
    t.deepEqual(seen, [Array.from({ length: 7 }, () => true), true, []]);
  },
);

for (const limit of [0, 1, 2, 30]) {
  testWith('prlimit')(
    `a limit lowered to ${limit} stops no handler and loses no timeout`,
    async (t) => {
      const seen = await run(
        t,
        `
        const loop = IOLoop.current();
        const called = new Set();
        let fired = 0;
        let echoed = 0;
        await loop.runSync(async () => {
          const pairs = Array.from({ length: 60 }, () => Socket.pair());
          const [left, right] = Socket.pair().map((socket) => new IOStream(socket));
          // Never read: level-triggered, each is called in every turn.
          pairs.forEach(([mine, peer], at) => {
            peer.send('x');
            loop.addHandler(mine, () => called.add(at), IOLoop.READ);
          });
          await until(() => called.size === 60);
          limit(${limit});
          called.clear();
          for (let count = 0; count < 20; count += 1) loop.callLater(0.01 * count, () => (fired += 1));
          for (; echoed < 20; echoed += 1) {
            await left.write('hello');
            await right.readBytes(5);
          }
          await until(() => fired === 20 && called.size === 60);
        });
        console.log(JSON.stringify([called.size, fired, echoed, reports]));
      `,
      );
      t.deepEqual(seen, [60, 20, 20, []]);
    },
  );
}

testWith('prlimit')(
  'a loop that sleeps below a limit of 0 is woken, and does not spin',
  async (t) => {
    const seen = (await run(
      t,
      `
      const loop = IOLoop.current();
      let cpu = 0;
      let calls = 0;
      await loop.runSync(async () => {
        const [mine, peer] = Socket.pair();
        loop.addHandler(mine, () => { if (mine.recv(1) !== null) calls += 1; }, IOLoop.READ);
        limit(0);
        // A thread that waited in a system call since before the limit waits anew.
        peer.send('x');
        await until(() => calls === 1);
        const before = process.cpuUsage();
        await sleep(500);
        const { user, system } = process.cpuUsage(before);
        cpu = (user + system) / 1e3;
        peer.send('x');
        await until(() => calls === 2);
      });
      console.log(JSON.stringify([calls, cpu]));
    `,
    )) as [number, number];
    t.is(seen[0], 2);
    t.true(seen[1] < 200, `${seen[1]} ms of 500`);
  },
);
