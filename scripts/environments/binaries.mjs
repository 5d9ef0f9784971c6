// Binaries that are there and cannot be loaded: the file of the installed platform package is
// replaced. Those for other systems are made by the C compiler, since the linker of this system
// has to refuse them by itself.
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Hint } from '../lib/process.mjs';

/** @typedef {import('../environments.mjs').Context} Context */
/** @typedef {import('../environments.mjs').Row} Row */

/** `e_machine` of an architecture that is not the one of this process. */
const [OTHER_ARCH, OTHER_MACHINE] = process.arch === 'arm64' ? ['x64', 62] : ['arm64', 183];

/** @type {Row[]} */
export const binaries = [
  {
    name: 'binary cut off in the middle',
    code: 'ERR_IOLOOP_BINDING',
    message: /is incomplete: \d+ of \d+ bytes are there\. Remove node_modules, and install again/,
    make: (context) => replaced(context, (binary) => binary.subarray(0, binary.length / 2)),
  },
  {
    name: 'binary of 100 bytes',
    code: 'ERR_IOLOOP_BINDING',
    message: /is incomplete: 100 of \d+ bytes are there\. Remove node_modules/,
    make: (context) => replaced(context, (binary) => binary.subarray(0, 100)),
  },
  {
    name: 'binary replaced by text (a pointer of Git LFS)',
    code: 'ERR_IOLOOP_BINDING',
    message: /is not a binary\. Remove node_modules, and install again/,
    make: (context) =>
      replaced(context, () =>
        Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0'),
      ),
  },
  {
    name: `binary for ${OTHER_ARCH}`,
    code: 'ERR_IOLOOP_BINDING',
    message: RegExp(`is for ${OTHER_ARCH}, and this process is ${process.arch}\\. Remove`),
    // The linker goes by this field alone.
    make: (context) =>
      replaced(context, (binary) => {
        binary.writeUInt16LE(OTHER_MACHINE, 18);
        return binary;
      }),
  },
  {
    name: 'binary that needs a newer glibc',
    code: 'ERR_IOLOOP_BINDING',
    message: /The binary needs glibc 9\.99 or later\. Use a newer system or image/,
    make: (context) => compiled(context, 'libc.so.6', 'GLIBC_9.99 { global: ioloop_probe; };'),
  },
  {
    name: 'binary for musl (Alpine)',
    code: 'ERR_IOLOOP_BINDING',
    message: /is for musl, which this system does not have\. Remove node_modules/,
    make: (context) => compiled(context, 'libc.musl-x86_64.so.1'),
  },
  {
    name: 'binary for musl (zig)',
    code: 'ERR_IOLOOP_BINDING',
    message: /is for musl, which this system does not have\. Remove node_modules/,
    make: (context) => compiled(context, 'libc.so'),
  },
  {
    name: 'binary of another version of the package',
    code: 'ERR_IOLOOP_BINDING',
    message: /is version \d+\.\d+\.\d+, and ioloop is 99\.0\.0\. Remove node_modules/,
    make: ({ installed, use }) => {
      const project = use(installed.copy());
      const dist = join(project.module('ioloop'), 'dist');
      const { version } = JSON.parse(
        readFileSync(join(project.module('ioloop'), 'package.json'), 'utf8'),
      );
      for (const file of readdirSync(dist).filter((name) => name.endsWith('.js'))) {
        const source = readFileSync(join(dist, file), 'utf8');
        writeFileSync(join(dist, file), source.replaceAll(`"${version}"`, '"99.0.0"'));
      }
      return project.imported();
    },
  },
  {
    name: 'NAPI_RS_NATIVE_LIBRARY_PATH of a file that is not there',
    code: 'ERR_IOLOOP_BINDING',
    message: /NAPI_RS_NATIVE_LIBRARY_PATH: there is no file \/nowhere\.node\. Correct or unset/,
    make: ({ installed }) =>
      installed.imported(undefined, { NAPI_RS_NATIVE_LIBRARY_PATH: '/nowhere.node' }),
  },
];

/** Imports a project whose binary is changed. @param {Context} context @param {(binary: Buffer) => Uint8Array} change */
function replaced({ installed, use }, change) {
  const project = use(installed.copy());
  const [name = ''] = project.binaries();
  const file = project.binary(name);
  const changed = change(readFileSync(file));
  // A file of its own: the copy may share its blocks with others.
  rmSync(file);
  writeFileSync(file, changed);
  return project.imported();
}

/**
 * Imports a project whose binary needs a symbol of this library, which is only there when it is
 * linked.
 * @param {Context} context @param {string} soname @param {string} [versions] a version script of ld(1)
 */
function compiled({ installed, use }, soname, versions) {
  const project = use(installed.copy());
  const [name = ''] = project.binaries();
  project.makeFolder('c');
  project.write('c/library.c', 'int ioloop_probe(void) { return 1; }\n');
  project.write('c/addon.c', 'int ioloop_probe(void);\nint use(void) { return ioloop_probe(); }\n');
  project.write('c/versions', versions ?? '{ global: *; };');
  const cc = (/** @type {string[]} */ args) => {
    const { status, stderr } = spawnSync('cc', ['-shared', '-fPIC', '-nostdlib', ...args], {
      cwd: join(project.folder, 'c'),
      encoding: 'utf8',
    });
    if (status !== 0) throw new Hint(`cc ${args.join(' ')}: ${stderr}`);
  };
  const script = versions === undefined ? [] : ['-Wl,--version-script=versions'];
  cc(['-o', soname, 'library.c', `-Wl,-soname,${soname}`, ...script]);
  cc(['-o', project.binary(name), 'addon.c', `./${soname}`]);
  return project.imported();
}
