// Hooks of Node's loader: `ava.mjs` for the files of tests, `observe.mjs` for what they start.
const OURS = new URL('ava.mjs', import.meta.url).href;
const OBSERVE = new URL('observe.mjs', import.meta.url).href;
const TESTS = new URL('../../build/__test__/', import.meta.url).href;
const PACKAGE = new URL('../../dist/index.js', import.meta.url).href;

let isOfTests = true;

/** @type {import('node:module').InitializeHook<{ isOfTests: boolean }>} */
export function initialize(data) {
  ({ isOfTests } = data);
}

/** @type {import('node:module').ResolveHook} */
export function resolve(specifier, context, next) {
  const isTest = isOfTests && specifier === 'ava' && context.parentURL?.startsWith(TESTS);
  return isTest ? { url: OURS, shortCircuit: true } : next(specifier, context);
}

/** @type {import('node:module').LoadHook} */
export async function load(url, context, next) {
  const loaded = await next(url, context);
  if (isOfTests || url !== PACKAGE) return loaded;
  return { ...loaded, source: `${loaded.source}\nimport ${JSON.stringify(OBSERVE)};` };
}
