// `npm run test:watchdog`: the reports of a blocked loop, and none of a healthy one.
//
// Each cause of a block runs on the main thread and in a worker, over both drivers. The block ends when
// its report has arrived, so that a report proves to have come during the block. It has to come within
// 50 ms after the threshold (in the median; other processes may take the CPU), and to name the function
// and a line of it. Then busy and healthy loops run, one per driver: they have no report.
//
//   npm run test:watchdog -- --quick                 fewer runs, 20 seconds of healthy load
//   npm run test:watchdog -- --runs 20 --seconds 0   no healthy load
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { root, script, stream } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';
import { drivers } from './lib/stages.mjs';
import { culprits } from './watchdog/culprits.mjs';

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    runs: { type: 'string' },
    seconds: { type: 'string' },
  },
});
const RUNS = Number(values.runs ?? (values.quick ? 3 : 9));
const HEALTHY_SECONDS = Number(values.seconds ?? (values.quick ? 20 : 600));

/** Seconds. */
const THRESHOLD = 0.2;
/** Of a healthy loop: ten of its longest turns. */
const HEALTHY_THRESHOLD = 0.1;
const LATEST_MS = 50;
const LIMIT_MS = 20_000;
const folder = join(root, 'scripts', 'watchdog');

/** @typedef {{ late: number, report: string, isNamed: boolean }} Outcome */

await script(async () => {
  setUp();
  const areReported = await reportBlocks();
  const areQuiet = HEALTHY_SECONDS === 0 || (await runHealthy());
  process.exitCode = areReported && areQuiet ? 0 : 1;
});

/** A row for each cause, thread and driver. */
async function reportBlocks() {
  console.log(
    `Milliseconds from the threshold (${1e3 * THRESHOLD} ms) to the report, ${RUNS} runs\n`,
  );
  console.log(row(['cause', 'thread', 'driver', 'median', 'max', 'during', 'culprit', 'example']));
  let isRight = true;
  for (const cause of Object.keys(culprits)) {
    for (const thread of ['main', 'worker']) {
      for (const driver of drivers) {
        /** @type {Outcome[]} */
        const outcomes = [];
        for (let run = 0; run < RUNS; run += 1) outcomes.push(await block(cause, thread, driver));
        const late = outcomes.map((outcome) => outcome.late).toSorted((a, b) => a - b);
        const median = late[late.length >> 1] ?? Number.NaN;
        const during = outcomes.filter((outcome) => Number.isFinite(outcome.late)).length;
        const named = outcomes.filter(({ isNamed }) => isNamed).length;
        isRight &&= median <= LATEST_MS && during === RUNS && named === RUNS;
        const shown = [median, late.at(-1) ?? Number.NaN].map((value) => value.toFixed(0));
        const counts = [during, named].map((count) => `${count} of ${RUNS}`);
        console.log(row([cause, thread, driver, ...shown, ...counts, outcomes[0]?.report ?? '']));
      }
    }
  }
  return isRight;
}

/**
 * One block. `late` is not finite if the report did not come during the block.
 * @param {string} cause
 * @param {string} thread
 * @param {string} driver
 * @returns {Promise<Outcome>}
 */
async function block(cause, thread, driver) {
  const temporary = mkdtempSync(join(tmpdir(), 'watchdog-'));
  const [released, fifo] = [join(temporary, 'released'), join(temporary, 'fifo')];
  execFileSync('mkfifo', [fifo]);
  const program = join(folder, 'blocked.mjs');
  const child = spawn(process.execPath, [program, thread, cause, String(THRESHOLD)], {
    env: { ...process.env, RELEASED: released, FIFO: fifo, IOLOOP_DRIVER: variable(driver) },
    stdio: ['ignore', 'inherit', 'pipe'],
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  });
  const outcome = { late: Number.POSITIVE_INFINITY, report: '(none)', isNamed: false };
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
    const began = /<block (\d+)>/.exec(stderr)?.[1];
    const report = /^IOLoop blocked .*\n( {4}at .*\n)*/m.exec(stderr)?.[0];
    if (began === undefined || report === undefined || outcome.report !== '(none)') return;
    if (!stderr.includes('<over>')) outcome.late = Date.now() - Number(began) - 1e3 * THRESHOLD;
    outcome.report = report.split('\n')[0]?.replaceAll(root, '') ?? '';
    outcome.isNamed = namesCulprit(report, cause);
    writeFileSync(released, '');
    // Blocks until the child reads, which it does only for some causes.
    if (/readFileSync|execSync/.test(cause)) writeFileSync(fifo, 'x');
  });
  await new Promise((resolve) => child.on('close', resolve));
  rmSync(temporary, { recursive: true });
  return outcome;
}

/** The report has the function of this cause, at a line of it. @param {string} report @param {string} cause */
function namesCulprit(report, cause) {
  const name = culprits[cause]?.name ?? '';
  const source = readFileSync(join(folder, 'culprits.mjs'), 'utf8').split('\n');
  const first = source.findIndex((line) => line.includes(`function ${name}(`)) + 1;
  const last = first + source.slice(first).indexOf('  },') + 1;
  const found = new RegExp(`^IOLoop blocked .* in ${name} \\(.*culprits\\.mjs:(\\d+):\\d+\\)`).exec(
    report,
  );
  const line = Number(found?.[1]);
  return line >= first && line <= last;
}

/** Both drivers at once. */
async function runHealthy() {
  console.log(`\nHealthy load for ${HEALTHY_SECONDS} s, threshold ${1e3 * HEALTHY_THRESHOLD} ms`);
  const results = await Promise.all(drivers.map(healthy));
  return results.every(Boolean);
}

/** @param {string} driver */
async function healthy(driver) {
  let reports = Number.NaN;
  const program = join(folder, 'healthy.mjs');
  const args = [program, String(HEALTHY_SECONDS), String(HEALTHY_THRESHOLD)];
  await stream(process.execPath, args, {
    env: { IOLOOP_DRIVER: variable(driver) },
    limitMs: 1e3 * HEALTHY_SECONDS + LIMIT_MS,
    onLine: (line) => {
      if (line.startsWith('result ')) ({ reports } = JSON.parse(line.slice(7)));
      console.log(`${driver}: ${line}`);
    },
  });
  return reports === 0;
}

/** @param {string} driver */
function variable(driver) {
  return driver === 'libuv' ? undefined : driver;
}

/** @param {string[]} cells */
function row(cells) {
  const widths = [24, 8, 8, 8, 6, 9, 9];
  return cells.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('');
}
