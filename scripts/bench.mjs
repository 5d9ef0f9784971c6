// `npm run bench`: set up, build the load generator, run the benchmarks.
import { join } from 'node:path';
import { handOver, root, run, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';

await script(async () => {
  setUp();
  run('cargo', ['build', '--release', '--quiet', '-p', 'loadgen']);
  await handOver(join(root, 'benches', 'main.mjs'), process.argv.slice(2));
});
