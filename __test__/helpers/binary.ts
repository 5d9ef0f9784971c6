/** The binary, for tests that replace functions of it. */
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

/** The binary as `native/binding.js` gets it: it was loaded from the same file. */
export function loadBinary(): object {
  // Compiled, this file is in `build/__test__/helpers`.
  const folder = fileURLToPath(new URL('../../../native/', import.meta.url));
  const require = createRequire(`${folder}binding.js`);
  const chosen = process.env['NAPI_RS_NATIVE_LIBRARY_PATH'];
  if (chosen !== undefined) return require(chosen) as object;
  if (process.env['NAPI_RS_FORCE_WASI'] === 'error') {
    return require('./wasm32-wasip1/index.cjs') as object;
  }
  const failures: unknown[] = [];
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.node'))) {
    try {
      return require(`./${file}`) as object;
    } catch (error) {
      // Built for another system.
      failures.push(error);
    }
  }
  throw new AggregateError(failures, 'no binary of this system');
}
