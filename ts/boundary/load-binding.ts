/**
 * Loads the binary of this system: the file beside the package in a tree that was built from source,
 * otherwise the platform package, beside this one or beside the main program. If there is none, the
 * WebAssembly flavour. `NAPI_RS_NATIVE_LIBRARY_PATH` names another file; `NAPI_RS_FORCE_WASI` prefers
 * WebAssembly.
 *
 * It is a `require()`, which is synchronous: CommonJS cannot `require` a package with a top-level
 * `await`.
 */
import { environment } from '../support/environment.js';
import { PACKAGE_VERSION } from '../support/package-version.js';
import { adapted } from './adapted.js';
import type { Binding } from './binding.js';
import { bindingError, type Attempt } from './binding-error.js';
import { flawOf } from './executable.js';
import { chosenPath, fits, isNodeTooOld, thisHost, type Host } from './host.js';
import {
  besideMain,
  besideOwn,
  loadFile,
  resolved,
  targets,
  wasmTarget,
  type Target,
} from './targets.js';

/** A loaded binary. */
export interface Loaded {
  readonly binding: Binding;
  /** The package or file that was loaded. */
  readonly from: string;
  /** The candidates before it, which could not be loaded. */
  readonly failed: readonly Attempt[];
}

/** @throws `ERR_IOLOOP_BINDING` if there is none, with the reason. */
export function loadBinding(): Loaded {
  const host = thisHost();
  const failed: Attempt[] = [];
  if (isNodeTooOld()) throw bindingError(host, failed);
  for (const candidate of candidates(host)) {
    const attempt = { ...candidate, version: null, flaw: null, error: null };
    const path = resolved(candidate.path ?? candidate.name);
    // What is not an addon is JavaScript: the entry of the WebAssembly flavour.
    const flaw = path?.endsWith('.node') === true ? flawOf(path, host.arch) : null;
    if (flaw !== null) {
      failed.push({ ...attempt, flaw });
      continue;
    }
    try {
      const loaded = candidate.load() as Binding;
      const { core } = loaded.versions();
      if (core !== PACKAGE_VERSION) {
        failed.push({ ...attempt, version: core });
        continue;
      }
      return { binding: adapted(loaded), from: candidate.path ?? candidate.name, failed };
    } catch (error) {
      failed.push({ ...attempt, error });
    }
  }
  throw bindingError(host, failed);
}

/** What can be loaded, best first. Each is looked for when those before it have failed. */
function* candidates(host: Host): Generator<Candidate> {
  const chosen = chosenPath();
  if (chosen !== undefined) return yield fileCandidate(chosen);
  const preference = wasmPreference();
  if (preference !== 'last') yield* placesOf(wasmTarget, `${wasmTarget.name}/index.cjs`);
  if (preference === 'only') return;
  for (const target of targets) {
    if (fits(target, host)) yield* placesOf(target, `ioloop.${target.name}.node`);
  }
  if (preference === 'last') yield* placesOf(wasmTarget, `${wasmTarget.name}/index.cjs`);
}

/** The file in a tree that was built from source, and the package. */
function* placesOf(
  { name, load }: Pick<Target, 'name' | 'load'>,
  file: string,
): Generator<Candidate> {
  const built = besideOwn(`../native/${file}`);
  if (built !== null) yield fileCandidate(built);
  const own = { name: `ioloop-${name}`, path: null, load };
  yield own;
  const beside = resolved(own.name) === null ? besideMain(own.name) : null;
  if (beside !== null) yield fileCandidate(beside);
}

function fileCandidate(path: string): Candidate {
  return { name: path, path, load: () => loadFile(path) };
}

/** Of `NAPI_RS_FORCE_WASI`, with the values that it has for the loaders of napi-rs. */
function wasmPreference(): 'only' | 'first' | 'last' {
  const forced = environment('NAPI_RS_FORCE_WASI');
  if (forced === 'error') return 'only';
  return forced === '1' || forced === 'true' ? 'first' : 'last';
}

interface Candidate {
  readonly name: string;
  /** The absolute path of a file; `null` for a package. */
  readonly path: string | null;
  readonly load: () => unknown;
}
