/**
 * The binding as a module of WebAssembly: Node-API by emnapi, and the few functions of WASI that
 * Rust's standard library calls. The same in Node and in browsers, without `node:wasi`, which warns.
 */
import { instantiateNapiModuleSync } from '@emnapi/core';
import { tsfn } from '@emnapi/core/plugins';
import { createContext } from '@emnapi/runtime';

/** Pages of 64 KiB. The module needs the first number for its stack and its data; it grows. */
const MEMORY = { initial: 32, maximum: 65_536 };

/**
 * The exports of the binding.
 *
 * @param {BufferSource | WebAssembly.Module} source
 * @returns {Record<string, unknown>}
 */
export function instantiate(source) {
  const memory = new WebAssembly.Memory(MEMORY);
  const context = createContext();
  // Node runs on after `beforeExit`, if a listener adds work.
  context.suppressDestroy();
  const { napiModule } = instantiateNapiModuleSync(source, {
    context,
    plugins: [tsfn],
    overwriteImports: ({ env, napi, emnapi }) => ({
      env: { ...env, ...napi, ...emnapi, memory },
      napi,
      wasi_snapshot_preview1: wasi(memory),
    }),
    beforeInit({ instance }) {
      instance.exports._initialize();
      for (const [name, register] of Object.entries(instance.exports)) {
        if (name.startsWith('__napi_register__')) register();
      }
    },
  });
  return napiModule.exports;
}

/** What the module imports of WASI: random numbers, an empty environment, messages of panics. */
function wasi(memory) {
  const view = () => new DataView(memory.buffer);
  const bytes = (at, length) => new Uint8Array(memory.buffer, at, length);
  return {
    random_get(at, length) {
      // Of at most 65,536 bytes; the seed of a hash map has 16.
      crypto.getRandomValues(bytes(at, length));
      return SUCCESS;
    },
    environ_sizes_get(count, size) {
      view().setUint32(count, 0, true);
      view().setUint32(size, 0, true);
      return SUCCESS;
    },
    environ_get: () => SUCCESS,
    fd_write(fd, vectors, count, written) {
      if (fd !== STDOUT && fd !== STDERR) return BADF;
      let [text, total] = ['', 0];
      for (let at = vectors; at < vectors + 8 * count; at += 8) {
        const piece = bytes(view().getUint32(at, true), view().getUint32(at + 4, true));
        text += new TextDecoder().decode(piece);
        total += piece.length;
      }
      view().setUint32(written, total, true);
      console.error(text.trimEnd());
      return SUCCESS;
    },
    proc_exit(code) {
      throw new Error(`ioloop exited with code ${code}: this is a bug`);
    },
  };
}

const STDOUT = 1;
const STDERR = 2;
const SUCCESS = 0;
/** `EBADF` of WASI. */
const BADF = 8;
