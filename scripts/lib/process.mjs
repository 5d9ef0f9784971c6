// Child processes: run one to its end, and say in one sentence why one cannot be run.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** An error that the user can mend: shown as its message, without a stack. */
export class Hint extends Error {}

/**
 * Runs a command to its end, its output going to ours.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: Record<string, string | undefined>, quiet?: boolean }} [options] `quiet` shows
 * the output only when the command fails.
 */
export function run(command, args, options = {}) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...options.env },
    stdio: options.quiet ? 'pipe' : 'inherit',
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (status === 0) return;
  if (options.quiet) process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`);
  throw new Hint(`${command} ${args.join(' ')} failed: ${error?.message ?? `exit code ${status}`}`);
}

/**
 * Runs a command and hands over what it writes, line by line.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: Record<string, string | undefined>, onLine: (line: string) => void }} options
 * @returns {Promise<number>} The exit code; 1 when a signal ended it.
 */
export function stream(command, args, { env, onLine }) {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const output of [child.stdout, child.stderr]) {
    let rest = '';
    output.setEncoding('utf8');
    output.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) onLine(line);
    });
    output.on('end', () => {
      if (rest !== '') onLine(rest);
    });
  }
  return new Promise((resolve) => {
    child.on('error', (error) => {
      onLine(`${command}: ${error.message}`);
      resolve(1);
    });
    child.on('close', (code) => resolve(code ?? 1));
  });
}

/**
 * Runs `main`; a {@link Hint} ends the process with its one sentence.
 * @param {() => Promise<void> | void} main
 */
export async function script(main) {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof Hint)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
