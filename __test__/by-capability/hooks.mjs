// Hooks of Node's loader: `ava` is another module for the files of tests.
const OURS = new URL('ava.mjs', import.meta.url).href;
const TESTS = new URL('../../build/__test__/', import.meta.url).href;

/** @type {import('node:module').ResolveHook} */
export function resolve(specifier, context, next) {
  const isTest = specifier === 'ava' && context.parentURL?.startsWith(TESTS);
  return isTest ? { url: OURS, shortCircuit: true } : next(specifier, context);
}
