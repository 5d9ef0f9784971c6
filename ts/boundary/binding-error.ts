/**
 * Why no binary could be loaded, and what to do about it: the error of an import that fails.
 *
 * The reason is looked for in the order of the table below; the first that applies is the answer. Only
 * if none does are the likely ones listed.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { environment } from '../support/environment.js';
import { noBinding, type IOLoopError } from '../support/errors.js';
import { OWN_URL } from '../support/own-url.js';
import { PACKAGE_VERSION } from '../support/package-version.js';
import {
  chosenPath,
  describeHost,
  describeRuntime,
  fits,
  isNodeTooOld,
  NODE_VERSIONS,
  type Host,
} from './host.js';
import { targets, wasmTarget } from './targets.js';

/** A candidate that was not loaded. */
export interface Attempt {
  /** The package or the file. */
  readonly name: string;
  /** The absolute path of a file; `null` for a package. */
  readonly path: string | null;
  /** The version of the binary, if it is another one than that of this package. */
  readonly version: string | null;
  /** Why it was not tried, as the end of a sentence; `null` if it was. */
  readonly flaw: string | null;
  /** The error of loading it; `null` if there was none. */
  readonly error: unknown;
}

/** A reason, and what to do: two sentences without their full stops. */
type Diagnosis = readonly [reason: string, remedy: string];

/** The error of an import on `host`, where `failed` could not be loaded. */
export function bindingError(host: Host, failed: readonly Attempt[]): IOLoopError {
  const [reason, remedy] = diagnosis(host, failed);
  const names = Array.from(new Set(failed.map(({ name }) => name))).join(', ');
  const sought = names === '' ? '' : `; looked for ${names}`;
  const where = `${describeHost(host)}, ${describeRuntime()}${sought}`;
  const cause = failed.find(({ error }) => error !== null && !isMissing(error))?.error;
  return noBinding(where, reason, remedy, supportedSystems(), cause);
}

/** The systems that have a binary, as the README names them: `Linux x64 (glibc, musl), macOS x64`. */
export function supportedSystems(): string {
  const libcs = new Map<string, string[]>();
  for (const { platform, arch, libc } of targets) {
    const name = `${SYSTEMS.get(platform) ?? platform} ${arch}`;
    const known = libcs.get(name) ?? [];
    libcs.set(name, libc === null ? known : [...known, libc]);
  }
  const names = Array.from(libcs, ([name, known]) =>
    known.length === 0 ? name : `${name} (${known.join(', ')})`,
  );
  return names.join(', ');
}

/** The systems' own names, by `process.platform`. */
const SYSTEMS = new Map([
  ['linux', 'Linux'],
  ['darwin', 'macOS'],
  ['freebsd', 'FreeBSD'],
  ['win32', 'Windows'],
]);

/** Why these could not be loaded on `host`, and what to do about it. */
export function diagnosis(host: Host, failed: readonly Attempt[]): Diagnosis {
  if (isNodeTooOld()) {
    return ['This version of Node.js is not supported', `Use Node.js ${NODE_VERSIONS}`];
  }
  for (const attempt of failed) {
    const found = ofFailure(attempt);
    if (found !== null) return found;
  }
  return ofMissing(host, failed);
}

/** The reason why a binary that is there could not be loaded. */
function ofFailure(attempt: Attempt): Diagnosis | null {
  const { name, version, flaw, error } = attempt;
  const isChosen = attempt.path !== null && attempt.path === chosenPath();
  const reinstall = isChosen
    ? 'Correct or unset NAPI_RS_NATIVE_LIBRARY_PATH'
    : 'Remove node_modules, and install again';
  if (version !== null) {
    return [`${name} is version ${version}, and ioloop is ${PACKAGE_VERSION}`, reinstall];
  }
  if (flaw !== null) return [`${name} ${flaw}`, reinstall];
  const { code = '', message = '' } = (error ?? {}) as { code?: string; message?: string };
  if (code === 'ERR_DLOPEN_DISABLED') return ofDisabled();
  const [, denied] = /Requires (\w+) access/.exec(message) ?? [];
  if (denied !== undefined) {
    return [`Deno was not permitted ${denied} access`, `Run it with --allow-${denied}`];
  }
  if (code === 'ERR_ACCESS_DENIED') {
    return [
      'The permission model does not let Node.js read the binary',
      'Add --allow-fs-read for node_modules, and --allow-addons',
    ];
  }
  const [, needed] = /GLIBC_([\d.]+)' not found/.exec(message) ?? [];
  if (needed !== undefined) {
    return [
      `The binary needs glibc ${needed} or later`,
      'Use a newer system or image, or one with musl, such as node:alpine',
    ];
  }
  const [library] = FOREIGN_LIBRARY.exec(message) ?? [];
  if (library !== undefined) {
    const libc = library.startsWith('ld-') || library === 'libc.so.6' ? 'glibc' : 'musl';
    return [`${name} is for ${libc}, which this system does not have`, reinstall];
  }
  if (/failed to map segment|Operation not permitted/.test(message)) {
    return [
      `The system does not let this process execute ${name}, as on a file system with noexec`,
      'Install on another file system, or mount this one without noexec',
    ];
  }
  if (message.includes('Permission denied')) return ofUnreadable(name);
  if (isMissing(error)) {
    return isChosen ? [`NAPI_RS_NATIVE_LIBRARY_PATH: there is no file ${name}`, reinstall] : null;
  }
  const [line = ''] = message.split('\n');
  return [`${name} cannot be loaded: ${line}`, reinstall];
}

