// The cost of histograms and of the watchdog: instructions per turn, compiled JavaScript included,
// counted by valgrind. Unlike times, counts do not depend on the load of the machine. Instructions of
// the kernel are not counted: with them the shares would be smaller.
//
//   npm run bench:observe               a table: all against off; fails if a row costs 2 % or more
//   npm run bench:observe -- --each     the histograms and the watchdog separately as well
//   npm run bench:observe -- --quick    fewer turns
//   npm run bench:observe -- --only 50  one workload: empty, 1 or 50
//
// Only the thread of the loop is counted. The thread of the watchdog looks every 10 ms: its cost is one
// per second, not one per turn, and valgrind makes turns fifty times as long.
//
// After a warm-up there are several windows of the same number of turns, each counted by itself. The
// first one is left out: the pause before it is a path that V8 had not compiled. Of the others the median
// counts; the table also has the lowest and the highest. Garbage collections are counted, of which each
// window has several. Compilations are not: a long-running program has none, and a single one is as many
// instructions as thousands of turns. V8 has one thread and fixed seeds.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { Hint, root, script } from '../../scripts/lib/process.mjs';

const LIMIT = 0.02;
/** Of a run. */
const LIMIT_MS = 1_800_000;
const V8 = ['--predictable', '--hash-seed=1', '--random-seed=1'];
/** The entries of V8's compilers, of which none calls another. */
const COMPILER = /^cfn=v8::internal::Runtime_Compile/;
const program = fileURLToPath(new URL('../workloads/observed.mjs', import.meta.url));

/** Counted windows, after the one that is left out. */
const WINDOWS = 5;

/** The workloads, with the turns or rounds of the warm-up and of a window, also of a quick run. */
const WORKLOADS = [
  { name: 'an empty turn', workload: 'empty', amounts: [150_000, 30_000], quick: [60_000, 10_000] },
  { name: 'echo, 1 connection', workload: '1', amounts: [40_000, 5000], quick: [10_000, 2000] },
  { name: 'echo, 50 connections', workload: '50', amounts: [4000, 500], quick: [1000, 200] },
];

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    each: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
});

await script(async () => {
  if (spawnSync('valgrind', ['--version']).status !== 0) {
    throw new Hint('The counts need valgrind: install it (apt-get install valgrind).');
  }
  const modes = ['off', ...(values.each ? ['histograms', 'watchdog'] : []), 'all'];
  /** @type {string[]} */
  const costly = [];
  for (const { name, workload, amounts, quick } of WORKLOADS) {
    if (values.only !== undefined && values.only !== workload) continue;
    const chosen = values.quick ? quick : amounts;
    // Counts do not depend on what else runs: all modes at once.
    const counts = await Promise.all(modes.map((mode) => perTurn(workload, mode, chosen)));
    const off = median(counts[0] ?? []);
    for (const [index, mode] of modes.entries()) {
      const windows = counts[index] ?? [];
      const share = median(windows) / off - 1;
      show(name, mode, windows, mode === 'off' ? '' : `${(100 * share).toFixed(2)} %`);
      if (mode === 'all' && !(share < LIMIT)) costly.push(name);
    }
  }
  if (costly.length > 0) throw new Hint(`${100 * LIMIT} % or more: ${costly.join('; ')}.`);
});

/** @param {string} name @param {string} mode @param {number[]} windows @param {string} share */
function show(name, mode, windows, share) {
  const [count, low, high] = [median(windows), Math.min(...windows), Math.max(...windows)].map(
    (number) => Math.round(number).toLocaleString('en'),
  );
  const range = `(${low}–${high})`;
  console.log(
    `${name.padEnd(22)} ${mode.padEnd(11)} ${count?.padStart(9)} instructions ${range.padEnd(20)} ${share}`,
  );
}

/** @param {number[]} numbers */
function median(numbers) {
  return numbers.toSorted((one, other) => one - other)[numbers.length >> 1] ?? Number.NaN;
}

/**
 * Instructions of a turn, by window. @param {string} workload @param {string} mode
 * @param {number[]} amounts
 */
