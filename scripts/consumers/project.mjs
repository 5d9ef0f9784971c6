// An empty project outside the repository, with the packages installed from their tarballs.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { tools } from './tools.mjs';

/**
 * @typedef {import('../lib/packages.mjs').Packed} Packed
 * @typedef {{ cwd?: string, env?: Record<string, string> }} RunOptions
 */

/** How long one command may take, in milliseconds. */
const LIMIT_MS = 180_000;

/** The projects in which it is installed: elsewhere it would hide that a binary is not loaded. */
const WITH_WASM = new Set(['wasm', 'publint']);
const WASM = 'ioloop-wasm32-wasip1';

/** A command of a project has failed: the message is what it has written. */
export class Failure extends Error {}

/** A project with one set of tools. */
export class Project {
  /**
   * @param {string} folder which is made
   * @param {string} name of the tools
   * @param {Packed[]} packed
   */
  constructor(folder, name, packed) {
    this.folder = join(folder, name);
    mkdirSync(this.folder);
    const own = packed.at(-1);
    const platforms = packed.slice(0, -1).filter((one) => one.name !== WASM || WITH_WASM.has(name));
    const manifest = {
      private: true,
      type: 'module',
      dependencies: { ioloop: `file:${own?.file}` },
      // Optional, as in the package: npm leaves out those of other systems.
      optionalDependencies: Object.fromEntries(
        platforms.map((platform) => [platform.name, `file:${platform.file}`]),
      ),
      devDependencies: tools[name],
    };
    this.write({ 'package.json': JSON.stringify(manifest, null, 2) });
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];
    this.run('npm', ['install', '--ignore-scripts', '--prefer-offline', ...quiet]);
  }

  /** @param {Record<string, string>} files */
  write(files) {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, path)), { recursive: true });
      writeFileSync(join(this.folder, path), text);
    }
  }

  /** Whether npm has installed a package. @param {string} name */
  has(name) {
    return existsSync(join(this.folder, 'node_modules', name));
  }

  /** The platform packages that npm has installed here. */
  platformPackages() {
    return readdirSync(join(this.folder, 'node_modules')).filter((name) =>
      name.startsWith('ioloop-'),
    );
  }

  /** The package.json of an installed package. @param {string} name */
  manifest(name) {
    const file = join(this.folder, 'node_modules', name, 'package.json');
    return JSON.parse(readFileSync(file, 'utf8'));
  }

  /**
   * Runs a command in the project, and gives what it has written to stdout.
   * @param {string} command @param {string[]} args @param {RunOptions} [options]
   * @throws {Failure} for another exit code than 0.
   */
  run(command, args, { cwd = this.folder, env = {} } = {}) {
    const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
      cwd,
      env: { ...environment(), ...env },
      encoding: 'utf8',
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: 64 << 20,
    });
    if (status === 0) return stdout;
    const reason = error?.message ?? signal ?? `exit code ${status}`;
    throw new Failure(`${[command, ...args].join(' ')}: ${reason}\n${stdout}${stderr}`.trim());
  }

  /**
   * Runs what has to fail, with this message.
   * @param {RegExp} message @param {() => void} run
   * @throws {Failure} if it does not.
   */
  fails(message, run) {
    try {
      run();
    } catch (error) {
      if (error instanceof Failure && message.test(error.message)) return;
      throw error;
    }
    throw new Failure(`there is no error with the message ${message}`);
  }

  /** Runs a program of the installed tools. @param {string} file @param {string[]} args */
  tool(file, ...args) {
    return this.run(process.execPath, [join('node_modules', file), ...args]);
  }

  /**
   * Runs a program, and compares its output.
   * @param {string[]} args of Node @param {string} expected
   * @param {RunOptions & { node?: string }} [options]
   */
  expect(args, expected, { node = process.execPath, ...options } = {}) {
    same(this.run(node, args, options), expected, `node ${args.join(' ')}`);
  }
}

/** @param {string} found @param {string} expected @param {string} what */
export function same(found, expected, what) {
  if (found === expected) return;
  throw new Failure(`${what} gives\n${found}\nand not\n${expected}`);
}

/** That of a user: without Rust, and without what chooses another binary or driver. */
function environment() {
  const kept = ['HOME', 'LANG', 'TMPDIR', 'SystemRoot', 'npm_config_cache', 'npm_config_registry'];
  const path = (process.env['PATH'] ?? '')
    .split(delimiter)
    .filter((folder) => !/\bcargo\b|\brustup\b|node_modules/.test(folder));
  return {
    ...Object.fromEntries(kept.map((name) => [name, process.env[name]])),
    PATH: path.join(delimiter),
    NO_COLOR: '1',
    CI: '1',
  };
}
