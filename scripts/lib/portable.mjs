// The tests without ava: a copy of `build` in which `ava` is `scripts/portable`. A copy, as each
// runtime resolves modules by the real path of a file.
import { availableParallelism } from 'node:os';
import { copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { add, tapCounter } from './counters.mjs';
import { root, stream } from './process.mjs';
import { setUp, setUpTests } from './setup.mjs';
import { upToDate } from './stamp.mjs';

const folder = 'build-portable';

/** The script that runs one file. */
export const portableRunner = join(root, folder, 'run.mjs');

/** A compiled file of tests, by its name without `.test.js`. @param {string} name */
export function portableFile(name) {
  return join(root, folder, '__test__', `${name}.test.js`);
}

/**
 * @typedef {import('./counters.mjs').Result} Result
 * @typedef {import('./counters.mjs').Show} Show
 */

/** All the set-up of a fresh clone, and the copy. */
export function setUpPortable() {
  setUp();
  setUpTests();
  upToDate({
    name: 'portable',
    from: ['build', 'scripts/portable'],
    gives: [folder],
    make: () => {
      rmSync(join(root, folder), { recursive: true, force: true });
      const module = join(root, folder, 'node_modules', 'ava');
      mkdirSync(module, { recursive: true });
      cpSync(join(root, 'build'), join(root, folder), { recursive: true });
      for (const file of ['ava.mjs', 'assertions.mjs', 'refusals.mjs'])
        copyPart(file, join(module, file));
      copyPart('run.mjs', portableRunner);
      copyPart('capabilities.mjs', join(root, folder, 'capabilities.mjs'));
      const description = { name: 'ava', version: '0.0.0', exports: './ava.mjs' };
      writeFileSync(join(module, 'package.json'), JSON.stringify(description));
    },
  });
}

/** @param {string} file @param {string} to */
function copyPart(file, to) {
  copyFileSync(join(root, 'scripts', 'portable', file), to);
}

/**
 * @typedef {object} PortableStage
 * @property {string[]} command
 * @property {Record<string, string | undefined>} env
 * @property {number} fileLimitMs How long one file may take.
 * @property {number} limitMs How long all of them may take.
 * @property {(file: string) => readonly string[] | 'all'} mayBeRefused The titles of the tests of a file
 * that are unsupported if they fail after the package has refused something in them.
 */

/**
 * How the tests run on a host.
 * @param {string[]} command that runs a script
 * @param {object} options
 * @param {string} options.driver
 * @param {string} [options.binary] Another one than that of `native`.
 * @param {string} [options.execPath] The runtime, for tests that start it.
 * @param {boolean} [options.isEmulated] Files may take longer.
 * @param {PortableStage['mayBeRefused']} [options.mayBeRefused] See {@link PortableStage}. None by default.
 * @returns {PortableStage}
 */
export function portableStage(command, options) {
  const { driver, binary, execPath, isEmulated = false, mayBeRefused = () => [] } = options;
  const env = {
    // Without descriptors there is one driver, which is not chosen.
    IOLOOP_DRIVER: driver === 'host' ? undefined : driver,
    IOLOOP_TEST_EXEC_PATH: execPath,
    IOLOOP_TEST_LIMIT: isEmulated ? '200' : '120',
    NAPI_RS_NATIVE_LIBRARY_PATH: binary ?? process.env['NAPI_RS_NATIVE_LIBRARY_PATH'],
  };
  const [file, all] = isEmulated ? [8, 25] : [5, 15];
  return { command, env, fileLimitMs: file * 60_000, limitMs: all * 60_000, mayBeRefused };
}

/**
 * Runs files of tests, each in a process of its own, as many at a time as there are cores.
 * @param {PortableStage} stage
 * @param {readonly string[]} files
 * @param {Show} show
 * @returns {Promise<Result>}
 */
export async function runPortable(stage, files, show) {
  const end = performance.now() + stage.limitMs;
  const left = [...files];
  const total = { passed: 0, failed: 0, skipped: 0 };
  const runNext = async () => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      const limitMs = Math.min(stage.fileLimitMs, end - performance.now());
      add(total, await runFile(stage, file, limitMs, show));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, runNext));
  return total;
}

/** @param {PortableStage} stage @param {string} file @param {number} limitMs @param {Show} show */
async function runFile({ command, env, mayBeRefused }, file, limitMs, show) {
  if (limitMs <= 0) {
    show(`${file}: not run, since the files before it took too long: a failure`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
  const [program = '', ...args] = command;
  const counter = tapCounter(show, { hasPlan: true });
  const titles = mayBeRefused(file);
  const code = await stream(program, [...args, portableRunner, portableFile(file)], {
    env: { ...env, IOLOOP_TEST_UNSUPPORTED: titles === 'all' ? titles : JSON.stringify(titles) },
    limitMs,
    onLine: (line) => counter.read(line),
  });
  return counter.end(code);
}
