// The examples of the README that each consumer runs, taken from the page itself: the first one, and
// a TCP server with its client. Each is a program with the output that stands below it.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../lib/process.mjs';

/**
 * @typedef {object} Example
 * @property {string} name
 * @property {string} source an ES module, with `await` at its top level
 * @property {string} names what it imports from the package: `{ IOLoop, Socket }`
 * @property {string} body the source below the import
 * @property {string} output
 */

const page = readFileSync(join(root, 'README.md'), 'utf8');

/** @type {[Example, Example]} */
export const examples = [
  exampleAfter('# ioloop', 'first'),
  exampleAfter('## Servers and clients', 'server'),
];

/** Timers, for the WebAssembly flavour. */
export const timersExample = exampleAfter('## Timers', 'timers');

/** A group of workers. */
export const workersExample = exampleAfter('## All cores', 'workers');

/** The program without `await` at its top level, which CommonJS does not have. @param {Example} example */
export function inFunction({ names, body }) {
  return `import ${names} from 'ioloop';\n\nvoid (async () => {\n${body}})();\n`;
}

/** @param {Example} example */
export function commonjs({ names, body }) {
  return `const ${names} = require('ioloop');\n\nvoid (async () => {\n${body}})();\n`;
}

/** A test whose body is the example, and which compares its output. @param {Example} example @param {string} imports */
export function testOf({ name, body, output }, imports) {
  const lines = JSON.stringify(output.trim().split('\n'));
  return `${imports}

test('${name}', async () => {
  const lines = [];
  const console = { log: (...words) => lines.push(words.join(' ')) };
${body}
  expect(lines).toEqual(${lines});
});
`;
}

/** @param {string} heading @param {string} name @returns {Example} */
function exampleAfter(heading, name) {
  const text = page.slice(page.indexOf(`${heading}\n`));
  const pattern = /```js\n(import (\{.*?\}) from 'ioloop';\n(.*?))```\n\n```text\n(.*?)```/s;
  const [, source, names, body, output] = text.match(pattern) ?? [];
  if (source === undefined) throw new Error(`no example with its output after ${heading}`);
  return { name, source, names, body, output };
}
