/**
 * Loads the binary of this system: the file beside the package in a tree that was built from source,
 * otherwise the platform package. `NAPI_RS_NATIVE_LIBRARY_PATH` names another file.
 *
 * It is a `require()`, which is synchronous: CommonJS cannot `require` a package with a top-level
 * `await`.
 */
import type * as binding from '../../native/binding.js';
import { PACKAGE_VERSION } from '../support/package-version.js';
import { bindingError, type Attempt } from './binding-error.js';
import { flawOf } from './executable.js';
import { chosenPath, fits, isNodeTooOld, thisHost } from './host.js';
import { loadFile, resolved, targets } from './targets.js';

/** The functions of the binary. Their types are generated from `crates/ioloop-napi`. */
export type Binding = typeof binding;

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
  for (const candidate of candidates()) {
    const attempt = { ...candidate, version: null, flaw: null, error: null };
    const path = resolved(candidate.path ?? candidate.name);
    const flaw = path === null ? null : flawOf(path, host.arch);
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
      // A copy: V8 keeps the exports of an addon in a hash table.
      return { binding: { ...loaded }, from: candidate.path ?? candidate.name, failed };
    } catch (error) {
      failed.push({ ...attempt, error });
    }
  }
  throw bindingError(host, failed);

  function candidates(): Candidate[] {
    const chosen = chosenPath();
    if (chosen !== undefined) {
      return [{ name: chosen, path: chosen, load: () => loadFile(chosen) }];
    }
    return targets
      .filter((target) => fits(target, host))
      .flatMap(({ name, load }) => {
        const built = resolved(`../native/ioloop.${name}.node`);
        const installed = { name: `ioloop-${name}`, path: null, load };
        if (built === null) return [installed];
        return [{ name: built, path: built, load: () => loadFile(built) }, installed];
      });
  }
}

interface Candidate {
  readonly name: string;
  /** The absolute path of a file; `null` for a package. */
  readonly path: string | null;
  readonly load: () => unknown;
}
