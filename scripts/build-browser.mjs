// `npm run build:browser`: the package for browsers, in `dist/browser`, from `ts` and the WebAssembly
// flavour (`npm run build:wasm`).
import { join } from 'node:path';
import { bundleForBrowsers } from './lib/browser-bundle.mjs';
import { root, script } from './lib/process.mjs';

await script(() =>
  bundleForBrowsers({
    wasm: join(root, 'native', 'wasm32-wasip1'),
    outdir: join(root, 'dist', 'browser'),
    entryPoints: { index: 'ts/index.ts', internal: 'ts/browser/internal.ts' },
  }),
);