async function perTurn(workload, mode, amounts) {
  const folder = mkdtempSync(join(tmpdir(), 'observe-'));
  try {
    const out = join(folder, 'out');
    const turns = await turnsAtPauses(out, workload, mode, amounts);
    return Array.from({ length: WINDOWS }, (_, index) => {
      // The dumps are numbered from 1, that of the warm-up.
      const window = index + 2;
      const counted = (turns[window] ?? Number.NaN) - (turns[window - 1] ?? Number.NaN);
      return instructions(`${out}.${window + 1}`) / counted;
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Of the main thread: a dump has one file for each thread, the main thread first. @param {string} dump */
function instructions(dump) {
  const lines = readFileSync(`${dump}-01`, 'utf8').split('\n');
  let count = Number(lines.find((line) => line.startsWith('summary: '))?.slice('summary: '.length));
  for (const [index, line] of lines.entries()) {
    if (!COMPILER.test(line)) continue;
    // A called function is followed by its calls, and these by its position and what they cost.
    const calls = lines.findIndex((next, at) => at > index && next.startsWith('calls='));
    count -= Number(lines[calls + 1]?.split(' ').at(-1));
  }
  return count;
}

/**
 * Runs a workload under callgrind, which dumps its counts at the end of the warm-up and of each window.
 * Returns the turns until then. @param {string} out @param {string} workload @param {string} mode
 * @param {number[]} amounts
 */
async function turnsAtPauses(out, workload, mode, amounts) {
  const valgrind = [
    '--tool=callgrind',
    '--separate-threads=yes',
    '--compress-strings=no',
    `--callgrind-out-file=${out}`,
  ];
  const args = [...valgrind, process.execPath, ...V8, program, workload, mode];
  const child = spawn('valgrind', [...args, ...amounts.map(String), String(WINDOWS + 1)], {
    cwd: root,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  // The last byte may come after its end.
  child.stdin.on('error', () => {});
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  const ended = new Promise((resolve) => {
    child.on('close', resolve);
  });
  /** @type {number[]} */
  const turns = [];
  /** @param {string} line */
  const answer = async (line) => {
    const said = JSON.parse(line);
    if (said.port !== undefined) {
      playRounds(said.port, Number(workload), child.stdin);
      return;
    }
    if (said.turns !== undefined) turns.push(said.turns);
    // A dump sets the counts to 0. What came after the last one is the pause itself.
    await control(said === 'end' ? '--dump' : '--zero', child.pid ?? 0);
    child.stdin.write('p');
  };
  for await (const line of createInterface({ input: child.stdout })) {
    await answer(line).catch((/** @type {unknown} */ error) => {
      errors += String(error);
      child.kill('SIGKILL');
    });
  }
  await ended;
  if (turns.length !== WINDOWS + 2) throw new Hint(`${errors}\n${workload}, ${mode} has failed.`);
  return turns;
}

/** @param {'--dump' | '--zero'} command @param {number} pid */
async function control(command, pid) {
  await promisify(execFile)('callgrind_control', [command, String(pid)], { timeout: LIMIT_MS });
}

/**
 * Sends a message on each connection when all of the last round were answered, and a byte to `signal`
 * when all are sent. @param {number} port @param {number} connections
 * @param {import('node:stream').Writable} signal
 */
function playRounds(port, connections, signal) {
  const message = Buffer.alloc(64, 'x');
  let missing = connections * message.length;
  let connecting = connections;
  const sockets = Array.from({ length: connections }, () =>
    connect({ port, host: '127.0.0.1', noDelay: true }, () => {
      connecting -= 1;
      if (connecting === 0) send(() => {});
    }),
  );
  for (const socket of sockets) {
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      missing -= chunk.length;
      if (missing === 0) send(() => signal.write('x'));
    });
  }

  /** @param {() => void} onSent */
  function send(onSent) {
    missing = connections * message.length;
    let unsent = connections;
    for (const socket of sockets) {
      socket.write(message, () => {
        unsent -= 1;
        if (unsent === 0) onSent();
      });
    }
  }
}