/** The C library that a binary asks for, in the error of a system that has another one. */
const FOREIGN_LIBRARY =
  /libc\.musl-\w+\.so\.1|\blibc\.so(?=:)|ld-linux[\w-]*\.so\.\d|libc\.so\.6(?=:)/;

/** By the permissions of files. */
function ofUnreadable(name: string): Diagnosis {
  return [`The user of this process may not read ${name}`, 'Let it read all of node_modules'];
}

/** Node was not permitted to load any addon. */
function ofDisabled(): Diagnosis {
  const options = `${process.execArgv.join(' ')} ${environment('NODE_OPTIONS') ?? ''}`;
  const hasPermissions = 'permission' in process && process.permission !== undefined;
  if (hasPermissions && !options.includes('--no-addons')) {
    return ['The permission model is on, and does not allow addons', 'Add --allow-addons'];
  }
  return ['Node.js was started with --no-addons', 'Start it without --no-addons'];
}

/** The reason why the package of this system is not installed. */
function ofMissing(host: Host, failed: readonly Attempt[]): Diagnosis {
  const wanted = failed.map(({ name }) => name).filter((name) => name !== WASM_PACKAGE);
  if (wanted.length === 0) {
    const isForced = targets.some((target) => fits(target, host));
    const reason = isForced
      ? `NAPI_RS_FORCE_WASI is error, and ${WASM_PACKAGE} is not installed`
      : `There is no binary for this system, and ${WASM_PACKAGE} is not installed`;
    return [reason, `Install it: npm install ${WASM_PACKAGE}@${PACKAGE_VERSION}`];
  }
  const missing = `${wanted.join(' or ')} is not installed`;
  const home = packageHome();
  if (home === null) {
    return [
      `ioloop is part of a bundle, and its binary (${wanted.join(' or ')}) is not installed there`,
      "Mark ioloop as external in the bundler (external: ['ioloop']), and install it where the " +
        'bundle runs',
    ];
  }
  if (existsSync(join(home, 'crates'))) {
    return ['The binary of this source tree has not been built', 'Run npm run build:native'];
  }
  const installed = platformPackages(dirname(home));
  const own = installed.find((name) => wanted.includes(name));
  if (own !== undefined) return ofIncomplete(join(dirname(home), own), own);
  if (installed.length > 0) {
    return [
      `${missing}, but ${installed.join(', ')} is: node_modules is that of another system`,
      'Install on the system that runs the program: do not copy node_modules',
    ];
  }
  const lock = lockFileAbove(home);
  if (lock !== null && !wanted.some((name) => isListed(name, lock.text))) {
    return [
      `${missing}: ${lock.name} was written on another system, and does not list it`,
      `Remove node_modules and ${lock.name}, and install again`,
    ];
  }
  if (lock !== null) {
    return [
      `${missing}: optional dependencies were left out (--omit=optional)`,
      'Install with optional dependencies: npm install --include=optional',
    ];
  }
  return [
    `${missing}. The likely reasons: optional dependencies were left out (--omit=optional), or ` +
      'the lock file or node_modules is that of another system',
    'Install on this system with optional dependencies: npm install --include=optional',
  ];
}

/** The package of this system is there, and has no binary that can be found. */
function ofIncomplete(folder: string, name: string): Diagnosis {
  try {
    readdirSync(folder);
  } catch {
    return ofUnreadable(name);
  }
  return [
    `${name} is installed, but its binary is not: it was removed, or left out of a copy`,
    'Remove node_modules, and install again',
  ];
}

/** Whether a lock file has a package; each names it as a dependency of `ioloop`, too. */
function isListed(name: string, lock: string): boolean {
  // `name@version` in those of pnpm, yarn and bun.
  return lock.includes(`node_modules/${name}"`) || lock.includes(`${name}@`);
}

const WASM_PACKAGE = `ioloop-${wasmTarget.name}`;

function isMissing(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'MODULE_NOT_FOUND';
}

/** The folder of this package; `null` if this code was bundled and is elsewhere. */
function packageHome(): string | null {
  try {
    const home = join(dirname(fileURLToPath(OWN_URL)), '..');
    const { name } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
      name?: string;
    };
    return name === 'ioloop' ? home : null;
  } catch {
    return null;
  }
}

function platformPackages(folder: string): string[] {
  try {
    const known = new Set(targets.map(({ name }) => `ioloop-${name}`));
    return readdirSync(folder).filter((name) => known.has(name));
  } catch {
    return [];
  }
}

/** The lock file of the project that this package is installed in. */
function lockFileAbove(home: string): { name: string; text: string } | null {
  for (let folder = dirname(home); dirname(folder) !== folder; folder = dirname(folder)) {
    for (const name of LOCK_FILES) {
      try {
        return { name, text: readFileSync(join(folder, name), 'utf8') };
      } catch {
        // Not here, or not to be read.
      }
    }
  }
  return null;
}

const LOCK_FILES = [
  'package-lock.json',
  'npm-shrinkwrap.json',
  'pnpm-lock.yaml',
  'yarn.lock',
  'bun.lock',
];
