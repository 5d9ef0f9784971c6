// `npm start`: set up, then the main job. Arguments behind `--` go to it.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';

await script(() => {
  setUp();
  const demo = join(root, 'examples', 'demo', 'main.mjs');
  const { status } = spawnSync(process.execPath, [demo, ...process.argv.slice(2)], {
    stdio: 'inherit',
  });
  process.exitCode = status ?? 1;
});
