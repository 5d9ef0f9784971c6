// The stages of `npm test`: what each runs, and how its output is counted.
import { join } from 'node:path';
import { root, stream } from './process.mjs';
import { cargoCounter, checkCounter, tapCounter } from './counters.mjs';

const bin = (/** @type {string} */ name) => join(root, 'node_modules', '.bin', name);

/**
 * @typedef {object} Stage
 * @property {string} name
 * @property {string} kind What `--only` selects.
 * @property {() => import('./counters.mjs').Counter} counter
 * @property {string} command
 * @property {string[]} args
 * @property {Record<string, string | undefined>} [env]
 */

/**
 * All stages, in order.
 * @param {{ match?: string | undefined, drivers: string[] }} options
 * @returns {Stage[]}
 */
export function stages({ match, drivers }) {
  const ava = match === undefined ? ['--tap'] : ['--tap', '--match', match];
  return [
    check('generated files', 'git', ['diff', '--exit-code', '--', 'native', 'Cargo.lock']),
    check('rustfmt', 'cargo', ['fmt', '--all', '--check']),
    check('clippy', 'cargo', ['clippy', '--workspace', '--all-targets', '--', '-D', 'warnings']),
    check('oxlint', bin('oxlint'), ['--deny-warnings']),
    check('prettier', bin('prettier'), ['--check', '.']),
    cargo('cargo test', ['test', '-p', 'ioloop']),
    cargo('loom', ['test', '-p', 'ioloop', '--release', '--test', 'loom_inbox'], {
      RUSTFLAGS: '--cfg loom',
      CARGO_TARGET_DIR: join(root, 'target', 'loom'),
    }),
    ...drivers.map((driver) => ({
      name: `ava, ${driver} driver`,
      kind: 'ava',
      counter: tapCounter,
      command: bin('ava'),
      args: ava,
      env: { IOLOOP_DRIVER: driver, FORCE_COLOR: '0' },
    })),
  ];
}

/**
 * Runs one stage.
 * @param {Stage} stage
 * @param {(line: string) => void} show
 */
export async function runStage(stage, show) {
  const counter = stage.counter();
  const code = await stream(stage.command, stage.args, {
    env: stage.env ?? {},
    onLine: (line) => {
      const shown = counter.read(line);
      if (shown !== null) show(shown);
    },
  });
  return counter.end(code);
}

/** @param {string} name @param {string} command @param {string[]} args @returns {Stage} */
function check(name, command, args) {
  return { name, kind: 'check', counter: checkCounter, command, args };
}

/** @param {string} name @param {string[]} args @param {Record<string, string>} [env] @returns {Stage} */
function cargo(name, args, env = {}) {
  return { name, kind: 'cargo', counter: cargoCounter, command: 'cargo', args, env };
}
