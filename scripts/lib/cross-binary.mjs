// Binaries of other systems, built here: zig is the C compiler and linker of all of them, with the
// libraries of each.
import { copyFileSync, existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Hint, root, run } from './process.mjs';
import { checkCargo } from './requirements.mjs';
import { step } from './setup.mjs';
import { upToDate } from './stamp.mjs';

const folder = join('target', 'cross');
const zig = join('.cache', 'zig');
/** The releases of PyPI that are used. */
const ZIG_PACKAGES = ['cargo-zigbuild==0.24.1', 'ziglang==0.15.2'];

/**
 * The path of the binary for a target of Rust, which is built if it is missing or out of date.
 * @param {string} triple
 * @param {string} [glibc] The oldest glibc that it runs on; linked against the functions of that one.
 */
export function crossBinary(triple, glibc) {
  const binary = join(folder, `ioloop.${triple}.node`);
  upToDate({
    name: `cross-${triple}`,
    from: ['crates', 'Cargo.toml', 'Cargo.lock'],
    gives: [binary],
    make: () => {
      checkCargo();
      const target = glibc === undefined ? triple : `${triple}.${glibc}`;
      const env = zigEnvironment(triple);
      addTarget(triple);
      step(
        `building the binary for ${target}`,
        'cargo',
        ['zigbuild', '--release', '--locked', '-p', 'ioloop-napi', '--target', target],
        env,
      );
      // Removed first: a process that runs on the old file keeps it.
      rmSync(join(root, binary), { force: true });
      copyFileSync(join(root, folder, triple, 'release', 'libioloop_napi.so'), join(root, binary));
    },
  });
  return join(root, binary);
}

/** Compiles for a target whose libraries are not here: nothing is linked. @param {string} triple */
export function crossCheck(triple) {
  addTarget(triple);
  run('cargo', ['check', '--locked', '--workspace', '--target', triple], {
    CARGO_TARGET_DIR: join(root, folder),
  });
}

/** The environment of `cargo zigbuild`. @param {string} triple @returns {Record<string, string>} */
function zigEnvironment(triple) {
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
    // musl is linked statically by default, and then there are no shared libraries.
    ...(triple.includes('musl') ? { RUSTFLAGS: '-C target-feature=-crt-static' } : {}),
  };
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
