// Child processes end with the harness, however it ends.
import { execFileSync } from 'node:child_process';

/** @typedef {import('node:child_process').ChildProcess} ChildProcess */

/** @type {Set<ChildProcess>} */
const children = new Set();
process.on('exit', endAll);

/** Kills the child when the harness exits. @template {ChildProcess} T @param {T} child @returns {T} */
export function tracked(child) {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** Kills what runs: the measurement that waits for it fails. */
export function endAll() {
  for (const child of children) child.kill('SIGKILL');
}

/** A command line that the kernel ends when the harness is killed. @param {readonly string[]} command */
export function boundToParent(command) {
  return hasParentSignal ? ['setpriv', '--pdeathsig', 'KILL', '--', ...command] : [...command];
}

const hasParentSignal = works('setpriv', '--pdeathsig', 'KILL', '--', 'true');

/** @param {string} command @param {string[]} args */
export function works(command, ...args) {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
