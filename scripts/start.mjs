// `npm start`: sets up, then runs the demo with the arguments after `--`.
import { join } from 'node:path';
import { handOver, root, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';

await script(async () => {
  setUp();
  await handOver(join(root, 'examples', 'demo', 'main.mjs'), process.argv.slice(2));
});
