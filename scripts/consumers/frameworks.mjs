// Test frameworks: the examples as tests.
import { nodeBinary } from '../lib/runtimes.mjs';
import { examples, testOf } from './examples.mjs';

/** @typedef {import('../consumers.mjs').Consumer} Consumer */

/** @type {Consumer[]} */
export const frameworks = [
  ...['forks', 'threads'].map((pool) => vitest(pool)),
  jest('ES modules', 'mjs', (names) => `import ${names} from 'ioloop';`),
  // Earlier Nodes cannot link an ES module in the middle of a `require`, in a context of its own.
  jest('require, Node 24', 'cjs', (names) => `const ${names} = require('ioloop');`, '24'),
  jestInJsdom(),
];

/** @param {string} pool @returns {Consumer} */
function vitest(pool) {
  return {
    name: `vitest, ${pool}`,
    project: 'vitest',
    run(project) {
      for (const example of examples) {
        const imports = `import { expect, test } from 'vitest';\nimport ${example.names} from 'ioloop';`;
        project.write({ [`${example.name}.test.mjs`]: testOf(example, imports) });
      }
      project.tool('vitest/vitest.mjs', 'run', '--pool', pool);
    },
  };
}

/**
 * @param {string} name @param {string} extension @param {(names: string) => string} imports
 * @param {string} [major] of Node; otherwise that which runs this
 * @returns {Consumer}
 */
function jest(name, extension, imports, major) {
  return {
    name: `jest, ${name}`,
    project: 'jest',
    run: (project) => runJest(project, { folder: `jest-${extension}`, extension, imports, major }),
  };
}

/** jsdom resolves packages as browsers do, unless the options say otherwise. @returns {Consumer} */
function jestInJsdom() {
  const options = {
    folder: 'jest-jsdom',
    extension: 'mjs',
    imports: (/** @type {string} */ names) => `import ${names} from 'ioloop';`,
  };
  return {
    name: 'jest, jsdom',
    project: 'jest',
    run(project) {
      const testEnvironment = 'jsdom';
      project.fails(/customExportConditions: \['node'\]/, () =>
        runJest(project, { ...options, config: { testEnvironment } }),
      );
      const testEnvironmentOptions = { customExportConditions: ['node'] };
      runJest(project, { ...options, config: { testEnvironment, testEnvironmentOptions } });
    },
  };
}

/**
 * @param {import('./project.mjs').Project} project
 * @param {object} options
 * @param {string} options.folder
 * @param {string} options.extension
 * @param {(names: string) => string} options.imports
 * @param {string} [options.major]
 * @param {object} [options.config]
 */
function runJest(project, { folder, extension, imports, major, config = {} }) {
  const own = { testMatch: [`**/*.test.${extension}`], transform: {} };
  project.write({ [`${folder}/jest.config.json`]: JSON.stringify({ ...own, ...config }) });
  for (const example of examples) {
    const test = testOf(example, imports(example.names));
    project.write({ [`${folder}/${example.name}.test.${extension}`]: test });
  }
  const options = ['--experimental-vm-modules', '--no-warnings'];
  const args = ['node_modules/jest/bin/jest.js', '--config', `${folder}/jest.config.json`];
  project.run(major === undefined ? process.execPath : nodeBinary(major), [...options, ...args]);
}
