/** What this package is made of, for reports of bugs. */
import { PACKAGE_VERSION } from '../support/package-version.js';
import { backend } from './capabilities.js';
import { loaded, native } from './native.js';

/** The parts of the package that this process has loaded. */
export interface Versions {
  /** This package. */
  readonly ioloop: string;
  /** The Rust core in the binary: the same version. */
  readonly core: string;
  /** The crate mio, by which the core talks to epoll and kqueue; `null` without descriptors. */
  readonly mio: string | null;
  /** The crate napi, by which the binary talks to JavaScript. */
  readonly napi: string;
  /** The system call that reports readiness: `epoll`, `kqueue` or `poll`; or `wasm`, `host`. */
  readonly backend: string;
  /** The package or the file that the binary came from. */
  readonly binary: string;
}

const { core, mio = null, napi } = native.versions();

/** The versions of the package and its parts. `npx ioloop doctor` shows them with their surroundings. */
export const versions: Versions = Object.freeze({
  ioloop: PACKAGE_VERSION,
  core,
  mio,
  napi,
  backend,
  binary: loaded.from,
});
