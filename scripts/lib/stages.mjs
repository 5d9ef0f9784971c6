// The stages of `npm test`: what each runs, and how its output is counted.
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { overPoll } from './poll-binary.mjs';
import { root, stream } from './process.mjs';
import { cargoCounter, checkCounter, tapCounter } from './counters.mjs';

/**
 * @typedef {import('./counters.mjs').Counter} Counter
 * @typedef {import('./counters.mjs').Show} Show
 *
 * @typedef {object} Stage
 * @property {string} name
 * @property {'check' | 'cargo' | 'loom' | 'ava'} kind What `--only` selects.
 * @property {(show: Show) => Counter} counter
 * @property {string} command
 * @property {string[]} args
 * @property {Record<string, string | undefined>} [env]
 * @property {number} [limitMs] It is ended then, as a failure.
 * @property {boolean} [isOfSources] A check that needs nothing of the set-up but the dependencies.
 */

/** The kinds of stages, for `--only`. */
export const kinds = ['check', 'cargo', 'loom', 'ava'];

/** The drivers that the ava suite runs over. */
export const drivers = ['libuv', 'thread'];

/** Stages that do not disturb each other, nor the set-up: they run side by side, first. @returns {Stage[]} */
export function checks() {
  const workspace = ['--workspace', '--all-targets'];
  const documented = ['--workspace', '--no-deps', '--document-private-items'];
  return [
    ofSources('oxlint', bin('oxlint'), ['--deny-warnings', '--format', 'unix']),
    ofSources('imports', bin('depcruise'), ['ts', '--config', '.dependency-cruiser.json']),
    ofSources('prettier', bin('prettier'), ['--check', '.']),
    ofSources('rustfmt', 'cargo', ['fmt', '--all', '--check', '--', '--color=never']),
    ofSources('clippy', 'cargo', ['clippy', ...workspace, '--', '-D', 'warnings']),
    ofSources('cargo doc', 'cargo', ['doc', ...documented], { RUSTDOCFLAGS: '-D warnings' }),
    check('generated files', 'git', ['diff', '--exit-code', '--', 'native', 'Cargo.lock']),
    check('API reference', bin('typedoc'), ['--emit', 'none']),
    check('types of tests', 'node', ['scripts/build-tests.mjs']),
    check('types of scripts', bin('tsc'), ['-p', 'tsconfig.scripts.json']),
  ];
}

/** The tests of the core. @returns {Stage} */
export function cargoTests() {
  return cargo('cargo test', ['test', '-p', 'ioloop', '--no-fail-fast']);
}

/**
 * Every interleaving of the threads that share an inbox or a lane, by loom: minutes, in a target
 * folder of its own.
 * @returns {Stage}
 */
export function loomModels() {
  const models = ['test', '-p', 'ioloop', '--no-fail-fast', '--test', 'loom_*'];
  const env = { RUSTFLAGS: '--cfg loom', CARGO_TARGET_DIR: join(root, 'target', 'loom') };
  return { ...cargo('loom', models, env), kind: 'loom' };
}

/** `npm run test:connections -- --quick`. @returns {Stage} */
export function connections() {
  const script = ['--expose-gc', 'scripts/connections.mjs', '--quick'];
  return { ...check('connections', process.execPath, script), limitMs: 120_000 };
}

/** The tests of the core over poll(2), without those of epoll. @returns {Stage} */
export function coreOverPoll() {
  return cargo('cargo test, poll', ['test', '-p', 'ioloop', '--no-fail-fast'], overPoll);
}

/**
 * The tests of the package, over one driver.
 * @param {string} driver
 * @param {{ match?: string | undefined, files?: string[], node?: string, tiny?: boolean, binary?: string | undefined }} [options]
 * `match` selects tests by title, and `files` their files, by default all; `binary` is another one than that of `native`; `node` is the Node that runs them, and that their child processes find; `tiny`
 * makes arrays, batches and budgets hold two or three of anything, so that every test crosses their
 * boundaries.
 * @returns {Stage}
 */
export function avaTests(
  driver,
  { match, files = [], node = process.execPath, tiny = false, binary } = {},
) {
  const cli = join(root, 'node_modules', 'ava', 'entrypoints', 'cli.mjs');
  const selection = match === undefined ? [] : ['--match', match];
  return {
    name: `ava, ${driver} driver${files.length > 0 ? ', core' : ''}${tiny ? ', tiny capacities' : ''}${binary === undefined ? '' : ', poll'}`,
    kind: 'ava',
    counter: tapCounter,
    command: node,
    args: [cli, '--tap', ...selection, ...files],
    env: {
      // libuv is the default under Node: the variable is not set.
      IOLOOP_DRIVER: driver === 'libuv' ? undefined : driver,
      NAPI_RS_NATIVE_LIBRARY_PATH: binary ?? process.env['NAPI_RS_NATIVE_LIBRARY_PATH'],
      IOLOOP_TEST_BACKEND: binary === undefined ? undefined : 'poll',
      IOLOOP_TEST_CAPACITIES: tiny ? 'tiny' : undefined,
      PATH: `${join(node, '..')}:${process.env['PATH']}`,
    },
  };
}

/**
 * The tests of the package over the WebAssembly flavour. What it cannot do is counted as unsupported:
 * `__test__/by-capability/ava.mjs`.
 * @param {{ match?: string | undefined, files?: string[] }} [options]
 * @returns {Stage}
 */
export function avaOverWasm({ match, files = [] } = {}) {
  const stage = avaTests('libuv', { match });
  const register = pathToFileURL(join(root, '__test__', 'by-capability', 'register.mjs')).href;
  return {
    ...stage,
    name: 'ava, WebAssembly',
    args: [...stage.args, `--node-arguments=--import=${register}`, ...files],
    env: { ...stage.env, NAPI_RS_NATIVE_LIBRARY_PATH: undefined, NAPI_RS_FORCE_WASI: 'error' },
  };
}

/**
 * Checks for a runtime that ava does not support.
 * @param {string} name
 * @param {string[]} command
 * @returns {Stage}
 */
export function runtimeFacts(name, [command, ...args]) {
  const facts = join(root, '__test__', 'runtimes', 'facts.mjs');
  return { name, kind: 'ava', counter: tapCounter, command, args: [...args, facts] };
}

/**
 * Runs one stage.
 * @param {Stage} stage
 * @param {Show} show
 */
export async function runStage(stage, show) {
  const counter = stage.counter(show);
  const code = await stream(stage.command, stage.args, {
    env: stage.env ?? {},
    ...(stage.limitMs === undefined ? {} : { limitMs: stage.limitMs }),
    onLine: (line) => counter.read(line),
  });
  return counter.end(code);
}

/**
 * @param {string} name @param {string} command @param {string[]} args
 * @param {Record<string, string>} [env]
 * @returns {Stage}
 */
function check(name, command, args, env = {}) {
  return { name, kind: 'check', counter: checkCounter, command, args, env };
}

/** @param {Parameters<typeof check>} args @returns {Stage} */
function ofSources(...args) {
  return { ...check(...args), isOfSources: true };
}

/** @param {string} name @param {string[]} args @param {Record<string, string>} [env] @returns {Stage} */
function cargo(name, args, env = {}) {
  return { name, kind: 'cargo', counter: cargoCounter, command: 'cargo', args, env };
}

/** @param {string} name */
function bin(name) {
  return join(root, 'node_modules', '.bin', name);
}
