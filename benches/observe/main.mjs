// The cost of histograms and of the watchdog: instructions per turn, compiled JavaScript included,
// counted by valgrind. Unlike times, counts do not depend on the load of the machine. Instructions of
// the kernel are not counted: with them the shares would be smaller.
//
//   npm run bench:observe             prints a table; fails if 50 connections cost 2 % or more
//   npm run bench:observe -- --quick  all against off, with fewer turns
//
// Only the thread of the loop is counted. The thread of the watchdog looks every 10 ms: its cost is one
// per second, not one per turn, and valgrind makes turns fifty times as long.
//
// Each count is the difference of two runs, a short and a long one: neither the start of Node nor the
// compiler is in it. V8 has one thread and fixed seeds, so that a count repeats within 0.3 %.
// The long run is long enough for many garbage collections.
import { spawn, spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Hint, root, script } from '../../scripts/lib/process.mjs';

const LIMIT = 0.02;
const V8 = ['--predictable', '--hash-seed=1', '--random-seed=1'];
const program = fileURLToPath(new URL('../workloads/observed.mjs', import.meta.url));

/** The workloads, with the amounts of the short and the long run, and of a quick one. */
const WORKLOADS = [
  {
    name: 'an empty turn',
    workload: 'empty',
    amounts: [100_000, 300_000],
    quick: [20_000, 60_000],
  },
  { name: 'echo, 1 connection', workload: '1', amounts: [10_000, 80_000], quick: [10_000, 40_000] },
  { name: 'echo, 50 connections', workload: '50', amounts: [1000, 9000], quick: [1000, 6000] },
];

const { values } = parseArgs({
  options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
});

await script(async () => {
  if (spawnSync('valgrind', ['--version']).status !== 0) {
    throw new Hint('The counts need valgrind: install it (apt-get install valgrind).');
  }
  const modes = values.quick ? ['all'] : ['histograms', 'watchdog', 'all'];
  let judged = 0;
  for (const { name, workload, amounts, quick } of WORKLOADS) {
    if (values.only !== undefined && values.only !== workload) continue;
    const off = await perTurn(workload, 'off', values.quick ? quick : amounts);
    show(name, 'off', off, '');
    for (const mode of modes) {
      const count = await perTurn(workload, mode, values.quick ? quick : amounts);
      const share = count / off - 1;
      show(name, mode, count, `${(100 * share).toFixed(2)} %`);
      if (workload === '50' && mode === 'all') judged = share;
    }
  }
  if (judged >= LIMIT) throw new Hint(`More than ${100 * LIMIT} % for 50 connections.`);
});

/** @param {string} name @param {string} mode @param {number} count @param {string} share */
function show(name, mode, count, share) {
  const number = Math.round(count).toLocaleString('en');
  console.log(`${name.padEnd(22)} ${mode.padEnd(11)} ${number.padStart(9)} instructions  ${share}`);
}

/** Instructions of a turn. @param {string} workload @param {string} mode @param {number[]} amounts */
async function perTurn(workload, mode, [few = 0, many = 0]) {
  const short = await counted(workload, mode, few);
  const long = await counted(workload, mode, many);
  return (long.instructions - short.instructions) / (long.turns - short.turns);
}

/** One run. @param {string} workload @param {string} mode @param {number} amount */
async function counted(workload, mode, amount) {
  const folder = mkdtempSync(join(tmpdir(), 'observe-'));
  try {
    const out = join(folder, 'out');
    const turns = await turnsOf(out, workload, mode, amount);
    // One file for each thread, the main thread first.
    const totals = /^totals: (\d+)/m.exec(readFileSync(`${out}-01`, 'utf8'))?.[1];
    return { turns, instructions: Number(totals) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a workload under callgrind. @param {string} out @param {string} workload @param {string} mode @param {number} amount */
async function turnsOf(out, workload, mode, amount) {
  const valgrind = ['--tool=callgrind', '--separate-threads=yes', `--callgrind-out-file=${out}`];
  const args = [...valgrind, process.execPath, ...V8, program, workload, mode, String(amount)];
  const child = spawn('valgrind', args, { cwd: root });
  // The last byte may come after its end.
  child.stdin.on('error', () => {});
  let output = '';
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (errors += text));
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
    const port = /^\{"port":(\d+)\}\n$/.exec(output)?.[1];
    if (port !== undefined) playRounds(Number(port), Number(workload), child.stdin);
  });
  await new Promise((resolve) => {
    child.on('close', resolve);
  });
  const turns = /"turns":(\d+)/.exec(output)?.[1];
  if (turns === undefined) throw new Hint(`${output}${errors}\n${workload}, ${mode} has failed.`);
  return Number(turns);
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
