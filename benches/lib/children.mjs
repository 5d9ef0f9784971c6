// Child processes end with the harness.

/** @type {Set<import('node:child_process').ChildProcess>} */
const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});

/** Kills the child when the harness exits. @template {import('node:child_process').ChildProcess} T @param {T} child @returns {T} */
export function tracked(child) {
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}
