/**
 * System calls of the loop that fail, injected by strace: timeouts, handlers and streams are all
 * served, and the failure is reported, but not by the thousand.
 */
import test, { type ExecutionContext } from 'ava';
import { native } from '#internal';
import { runChild } from './helpers/child.js';
import { failing, runFailing, served, type Fault } from './helpers/faults.js';
import { testOn, testWith } from './helpers/conditions.js';

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
        // The handler leaves the second byte: the source is checked again in the next turn.
        peer.send('xx');
        await left.write('hello');
        if (String(await left.readBytes(5)) === 'hello') served.echoed += 1;
      }
      await sleep(10);
    }
    await until(() => served.timeouts === 100 && (!streamWorks || served.handled === 60));
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

async function run(t: ExecutionContext, fault: Fault, ...args: string[]): Promise<Served> {
  return served(t, await runFailing(WORK, fault, { args })) as Served;
}

const EVERYTHING = { timeouts: 100, handled: 60, echoed: 30, callbacks: 30 };

/**
 * Node itself calls epoll_pwait(2). libuv aborts if its own epoll_ctl(2) fails: those calls are among
 * the first twelve, and three after each report.
 */
const OF_EPOLL: readonly [string, Fault][] = [
  ['epoll_wait(2) fails now and then', failing('epoll_wait', 'ENOMEM', '5+3')],
  ['epoll_wait(2) is interrupted', failing('epoll_wait', 'EINTR', '3+2')],
  ['the alarm cannot be set now and then', failing('timerfd_settime', 'EINVAL', '2+2')],
  ['the alarm cannot be set ever', failing('timerfd_settime', 'EINVAL', '1+')],
  ['ppoll(2) fails now and then', failing('ppoll', 'ENOMEM', '1+2')],
  ['ppoll(2) is interrupted', failing('ppoll', 'EINTR', '1+2')],
  ['a registration cannot be verified', failing('epoll_ctl', 'ENOMEM', '20..32+12')],
];

/** The driver's thread makes the same call. */
const OF_POLL: readonly [string, Fault][] = [
  ['ppoll(2) fails now and then', failing('ppoll', 'ENOMEM', '5+3')],
  ['ppoll(2) is interrupted', failing('ppoll', 'EINTR', '3+2')],
];

const isEpoll = native.backend() === 'epoll';
const PASSING = isEpoll ? OF_EPOLL : OF_POLL;
/** The call by which a turn asks the kernel. */
const ASK = isEpoll ? 'epoll_wait' : 'ppoll';

for (const [title, fault] of PASSING) {
  testWith('strace')(`everything is served when ${title}`, async (t) => {
    const { reports, ...counts } = await run(t, fault);
    t.deepEqual(counts, EVERYTHING);
    // The first, and as many as seconds may have gone by.
    t.true(reports.length <= 5, reports.join());
    t.true(reports.every((code) => code === 'ENOMEM'));
  });
}

testWith('strace')(
  'a set that cannot be asked ever is reported a few times, without a storm of turns; timeouts and callbacks go on',
  async (t) => {
    const fault = failing(ASK, 'ENOMEM', '3+');
    const { timeouts, callbacks, reports, readings = Infinity } = await run(t, fault, 'no-sources');
    t.true(readings < 1_500, `${readings} readings of the clock: the loop spins`);
    t.is(timeouts, 100);
    t.is(callbacks, 30);
    t.true(reports.length >= 1 && reports.length <= 5, reports.join());
  },
);

/** The report of the turn in which a timeout is due cancels it, and adds one for much later. */
const REPLACING = `
  import { IOLoop } from 'ioloop';
  const log = [];
  const loop = new IOLoop();
  loop.handleCallbackException = (_, error) => {
    log.push(error.code);
    loop.removeTimeout(first);
    loop.callLater(1000, () => log.push('early'));
  };
  const first = loop.callAt(0, () => log.push('cancelled'));
  loop.callLater(0.5, () => loop.stop());
  await loop.start();
  console.log(JSON.stringify(log));
  process.exit(0);
`;

testWith('strace')(
  'a timeout that the report of a failed turn adds is not due in it',
  async (t) => {
    // The first call is that of new IOLoop(), the second that of the first turn, in which it is due.
    const result = await runFailing(REPLACING, failing(ASK, 'ENOMEM', '2'));
    t.deepEqual(served(t, result), ['ENOMEM']);
  },
);

/** Makes loops; prints the codes of those that could not be made, and the descriptors that are lost. */
const MAKING = `
  import { IOLoop } from 'ioloop';
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
  process.exit(0);
`;

testOn('epoll', 'strace')(
  'an alarm that cannot be made fails new IOLoop(), and nothing is left open',
  async (t) => {
    const result = await runFailing(MAKING, failing('timerfd_create', 'ENFILE', '2+3'));
    const [codes, lost] = served(t, result) as [string[], number];
    t.deepEqual([...new Set(codes)].toSorted(), ['ENFILE', 'made']);
    t.is(lost, 0);
  },
);

test('the workload is served without a failure', async (t) => {
  const result = await runChild(WORK);
  const { reports, ...counts } = JSON.parse(result.stdout) as Served;
  t.deepEqual(counts, EVERYTHING);
  t.deepEqual(reports, []);
});
