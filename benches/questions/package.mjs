// How large is the package, how long does it take to import, and what does its boundary cost?
import { execFileSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { atMost, column, figure } from '../lib/compare.mjs';
import { runProgram } from '../lib/run.mjs';
import { root } from '../../scripts/lib/process.mjs';

/** @returns {import('../lib/run.mjs').Question} */
export function size() {
  return {
    name: 'package',
    cases: [
      { key: 'package', peers: ['package'], measure: async () => sizes() },
      { key: 'import', peers: ['import'], measure: () => runProgram('import') },
      { key: 'boundary', peers: ['boundary'], measure: () => runProgram('boundary') },
    ],
    rows: (samples) => {
      const of = (/** @type {string} */ key, /** @type {string} */ value) =>
        column(samples.get(key), key, value);
      return [
        ...figure(of('package', 'binary'), {
          name: 'package: the binary',
          unit: 'KB',
          target: atMost(13, 1024),
        }),
        ...figure(of('package', 'unpacked'), { name: 'package: all the rest', unit: 'KB' }),
        ...figure(of('import', 'milliseconds'), {
          name: 'package: import',
          unit: 'ms',
          target: atMost(13, 15),
        }),
        ...figure(of('boundary', 'generated'), {
          name: 'a call by napi-rs, two arrays',
          unit: 'ns',
        }),
        ...figure(of('boundary', 'own'), { name: 'a call by own glue, two arrays', unit: 'ns' }),
      ];
    },
  };
}

/** KB of the binary, and of what is beside it in the package. */
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
