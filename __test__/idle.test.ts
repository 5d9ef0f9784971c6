/** A running loop that has nothing to do makes no system call and wakes no thread. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild, type Child } from './helpers/child.js';
import { testIf, testWith } from './helpers/conditions.js';
import { HAS_PROC } from './helpers/fds.js';

/** How long nothing must happen, in milliseconds. */
const WINDOW = 300;

/** A loop with a handler and a far timeout; it says when it idles, and ends with its input. */
const IDLE = `
  import { writeSync } from 'node:fs';
  import { IOLoop, Socket } from 'ioloop';
  const loop = new IOLoop();
  const [readable] = Socket.pair();
  loop.addHandler(readable, () => {}, IOLoop.READ);
  loop.addHandler(process.stdin, () => { writeSync(1, 'end of idling'); process.exit(); }, IOLoop.READ);
  loop.callLater(3600, () => {});
  void loop.start();
  // After the turns of the start, and the work of Node when it has just started.
  let turns = 0;
  const settle = () => {
    turns += 1;
    if (turns < 10) setTimeout(settle, 10);
    else writeSync(1, 'begin of idling');
  };
  settle();
`;

async function idle(child: Child): Promise<void> {
  await child.wrote('begin of idling');
  await new Promise((resolve) => {
    setTimeout(resolve, WINDOW);
  });
}

testWith('strace')('an idle running loop makes no system call', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
  const trace = join(folder, 'trace');
  try {
    // Every thread, but without what V8's own do to sleep and to give memory back.
    const calls = 'trace=!futex,madvise,munmap,mprotect,sched_yield,restart_syscall';
    const through = ['strace', '-f', '-ttt', '-qq', '-e', calls, '-e', 'signal=none', '-o', trace];
    const child = startChild(IDLE, { through });
    await idle(child);
    child.process.stdin?.end('end');
    await child.ended;
    const lines = readFileSync(trace, 'utf8').split('\n');
    const begin = lines.find((line) => line.includes('begin of idling')) ?? '';
    const end = lines.find((line) => line.includes('end of idling')) ?? '';
    t.true(timeOf(end) - timeOf(begin) >= WINDOW, `${begin}\n${end}`);
    const from = timeOf(begin) + FALLING_ASLEEP;
    const to = timeOf(begin) + WINDOW;
    const meanwhile = lines.filter((line) => timeOf(line) > from && timeOf(line) < to);
    t.deepEqual(meanwhile, []);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

/** What Node does to fall asleep takes microseconds, of milliseconds on a busy machine. */
const FALLING_ASLEEP = 100;

/** When a call was made, or went on, in milliseconds: the second column of `strace -f -ttt`. */
function timeOf(line: string): number {
  return Number(line.split(/\s+/)[1]) * 1e3;
}

testIf(HAS_PROC, '/proc')(
  'an idle running loop wakes neither its thread nor another',
  async (t) => {
    const child = startChild(IDLE);
    await child.wrote('begin of idling');
    const before = wakeUps(child.process.pid as number);
    await idle(child);
    const after = wakeUps(child.process.pid as number);
    child.process.stdin?.end('end');
    await child.ended;
    t.true(after - before <= 2, `${after - before} wake-ups`);
  },
);

/** How often the main thread and the driver's went to sleep by themselves. */
function wakeUps(pid: number): number {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const status = readFileSync(`/proc/${pid}/task/${task}/status`, 'utf8');
    const isOurs = task === String(pid) || /^Name:\s*ioloop/m.test(status);
    const [, count = '0'] = /^voluntary_ctxt_switches:\s*(\d+)/m.exec(status) ?? [];
    if (isOurs) sum += Number(count);
  }
  return sum;
}
