// `npm run build:ts`: `ts` into `dist`. tsc checks the types and writes the typings; esbuild bundles
// the modules, which makes the import three times as fast. What `#internal` shares with the
// package is in a chunk of its own, so that there is one of everything.
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { compile, removeAllBut } from './lib/compile.mjs';
import { root } from './lib/process.mjs';

const dist = join(root, 'dist');
const typings = compile('tsconfig.json');
if (typings === null) process.exit(1);
const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
const { metafile } = await build({
  absWorkingDir: root,
  // The sampler and the program of a worker are found beside the bundle.
  entryPoints: {
    index: 'ts/index.ts',
    internal: 'ts/internal.ts',
    prometheus: 'ts/prometheus.ts',
    opentelemetry: 'ts/opentelemetry.ts',
    'stack-sampler': 'ts/loop/stack-sampler.ts',
    'worker-program': 'ts/net/workers/worker-program.ts',
    cli: 'ts/cli.ts',
  },
  // Optional peers, which the program installs.
  external: ['prom-client', '@opentelemetry/api'],
  outdir: dist,
  bundle: true,
  splitting: true,
  chunkNames: 'shared-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  sourcemap: true,
  define: { IOLOOP_PACKAGE_VERSION: JSON.stringify(version) },
  metafile: true,
  logLevel: 'warning',
});
await Promise.all(Object.keys(metafile.outputs).map((file) => restoreClassNames(join(root, file))));
const bundle = Object.keys(metafile.outputs).map((file) => resolve(root, file));
removeAllBut(new Set([...typings, ...bundle]), dist);

/**
 * A class that refers to itself comes out as `var IOLoop = class _IOLoop`, and says so in traces and
 * in `util.inspect`. The variable is never assigned again, so that its name serves inside as well. The
 * space keeps the columns of the source map. (esbuild's `keepNames` costs a call per function.)
 *
 * @param {string} file
 */
async function restoreClassNames(file) {
  if (!file.endsWith('.js')) return;
  const source = await readFile(file, 'utf8');
  const renamed = new Set(
    Array.from(source.matchAll(/\bvar (\w+) = class _\1\b/g), ([, name]) => name),
  );
  const restored = source.replaceAll(/\b_(\w+)\b/g, (inner, name) =>
    renamed.has(name) ? `${name} ` : inner,
  );
  if (restored !== source) await writeFile(file, restored);
}
