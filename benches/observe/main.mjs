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
// The counts begin after a warm-up: neither the start of Node nor the compiler is in them. V8 has one
// thread and fixed seeds, so that a count repeats within 0.3 %. A run is long enough for many garbage
// collections.
import { execFile, spawn, spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { Hint, root, script } from '../../scripts/lib/process.mjs';

const LIMIT = 0.02;
/** Of a run. */
const LIMIT_MS = 1_800_000;
const V8 = ['--predictable', '--hash-seed=1', '--random-seed=1'];
const program = fileURLToPath(new URL('../workloads/observed.mjs', import.meta.url));

/** The workloads, with the turns or rounds of the warm-up and of the counted part, also of a quick run. */
const WORKLOADS = [
  {
    name: 'an empty turn',
    workload: 'empty',
    amounts: [200_000, 400_000],
    quick: [100_000, 100_000],
  },
  {
    name: 'echo, 1 connection',
    workload: '1',
    amounts: [40_000, 60_000],
    quick: [15_000, 15_000],
  },
  { name: 'echo, 50 connections', workload: '50', amounts: [3000, 6000], quick: [2000, 2000] },
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
    const [off = Number.NaN] = counts;
    for (const [index, mode] of modes.entries()) {
      const count = counts[index] ?? Number.NaN;
      const share = count / off - 1;
      show(name, mode, count, mode === 'off' ? '' : `${(100 * share).toFixed(2)} %`);
      if (mode === 'all' && !(share < LIMIT)) costly.push(name);
    }
  }
  if (costly.length > 0) throw new Hint(`${100 * LIMIT} % or more: ${costly.join('; ')}.`);
});

/** @param {string} name @param {string} mode @param {number} count @param {string} share */
function show(name, mode, count, share) {
  const number = Math.round(count).toLocaleString('en');
  console.log(`${name.padEnd(22)} ${mode.padEnd(11)} ${number.padStart(9)} instructions  ${share}`);
}

/** Instructions of a turn. @param {string} workload @param {string} mode @param {number[]} amounts */
async function perTurn(workload, mode, amounts) {
  const folder = mkdtempSync(join(tmpdir(), 'observe-'));
  try {
    const out = join(folder, 'out');
    const turns = await countedTurns(out, workload, mode, amounts);
    // One file for each thread, the main thread first.
    const totals = /^totals: (\d+)/m.exec(readFileSync(`${out}-01`, 'utf8'))?.[1];
    return Number(totals) / turns;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/**
 * Runs a workload under callgrind; returns the turns that were counted. @param {string} out
 * @param {string} workload @param {string} mode @param {number[]} amounts
 */
async function countedTurns(out, workload, mode, amounts) {
  const valgrind = ['--tool=callgrind', '--separate-threads=yes', `--callgrind-out-file=${out}`];
  const args = [...valgrind, process.execPath, ...V8, program, workload, mode];
  const child = spawn('valgrind', [...args, ...amounts.map(String)], {
    cwd: root,
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  // The last byte may come after its end.
  child.stdin.on('error', () => {});
  let output = '';
  let errors = '';
  let isWarm = false;
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
    const port = /^\{"port":(\d+)\}\n$/.exec(output)?.[1];
    if (port !== undefined) playRounds(Number(port), Number(workload), child.stdin);
    if (isWarm || !output.includes('"warm"')) return;
    isWarm = true;
    void resetCounts(child.pid ?? 0).then(
      () => child.stdin.write('x'),
      (/** @type {unknown} */ error) => {
        errors += String(error);
        child.kill('SIGKILL');
      },
    );
  });
  await new Promise((resolve) => {
    child.on('close', resolve);
  });
  const warm = /"warm":(\d+)/.exec(output)?.[1];
  const turns = /"turns":(\d+)/.exec(output)?.[1];
  if (warm === undefined || turns === undefined) {
    throw new Hint(`${output}${errors}\n${workload}, ${mode} has failed.`);
  }
  return Number(turns) - Number(warm);
}

/** The counts begin again from 0. @param {number} pid */
async function resetCounts(pid) {
  await promisify(execFile)('callgrind_control', ['--zero', String(pid)], { timeout: LIMIT_MS });
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
