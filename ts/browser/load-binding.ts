/**
 * The loader for browsers, in the place of `boundary/load-binding.ts`: the module of WebAssembly that is
 * beside the bundle. It is compiled before the import is complete (a top-level `await`), so that
 * nothing else in the package has to wait for it.
 */
import { instantiate } from 'ioloop-wasm32-wasip1/browser.js';
import { adapted } from '../boundary/adapted.js';
import type { Binding } from '../boundary/binding.js';
import type { Loaded } from '../boundary/load-binding.js';
import { noBinding } from '../support/errors.js';
import { PACKAGE_VERSION } from '../support/package-version.js';

/** Vite and webpack recognise this form, and move the file with the code. */
const url = new URL('./ioloop.wasm', import.meta.url);

const loaded = await load();

/** @throws Never: the import of this module has thrown `ERR_IOLOOP_BINDING` before. */
export function loadBinding(): Loaded {
  return loaded;
}

async function load(): Promise<Loaded> {
  const bytes = await fetched();
  let binding: Binding;
  try {
    binding = instantiate(await WebAssembly.compile(bytes)) as Binding;
  } catch (error) {
    throw failure(
      'The browser refuses the module of WebAssembly',
      "Serve the file unchanged, and allow 'wasm-unsafe-eval' in the Content-Security-Policy",
      error,
    );
  }
  if (binding.versions().core !== PACKAGE_VERSION) {
    throw failure('The module is of another version', 'Copy it again from this version of ioloop');
  }
  return { binding: adapted(binding), from: url.href, failed: [] };
}

async function fetched(): Promise<ArrayBuffer> {
  let reason = 'The file cannot be fetched';
  let cause: unknown;
  try {
    const response = await fetch(url);
    if (response.ok) return await response.arrayBuffer();
    reason = `The server answers ${response.status}`;
  } catch (error) {
    cause = error;
  }
  if (isNode()) {
    throw failure(
      'This is Node.js, and it has loaded the entry for browsers, as jest-environment-jsdom does',
      "Set testEnvironmentOptions: { customExportConditions: ['node'] } in the options of jest",
      cause,
    );
  }
  throw failure(reason, 'Copy dist/browser/ioloop.wasm of the package beside the bundle', cause);
}

/** Asks the global: `process` is a stand-in here. */
function isNode(): boolean {
  const { process } = globalThis as { process?: { versions?: { node?: unknown } } };
  return typeof process?.versions?.node === 'string';
}

function failure(reason: string, remedy: string, cause?: unknown): Error {
  return noBinding(`a browser; looked for ${url.href}`, reason, remedy, 'all browsers', cause);
}
