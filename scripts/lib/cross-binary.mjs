// Binaries of other systems, built here: zig is the C compiler and linker of all of them, with the
// libraries of each.
import { copyFileSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hint, root, run } from './process.mjs';
import { checkCargo } from './requirements.mjs';
import { step } from './setup.mjs';
import { upToDate } from './stamp.mjs';

const folder = join('target', 'cross');
const zig = join('.cache', 'zig');
/** The releases of PyPI that are used. */
const ZIG_PACKAGES = ['cargo-zigbuild==0.24.1', 'ziglang==0.15.2'];

/** The oldest glibc that binaries run on: `GLIBC_FLOOR` of `ts/boundary/targets.ts`. */
export const GLIBC = '2.17';

/**
 * The path of the binary for a target of Rust, which is built if it is missing or out of date. One for
 * glibc is linked against the functions of the oldest one that it runs on.
 * @param {string} triple
 */
export function crossBinary(triple) {
  const binary = join(folder, `ioloop.${triple}.node`);
  upToDate({
    name: `cross-${triple}`,
    from: ['crates', 'Cargo.toml', 'Cargo.lock'],
    gives: [binary],
    make: () => {
      checkCargo();
      const target = /-linux-gnu(eabihf)?$/.test(triple) ? `${triple}.${GLIBC}` : triple;
      const env = { ...zigEnvironment(), ...environmentOf(triple) };
      addTarget(triple);
      step(
        `building the binary for ${target}`,
        'cargo',
        ['zigbuild', '--release', '--locked', '-p', 'ioloop-napi', '--target', target],
        env,
      );
      const library = isWindows(triple) ? 'ioloop_napi.dll' : 'libioloop_napi.so';
      // Removed first: a process that runs on the old file keeps it.
      rmSync(join(root, binary), { force: true });
      copyFileSync(join(root, folder, triple, 'release', library), join(root, binary));
    },
  });
  return join(root, binary);
}

/** The environment in which zig and `cargo zigbuild` are found. @returns {Record<string, string>} */
export function zigEnvironment() {
  upToDate({
    name: 'zig',
    from: [],
    gives: [zig],
    make: () => {
      mkdirSync(join(root, '.cache'), { recursive: true });
      const python = ['-m', 'venv', join(root, zig)];
      step('preparing zig: a folder for it', 'python3', python);
      const pip = join(root, zig, 'bin', 'pip');
      step('preparing zig: its packages', pip, ['install', '--quiet', ...ZIG_PACKAGES]);
    },
  });
  return {
    PATH: `${join(root, zig, 'bin')}:${process.env['PATH']}`,
    CARGO_TARGET_DIR: join(root, folder),
  };
}

/** What a target needs besides. @param {string} triple @returns {Record<string, string>} */
function environmentOf(triple) {
  // musl is linked statically by default, and then there are no shared libraries.
  if (triple.includes('musl')) return { RUSTFLAGS: '-C target-feature=-crt-static' };
  return isWindows(triple) ? { LIBNODE_PATH: noLibrary() } : {};
}

/**
 * A folder with the library that napi-build asks for on Windows. It is empty: the binary takes the
 * functions of Node-API from its process when it is loaded (the feature `dyn-symbols` of napi).
 */
function noLibrary() {
  const libraries = join(root, folder, 'no-library');
  mkdirSync(libraries, { recursive: true });
  // napi-build looks for the first, linkers take one of the others.
  for (const name of ['libnode.dll', 'libnode.dll.a', 'libnode.a']) {
    writeFileSync(join(libraries, name), EMPTY_ARCHIVE);
  }
  return libraries;
}

const EMPTY_ARCHIVE = '!<arch>\n';

/** @param {string} triple */
function isWindows(triple) {
  return triple.includes('-windows-');
}

/** @param {string} triple */
function addTarget(triple) {
  if (!existsSync(join(root, folder, triple))) run('rustup', ['target', 'add', triple]);
}

/** What the command needs of the machine. */
export function checkCross() {
  if (process.platform === 'linux' && process.arch === 'x64') return;
  throw new Hint('Other systems are built and emulated on Linux x64 only.');
}
