// `npm run build:wasm`: the WebAssembly flavour, in `native/wasm32-wasip1`: the module, its entry for
// Node (`index.cjs`, which exports the binding) and that for browsers (`browser.js`, which exports a
// function that instantiates it). Both contain emnapi.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { build } from 'esbuild';

const TARGET = 'wasm32-wasip1';
const OUTPUT = 'target/wasm';
const PACKAGE = `native/${TARGET}`;
const SOURCES = 'crates/ioloop-napi/wasm';

installTarget();
mkdirSync(PACKAGE, { recursive: true });
execFileSync(
  'npx',
  // prettier-ignore
  ['napi', 'build', '--platform', '--release', '--target', TARGET, '--no-js', '--dts', 'binding.d.ts',
    '--output-dir', OUTPUT, '--manifest-path', 'crates/ioloop-napi/Cargo.toml'],
  { stdio: 'inherit' },
);
copyFileSync(`${OUTPUT}/ioloop.${TARGET}.wasm`, `${PACKAGE}/ioloop.wasm`);
/** @type {import('esbuild').BuildOptions} */
const options = {
  bundle: true,
  minify: true,
  target: 'es2022',
  legalComments: 'inline',
  logLevel: 'warning',
};
await build({
  ...options,
  entryPoints: [`${SOURCES}/node.cjs`],
  outfile: `${PACKAGE}/index.cjs`,
  platform: 'node',
  format: 'cjs',
});
await build({
  ...options,
  entryPoints: [`${SOURCES}/instantiate.mjs`],
  outfile: `${PACKAGE}/browser.js`,
  platform: 'browser',
  format: 'esm',
});

/** Adds the target to rustup, or names what is missing. */
function installTarget() {
  try {
    execFileSync('rustup', ['target', 'add', TARGET], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    if (hasTarget()) return;
    const reason = error.code === 'ENOENT' ? 'rustup is not installed' : `${error.stderr}`.trim();
    console.error(`The WebAssembly flavour needs Rust's target ${TARGET}: ${reason}`);
    process.exit(1);
  }
}

/** Whether a Rust that rustup does not manage has the target. */
function hasTarget() {
  try {
    const args = ['--print', 'target-libdir', '--target', TARGET];
    return existsSync(execFileSync('rustc', args, { encoding: 'utf8' }).trim());
  } catch {
    return false;
  }
}
