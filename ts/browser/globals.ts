/** The globals of Node that this package uses, as names of its modules: the page gets none. */
import { Buffer } from 'buffer/index.js';
import { absent } from './absent.js';
import * as others from './node/absent.js';
import * as net from './node/net.js';

export { Buffer };

/** Modules that the package loads when they are needed. */
const builtins: Readonly<Record<string, object>> = {
  'node:net': net,
  'node:v8': others,
  'node:child_process': others,
  'node:stream/web': globalThis,
  'node:dns': { lookup: absent('dns.lookup()') },
  'node:dns/promises': { lookup: absent('dns.lookup()') },
  'node:tls': others,
};

export const process = {
  platform: 'browser',
  arch: 'wasm32',
  pid: 1,
  argv: [],
  execArgv: [],
  env: {},
  versions: {},
  release: { name: 'browser' },
  getBuiltinModule: (name: string): object | undefined => builtins[name],
  nextTick: <Args extends unknown[]>(callback: (...args: Args) => void, ...args: Args): void =>
    queueMicrotask(() => callback(...args)),
  emitWarning: (warning: string | Error, { code = '' }: { readonly code?: string } = {}): void =>
    console.warn(code === '' ? warning : `[${code}] ${String(warning)}`),
  /** No event of a process comes. */
  on: (): void => {},
  once: (): void => {},
  removeListener: (): void => {},
};
