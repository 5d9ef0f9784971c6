// Projects with ioloop from a registry, as its users have them.
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hint } from '../lib/process.mjs';
import { fetched } from '../lib/runtimes.mjs';

/** How long one program or installation may take, in milliseconds. */
const LIMIT_MS = 5 * 60_000;

/** Prints what the import of the package gives. Runs on every runtime. */
const PROGRAM = `import('ioloop').then(
  ({ versions }) => print({ code: 'loaded', message: versions.ioloop }),
  ({ code, message }) => print({ code, message }),
);
function print(found) {
  console.log(JSON.stringify(found));
}
`;

/**
 * @typedef {object} Outcome
 * @property {string} code The code of the error; `loaded` without one, `exit N` without a line.
 * @property {string} message
 */

/** A folder with a package.json that depends on ioloop, and with a program that imports it. */
export class Project {
  folder = mkdtempSync(join(tmpdir(), 'ioloop-environment-'));
  /** @type {Record<string, string>} */
  #env;

  /** @param {Record<string, string>} env The environment of npm, which chooses the registry. @param {string} version */
  constructor(env, version) {
    this.#env = env;
    // Other users get to it, too.
    chmodSync(this.folder, 0o755);
    this.write(
      'package.json',
      JSON.stringify({ private: true, dependencies: { ioloop: version } }),
    );
    this.write('main.mjs', PROGRAM);
  }

  /** @param {string} path @param {string | Uint8Array} contents */
  write(path, contents) {
    writeFileSync(join(this.folder, path), contents);
  }

  /** The path of an installed package. @param {string} name */
  module(name) {
    return join(this.folder, 'node_modules', name);
  }

  /** The platform packages that are installed. */
  binaries() {
    return readdirSync(join(this.folder, 'node_modules')).filter((name) =>
      name.startsWith('ioloop-'),
    );
  }

  /** The file of an installed platform package's binary. @param {string} name */
  binary(name) {
    const file = readdirSync(this.module(name)).find((entry) => entry.endsWith('.node'));
    return join(this.module(name), file ?? '');
  }

  /** Runs npm in the project. @param {...string} args */
  npm(...args) {
    this.#run(['npm', ...args, '--no-audit', '--no-fund']);
  }

  /** Runs another version of npm. @param {string} program @param {...string} args */
  otherNpm(program, ...args) {
    this.#run([process.execPath, program, ...args, '--no-audit', '--no-fund']);
  }

  /** Runs pnpm in the project. @param {...string} args */
  pnpm(...args) {
    const program = fetched('pnpm@10', 'pnpm-10', join('pnpm', 'bin', 'pnpm.cjs'));
    this.#run([process.execPath, program, ...args]);
  }

  /** @param {string[]} command */
  #run([program, ...args]) {
    const { status, stdout, stderr } = spawnSync(program, args, {
      cwd: this.folder,
      env: { ...process.env, ...this.#env },
      encoding: 'utf8',
      timeout: LIMIT_MS,
    });
    if (status !== 0) throw new Hint(`${program} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  }

  /**
   * What an import gives under this command. @param {string[]} command @param {Record<string, string>} [env]
   * @returns {Outcome}
   */
  imported(command = [process.execPath, 'main.mjs'], env = {}) {
    const [program, ...args] = command;
    const { PATH = '', HOME = '' } = process.env;
    const { status, signal, stdout, stderr } = spawnSync(program, args, {
      cwd: this.folder,
      env: { PATH, HOME, NO_COLOR: '1', ...env },
      encoding: 'utf8',
      timeout: LIMIT_MS,
    });
    const line = stdout.split('\n').find((text) => text.startsWith('{'));
    if (line !== undefined) return JSON.parse(line);
    return { code: `exit ${signal ?? status}`, message: `${stdout}${stderr}`.trim() };
  }

  /** Another project with the same files. */
  copy() {
    const other = new Project(this.#env, '*');
    rmSync(other.folder, { recursive: true });
    cpSync(this.folder, other.folder, { recursive: true, verbatimSymlinks: true });
    return other;
  }

  remove() {
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** @param {string} path */
  makeFolder(path) {
    mkdirSync(join(this.folder, path), { recursive: true });
  }
}
