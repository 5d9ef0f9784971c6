// `npm start`: set up, then the main job. Arguments behind `--` go to it.
import { join } from 'node:path';
import { handOver, root, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';

await script(async () => {
  setUp();
  await handOver(join(root, 'examples', 'demo', 'main.mjs'), process.argv.slice(2));
});
