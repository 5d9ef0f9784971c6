/**
 * Modules of Node that few programs need: loaded by their first use, as each adds to the time of the
 * import. `__test__/import.test.ts` has the list of those that the import loads.
 */

let net: typeof import('node:net') | undefined;
let v8: typeof import('node:v8') | undefined;
let tls: typeof import('node:tls') | undefined;

/** `node:net`; in browsers only what needs no socket. */
export function nodeNet(): typeof import('node:net') {
  return (net ??= process.getBuiltinModule('node:net'));
}

/** `node:v8`. */
export function nodeV8(): typeof import('node:v8') {
  return (v8 ??= process.getBuiltinModule('node:v8'));
}

/** `node:tls`; in browsers all of it is absent. */
export function nodeTls(): typeof import('node:tls') {
  return (tls ??= process.getBuiltinModule('node:tls'));
}

/** `node:child_process`, which loads `node:net` and `node:dgram`. */
export function nodeChildProcess(): typeof import('node:child_process') {
  return process.getBuiltinModule('node:child_process');
}
