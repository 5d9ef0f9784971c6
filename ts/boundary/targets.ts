/**
 * The systems that have a prebuilt binary. `package.json` (`napi.targets`), the workflow of releases
 * and the README have the same list: `__test__/targets.test.ts` compares them.
 */
import { existsSync } from 'node:fs';
import nodeModule from 'node:module';
import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OWN_URL } from '../support/own-url.js';

/** The C library of a Linux system. */
export type Libc = 'glibc' | 'musl';

/** A system with a binary, which is in the package `ioloop-<name>`. */
export interface Target {
  readonly name: string;
  /** The name of Rust. */
  readonly triple: string;
  /** `process.platform` and `process.arch`. */
  readonly platform: string;
  readonly arch: string;
  readonly libc: Libc | null;
  /** Loads the installed package. Each is spelled out: tools that trace files look for literals. */
  readonly load: () => unknown;
}

/**
 * The oldest glibc that the binaries run on. `npm run check:glibc` compares what a binary needs, and
 * the README and the platform packages state it.
 */
export const GLIBC_FLOOR = '2.17';

// By the module object: webpack takes a call of the imported function for its own.
const require = nodeModule.createRequire(OWN_URL);

/** All targets, in the order of the README. */
export const targets: readonly Target[] = [
  target('linux', 'x64', 'glibc', 'x86_64-unknown-linux-gnu', () =>
    require('ioloop-linux-x64-gnu'),
  ),
  target('linux', 'x64', 'musl', 'x86_64-unknown-linux-musl', () =>
    require('ioloop-linux-x64-musl'),
  ),
  target('linux', 'arm64', 'glibc', 'aarch64-unknown-linux-gnu', () =>
    require('ioloop-linux-arm64-gnu'),
  ),
  target('linux', 'arm64', 'musl', 'aarch64-unknown-linux-musl', () =>
    require('ioloop-linux-arm64-musl'),
  ),
  target('linux', 'arm', 'glibc', 'armv7-unknown-linux-gnueabihf', () =>
    require('ioloop-linux-arm-gnueabihf'),
  ),
  target('darwin', 'x64', null, 'x86_64-apple-darwin', () => require('ioloop-darwin-x64')),
  target('darwin', 'arm64', null, 'aarch64-apple-darwin', () => require('ioloop-darwin-arm64')),
  target('freebsd', 'x64', null, 'x86_64-unknown-freebsd', () => require('ioloop-freebsd-x64')),
  target('win32', 'x64', null, 'x86_64-pc-windows-gnu', () => require('ioloop-win32-x64-gnu')),
  target('win32', 'arm64', null, 'aarch64-pc-windows-gnullvm', () =>
    require('ioloop-win32-arm64-gnullvm'),
  ),
];

/** The flavour for all other systems, in the package `ioloop-wasm32-wasip1`. */
export const wasmTarget: Pick<Target, 'name' | 'triple' | 'load'> = {
  name: 'wasm32-wasip1',
  triple: 'wasm32-wasip1',
  load: () => require('ioloop-wasm32-wasip1'),
};

/** Loads a file beside `dist`, or at an absolute path. */
export function loadFile(path: string): unknown {
  return require(path);
}

/** The path of a file, relative to this code; `null` if it is not there. */
export function besideOwn(file: string): string | null {
  try {
    const path = fileURLToPath(new URL(file, OWN_URL));
    return existsSync(path) ? path : null;
  } catch {
    // A bundle may have another URL than that of a file.
    return null;
  }
}

/** Where a file or package would be found from here; `null` if it is not there. */
export function resolved(specifier: string): string | null {
  try {
    return require.resolve(specifier);
  } catch {
    return null;
  }
}

/**
 * Where a package would be found from the main program. A bundle may say that this code is where it
 * was when it was bundled (webpack does), and not where the bundle is.
 */
export function besideMain(name: string): string | null {
  const [, main = ''] = process.argv;
  // With `node --eval` there is none, or an argument.
  if (!isAbsolute(main)) return null;
  try {
    return nodeModule.createRequire(main).resolve(name);
  } catch {
    return null;
  }
}

function target(
  platform: string,
  arch: string,
  libc: Libc | null,
  triple: string,
  load: () => unknown,
): Target {
  // As napi-rs names files and packages.
  const [abi = ''] = /-(?:gnu|musl)\w*$/.exec(triple) ?? [];
  return { name: `${platform}-${arch}${abi}`, triple, platform, arch, libc, load };
}
