// The size of the package, the time of its import, and the cost of a call across the boundary.
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { runProgram } from '../lib/run.mjs';
import { atMost } from '../lib/targets.mjs';
import { root } from '../../scripts/lib/process.mjs';

/** Case and value, name, unit, target. @type {[string, string, string, import('../lib/targets.mjs').Target?][]} */
const FIGURES = [
  ['package binary', 'package: the binary', 'KB', atMost(1024)],
  ['package unpacked', 'package: all the rest', 'KB'],
  ['import milliseconds', 'package: import', 'ms', atMost(12)],
  ['worker milliseconds', 'package: import in a worker', 'ms', atMost(5)],
  ['boundary generated', 'a call by napi-rs, two arrays', 'ns'],
  ['boundary own', 'a call by own glue, two arrays', 'ns'],
];

/** @returns {import('../lib/question.mjs').Question} */
export function size() {
  return {
    name: 'package',
    cases: [
      { key: 'package', peers: ['package'], measure: async () => sizes() },
      { key: 'import', peers: ['import'], measure: () => runProgram('import') },
      { key: 'worker', peers: ['worker'], measure: () => runProgram('import, worker') },
      { key: 'boundary', peers: ['boundary'], measure: () => runProgram('boundary') },
    ],
    rows: FIGURES.map(([cell, name, unit, target]) => {
      const [of = '', value = ''] = cell.split(' ');
      return { of, peer: of, value, name, unit, ...(target && { target }) };
    }),
  };
}

/** KB of the binary, and of the other files of the package. */
function sizes() {
  const native = join(root, 'native');
  const file = readdirSync(native).find((name) => name.endsWith('.node')) ?? '';
  const text = execFileSync('npm', ['pack', '--dry-run', '--json'], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [found] = JSON.parse(text);
  return { binary: statSync(join(native, file)).size / 1024, unpacked: found.unpackedSize / 1024 };
}
