// `npm run check:targets`: the Rust code compiles for targets that this system does not run: the core
// for all, the binding where its build needs nothing of the target's system.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './lib/process.mjs';

/**
 * Packages by target. The binding for Windows needs an import library of Node there.
 * @type {[string, string[]][]}
 */
const CHECKED = [
  ['x86_64-unknown-freebsd', ['ioloop', 'ioloop-napi']],
  ['x86_64-pc-windows-gnu', ['ioloop']],
  ['wasm32-wasip1', ['ioloop', 'ioloop-napi']],
];

const env = {
  ...process.env,
  EMNAPI_LINK_DIR: join(root, 'node_modules', 'emnapi', 'lib', 'wasm32-wasip1'),
};
const run = (command, args) => spawnSync(command, args, { cwd: root, env, encoding: 'utf8' });

let hasFailed = false;
for (const [target, packages] of CHECKED) {
  const added = run('rustup', ['target', 'add', target]);
  const names = packages.flatMap((name) => ['-p', name]);
  const checked = run('cargo', ['clippy', ...names, '--target', target, '--', '-D', 'warnings']);
  const isOk = checked.status === 0;
  hasFailed ||= !isOk;
  console.log(`${target.padEnd(24)}${packages.join(', ').padEnd(22)}${isOk ? 'ok' : 'failed'}`);
  if (!isOk) console.log(added.status === 0 ? checked.stderr : `${added.stderr}${checked.stderr}`);
}
process.exitCode = hasFailed ? 1 : 0;
