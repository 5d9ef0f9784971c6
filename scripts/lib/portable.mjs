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
      for (const file of ['ava.mjs', 'assertions.mjs']) copyPart(file, join(module, file));
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
 * @typedef {{ command: string[], env: Record<string, string | undefined>, limitMs: number }} PortableStage
 */

/**
 * How the tests run on a host.
 * @param {string[]} command that runs a script
 * @param {object} options
 * @param {string} options.driver
 * @param {string} [options.binary] Another one than that of `native`.
 * @param {string} [options.execPath] The runtime, for tests that start it.
 * @param {boolean} [options.isEmulated] Files may take longer.
 * @returns {PortableStage}
 */
export function portableStage(command, { driver, binary, execPath, isEmulated = false }) {
  const env = {
    IOLOOP_DRIVER: driver,
    IOLOOP_TEST_EXEC_PATH: execPath,
    IOLOOP_TEST_LIMIT: isEmulated ? '400' : '120',
    NAPI_RS_NATIVE_LIBRARY_PATH: binary ?? process.env['NAPI_RS_NATIVE_LIBRARY_PATH'],
  };
  return { command, env, limitMs: (isEmulated ? 20 : 5) * 60_000 };
}

/**
 * Runs files of tests, each in a process of its own, as many at a time as there are cores.
 * @param {PortableStage} stage
 * @param {readonly string[]} files
 * @param {import('./counters.mjs').Show} show
 * @returns {Promise<import('./counters.mjs').Result>}
 */
export async function runPortable({ command: [program, ...args], env, limitMs }, files, show) {
  const counters = new Map(files.map((file) => [file, tapCounter(show)]));
  const left = [...files];
  const total = { passed: 0, failed: 0, skipped: 0 };
  const runNext = async () => {
    for (let file = left.shift(); file !== undefined; file = left.shift()) {
      const counter = counters.get(file);
      const code = await stream(program, [...args, portableRunner, portableFile(file)], {
        env,
        limitMs,
        onLine: (line) => counter.read(line),
      });
      add(total, counter.end(code));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, runNext));
  return total;
}
