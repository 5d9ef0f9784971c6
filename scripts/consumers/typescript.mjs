// Programs in TypeScript: strict, with the typings of the package checked too, compiled and run.
import { join } from 'node:path';
import { examples } from './examples.mjs';
import { same } from './project.mjs';

/** @typedef {import('../consumers.mjs').Consumer} Consumer */

const STRICT = {
  strict: true,
  skipLibCheck: false,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  target: 'es2022',
  lib: ['es2023', 'esnext.disposable'],
  types: ['node'],
  // Types that are inferred from the package have names that can be written.
  declaration: true,
  rootDir: '.',
};

/** Each entry of the package, and exported values whose types are inferred. */
const TYPINGS = `
import * as ioloop from 'ioloop';
import * as prometheus from 'ioloop/prometheus';
import * as opentelemetry from 'ioloop/opentelemetry';

export const everything = { ioloop, prometheus, opentelemetry };
export const loop = ioloop.IOLoop.current();
export const server = new ioloop.TCPServer(async (stream) => stream.end());
export const streams = server.streams();
export const reading = async (stream: ioloop.IOStream) => stream.readUntil('\\n', { maxBytes: 1 });
export const duplex = (stream: ioloop.IOStream) => stream.toDuplex();
export const timeout = loop.callLater(1, () => undefined);
export const remote = loop.remote();
export const metrics = loop.metrics();
`;

/** @type {Consumer[]} */
export const typescript = [
  resolution('NodeNext', { module: 'nodenext', moduleResolution: 'nodenext' }),
  resolution('Bundler', { module: 'esnext', moduleResolution: 'bundler' }),
];

/** @param {string} name @param {object} options @returns {Consumer} */
function resolution(name, options) {
  const folder = name.toLowerCase();
  return {
    name: `TypeScript, ${name}`,
    project: 'typescript',
    isQuick: name === 'NodeNext',
    run(project) {
      const compilerOptions = { ...STRICT, ...options, outDir: 'out' };
      project.write({
        [`${folder}/tsconfig.json`]: JSON.stringify({ compilerOptions, include: ['*.ts'] }),
        [`${folder}/typings.ts`]: TYPINGS,
      });
      for (const example of examples) {
        project.write({ [`${folder}/${example.name}.ts`]: example.source });
      }
      same(project.tool('typescript/bin/tsc', '-p', folder, '--pretty', 'false'), '', 'tsc');
      for (const example of examples) {
        project.expect([join(folder, 'out', `${example.name}.js`)], example.output);
      }
    },
  };
}
