// The WebAssembly flavour, which is built if it is missing or out of date.
import { step } from './setup.mjs';
import { upToDate } from './stamp.mjs';

const folder = 'native/wasm32-wasip1';

/** The module and its entries. */
export function setUpWasm() {
  upToDate({
    name: 'wasm',
    from: ['crates', 'Cargo.toml', 'Cargo.lock', 'package-lock.json', 'scripts/build-wasm.mjs'],
    gives: [`${folder}/ioloop.wasm`, `${folder}/index.cjs`, `${folder}/browser.js`],
    make: () => step('building the WebAssembly flavour', 'node', ['scripts/build-wasm.mjs']),
  });
}
