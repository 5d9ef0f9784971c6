// `npm run build:ts`: `ts` into `dist`. tsc checks the types and writes the typings; the modules are
// bundled, which makes the import several times as fast.
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { bundle } from './lib/bundle.mjs';
import { compile, removeAllBut } from './lib/compile.mjs';
import { root } from './lib/process.mjs';

const dist = join(root, 'dist');
const typings = compile('tsconfig.json');
if (typings === null) process.exit(1);

// The package: `ioloop.js` is all that `index.js` exports, once for all entries.
const parts = await bundle({
  entries: {
    index: 'index.ts',
    internal: 'internal.ts',
    prometheus: 'prometheus.ts',
    opentelemetry: 'opentelemetry.ts',
    doctor: 'doctor/binary.ts',
    // Found beside the bundle.
    'worker-program': 'net/workers/worker-program.ts',
  },
  folder: dist,
  shared: { name: 'ioloop', of: 'index.ts' },
});
// Programs: one works without a binary, and one starts while the loop is blocked. Neither imports
// the package.
const programs = [
  { entries: { cli: 'cli.ts' }, apart: { 'doctor/binary.ts': './doctor.js' } },
  { entries: { 'stack-sampler': 'loop/stack-sampler.ts' } },
];
for (const program of programs) parts.push(...(await bundle({ ...program, folder: dist })));
await chmod(join(dist, 'cli.js'), 0o755);
removeAllBut(new Set([...typings, ...parts]), dist);
