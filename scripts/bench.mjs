// `npm run bench`: set up, build the load generator, run the benchmarks.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, run, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';

await script(() => {
  setUp();
  run('cargo', ['build', '--release', '--quiet', '-p', 'loadgen']);
  const main = join(root, 'benches', 'main.mjs');
  const { status } = spawnSync(process.execPath, [main, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
});
