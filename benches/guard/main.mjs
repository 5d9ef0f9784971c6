// The guard against regressions: instructions of the core's hot paths, counted by callgrind and
// compared with a committed baseline. Unlike times, counts do not depend on the load of the machine.
//
//   npm run bench:guard              compares; fails if one has grown by more than the tolerance
//   npm run bench:guard -- --update  writes the baseline
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Hint, root, run, script } from '../../scripts/lib/process.mjs';

const TOLERANCE = 0.1;
/** Repetitions. The difference of both counts excludes the start and end of the process. */
const FEW = 1000;
const MANY = 11_000;

const baseline = fileURLToPath(new URL('baseline.json', import.meta.url));
const binary = join(root, 'target', 'release', 'core-benches');

await script(async () => {
  if (spawnSync('valgrind', ['--version']).status !== 0) {
    throw new Hint('The guard needs valgrind: install it (apt-get install valgrind).');
  }
  run('cargo', ['build', '--release', '--quiet', '-p', 'core-benches']);
  const names = execFileSync(binary, { encoding: 'utf8' }).trim().split('\n');
  const counts = Object.fromEntries(names.map((name) => [name, instructionsOf(name)]));
  if (process.argv.includes('--update')) {
    writeFileSync(baseline, `${JSON.stringify({ arch: process.arch, counts }, null, 2)}\n`);
  }
  compare(JSON.parse(readFileSync(baseline, 'utf8')), counts);
});

/** Instructions of one operation. @param {string} name */
function instructionsOf(name) {
  const [few = 0, many = 0] = [FEW, MANY].map((count) => counted(name, count));
  return Math.round((many - few) / (MANY - FEW));
}

/** Instructions of a process. @param {string} name @param {number} count */
function counted(name, count) {
  const folder = mkdtempSync(join(tmpdir(), 'guard-'));
  try {
    const out = join(folder, 'callgrind.out');
    run('valgrind', [
      '--tool=callgrind',
      `--callgrind-out-file=${out}`,
      binary,
      name,
      String(count),
    ]);
    return Number(/^(?:summary|totals): (\d+)/m.exec(readFileSync(out, 'utf8'))?.[1]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @param {{ arch: string, counts: Record<string, number> }} before @param {Record<string, number>} now */
function compare(before, now) {
  if (before.arch !== process.arch) {
    throw new Hint(`The baseline is of ${before.arch}, and this machine is ${process.arch}.`);
  }
  const grown = Object.entries(now).filter(([name, count]) => {
    const known = before.counts[name];
    const change = known === undefined ? 0 : count / known - 1;
    const shown = known === undefined ? 'new' : `${(100 * change).toFixed(1)} %`;
    console.log(`${name.padEnd(40)} ${String(count).padStart(7)} instructions  ${shown}`);
    return change > TOLERANCE;
  });
  if (grown.length > 0) {
    throw new Hint(
      `${grown.map(([name]) => name).join(', ')}: more than ${100 * TOLERANCE} % more instructions. If intended: npm run bench:guard -- --update.`,
    );
  }
}
