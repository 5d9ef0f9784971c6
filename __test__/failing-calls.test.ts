/**
 * System calls of the loop that fail, injected by strace: timeouts, handlers and streams are all
 * served, and the failure is reported, but not by the thousand.
 */
import test, { type ExecutionContext } from 'ava';
import { runChild } from './helpers/child.js';
import { testWith } from './helpers/fds.js';

/** Timeouts, a handler and a stream that echoes, beside each other; gives what was served. */
const WORK = `
  import { IOLoop, IOStream, Socket } from 'ioloop';
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  let readings = 0;
  const timeFunc = () => {
    readings += 1;
    return performance.now() / 1e3;
  };
  const counts = process.argv.includes('no-sources');
  const loop = counts ? new IOLoop({ timeFunc }) : IOLoop.current();
  const served = { timeouts: 0, handled: 0, echoed: 0, callbacks: 0, reports: [] };
  loop.handleCallbackException = (_, error) => served.reports.push(error.code);
  const until = async (done) => {
    const end = performance.now() + 15_000;
    while (!done() && performance.now() < end) await sleep(5);
  };
  await loop.runSync(async () => {
    const [mine, peer] = Socket.pair();
    // The set is readable all the while.
    if (counts) peer.send('x');
    loop.addHandler(mine, () => { if (mine.recv(1) !== null) served.handled += 1; }, IOLoop.READ);
    const [left, right] = Socket.pair().map((socket) => new IOStream(socket));
    const echo = async () => {
      for (;;) await right.write(await right.readBytes(16, { partial: true }));
    };
    echo().catch(() => {});
    for (let count = 0; count < 100; count += 1) {
      loop.callLater(0.005 * count, () => (served.timeouts += 1));
    }
    const streamWorks = !counts;
    for (let count = 0; count < 30; count += 1) {
      loop.addCallback(() => (served.callbacks += 1));
      if (streamWorks) {
        peer.send('x');
        await left.write('hello');
        if (String(await left.readBytes(5)) === 'hello') served.echoed += 1;
      }
      await sleep(10);
    }
    await until(() => served.timeouts === 100 && (!streamWorks || served.handled === 30));
  });
  if (counts) served.readings = readings;
  console.log(JSON.stringify(served));
  process.exit(0);
`;

interface Served {
  readonly timeouts: number;
  readonly handled: number;
  readonly echoed: number;
  readonly callbacks: number;
  readonly reports: readonly string[];
  /** Of the clock: a few for each turn. */
  readonly readings?: number;
}

async function run(t: ExecutionContext, inject: string, ...args: string[]): Promise<Served> {
  const through = ['strace', '-f', '-o', '/dev/null', '-e', `inject=${inject}`];
  const result = await runChild(WORK, { through, args });
  t.is(result.code, 0, result.stderr);
  return JSON.parse(result.stdout) as Served;
}

/** Calls of the loop alone: Node's own are epoll_pwait(2), and none of these. */
const PASSING: readonly [string, string][] = [
  ['epoll_wait(2) fails now and then', 'epoll_wait:error=ENOMEM:when=5+3'],
  ['epoll_wait(2) is interrupted', 'epoll_wait:error=EINTR:when=3+2'],
  ['the alarm cannot be set now and then', 'timerfd_settime:error=EINVAL:when=2+2'],
  ['the alarm cannot be set ever', 'timerfd_settime:error=EINVAL:when=1+'],
  ['poll(2) fails now and then', 'poll:error=ENOMEM:when=1+2'],
  ['poll(2) is interrupted', 'poll:error=EINTR:when=1+2'],
  ['a registration cannot be verified', 'epoll_ctl:error=ENOMEM:when=80+3'],
];

for (const [title, inject] of PASSING) {
  testWith('strace')(`everything is served when ${title}`, async (t) => {
    const { reports, ...served } = await run(t, inject);
    t.deepEqual(served, { timeouts: 100, handled: 30, echoed: 30, callbacks: 30 });
    // The first, and as many as seconds may have gone by.
    t.true(reports.length <= 5, reports.join());
    t.true(reports.every((code) => code === 'ENOMEM'));
  });
}

testWith('strace')(
  'a set that cannot be asked ever is reported a few times, without a storm of turns; timeouts and callbacks go on',
  async (t) => {
    const inject = 'epoll_wait:error=ENOMEM:when=3+';
    const served = await run(t, inject, 'no-sources');
    const { timeouts, callbacks, reports, readings = Infinity } = served;
    t.true(readings < 1_500, `${readings} readings of the clock: the loop spins`);
    t.is(timeouts, 100);
    t.is(callbacks, 30);
    t.true(reports.length >= 1 && reports.length <= 5, reports.join());
  },
);

testWith('strace')(
  'an alarm that cannot be made fails new IOLoop(), and nothing is left open',
  async (t) => {
    const inject = 'inject=timerfd_create:error=ENFILE:when=2+3';
    const result = await runChild(
      `import { IOLoop } from 'ioloop';
     import { readdirSync } from 'node:fs';
     const count = () => readdirSync('/proc/self/fd').length;
     const codes = [];
     const before = count();
     for (let round = 0; round < 12; round += 1) {
       try {
         new IOLoop({ makeCurrent: false }).close();
         codes.push('made');
       } catch (error) {
         codes.push(error.code);
       }
     }
     console.log(JSON.stringify([codes, count() - before]));
     process.exit(0);`,
      {
        through: ['strace', '-f', '-o', '/dev/null', '-e', inject],
      },
    );
    const [codes, lost] = JSON.parse(result.stdout) as [string[], number];
    t.deepEqual([...new Set(codes)].toSorted(), ['ENFILE', 'made']);
    t.is(lost, 0);
  },
);

test('the workload is served without a failure', async (t) => {
  const result = await runChild(WORK);
  const { reports, ...served } = JSON.parse(result.stdout) as Served;
  t.deepEqual(served, { timeouts: 100, handled: 30, echoed: 30, callbacks: 30 });
  t.deepEqual(reports, []);
});
