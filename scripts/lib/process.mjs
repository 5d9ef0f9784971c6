// Child processes: run one to its end, follow what one writes, or hand the terminal to one.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const root = fileURLToPath(new URL('../../', import.meta.url));

/** An error that the user can mend: shown as its message, without a stack. */
export class Hint extends Error {}

/** The items of a comma-separated option. @param {string} text */
export function list(text) {
  return text.split(',').filter((item) => item !== '');
}

/** Checks an option against its values. @param {string} option @param {string | undefined} value @param {string[]} known */
export function among(option, value, known) {
  if (value === undefined || known.includes(value)) return;
  throw new Hint(`--${option} is one of ${known.join(', ')}, and not ${value}.`);
}

/** No colours and no moving cursors, regardless of the caller's environment. */
const PLAIN = { FORCE_COLOR: undefined, NO_COLOR: '1', CARGO_TERM_COLOR: 'never' };

/** How long a grandchild may keep the output open after its parent's end, in milliseconds. */
const LINGER_MS = 5000;

/** How long one command may take, in milliseconds: a test that hangs fails in the end. */
const LIMIT_MS = 15 * 60_000;

/**
 * Runs a command to its end. Its output is shown only when it fails.
 * @param {string} command
 * @param {string[]} args
 * @param {Record<string, string>} [env]
 */
export function run(command, args, env = {}) {
  const { status, signal, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    env: { ...process.env, ...PLAIN, ...env },
    encoding: 'utf8',
    maxBuffer: 64 << 20,
  });
  if (status === 0) return;
  const output = `${stdout ?? ''}${stderr ?? ''}`.trimEnd();
  const reason = error?.message ?? `it ended with ${signal ?? `exit code ${status}`}`;
  throw new Hint(`${output}\n\n\`${command} ${args.join(' ')}\` failed: ${reason}.`.trimStart());
}

/**
 * Runs a command and hands over what it writes, line by line. Both of its outputs go through one
 * pipe, so that the order of the lines is the order in which they were written.
 * @param {string} command
 * @param {string[]} args
 * @param {object} options
 * @param {Record<string, string | undefined>} [options.env]
 * @param {(line: string) => void} options.onLine
 * @param {number} [options.limitMs] A command that takes longer is killed.
 * @returns {Promise<number>} The exit code; 1 when a signal ended it.
 */
export function stream(command, args, { env, onLine, limitMs = LIMIT_MS }) {
  const child = spawn('sh', ['-c', 'exec "$0" "$@" 2>&1', command, ...args], {
    cwd: root,
    env: { ...process.env, ...PLAIN, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let rest = '';
  child.stdout.setEncoding('utf8');
  child.stdout.on('data', (chunk) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) onLine(line);
  });
  const limit = setTimeout(() => {
    onLine(`${command} took more than ${(limitMs / 60_000).toFixed(1)} minutes`);
    endWithDescendants(/** @type {number} */ (child.pid));
  }, limitMs);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', () => setTimeout(() => child.stdout.destroy(), LINGER_MS).unref());
    child.on('close', (code, signal) => {
      clearTimeout(limit);
      if (rest !== '') onLine(rest);
      if (signal !== null) onLine(`${command} was ended by ${signal}`);
      resolve(code ?? 1);
    });
  });
}

/** Ends a process and all that it has started: npm and shells leave theirs behind. @param {number} pid */
function endWithDescendants(pid) {
  const { stdout } = spawnSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' });
  const pairs = (stdout ?? '').split('\n').map((line) => line.trim().split(/\s+/).map(Number));
  const ended = [pid];
  // Those of each are added behind it.
  for (const parent of ended) {
    for (const [child = 0, its] of pairs) if (its === parent) ended.push(child);
  }
  for (const one of ended) {
    try {
      process.kill(one, 'SIGKILL');
    } catch {
      // It has ended by itself.
    }
  }
}

/**
 * Hands the terminal to a script of ours and ends as it ends. Signals are passed on: what stops this
 * process stops the script.
 * @param {string} file
 * @param {string[]} args
 * @returns {Promise<void>}
 */
export function handOver(file, args) {
  // The channel closes with this process, even if that is killed: the script can end then.
  const stdio = /** @type {const} */ (['inherit', 'inherit', 'inherit', 'ipc']);
  const child = spawn(process.execPath, [file, ...args], { stdio: [...stdio] });
  process.on('SIGINT', () => {
    // A terminal sends Ctrl-C to the script by itself.
    if (!process.stdin.isTTY) child.kill('SIGINT');
  });
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return new Promise((resolve) => {
    child.on('exit', (code) => {
      process.exitCode = code ?? 1;
      resolve();
    });
  });
}

/**
 * Runs `main`; a {@link Hint} ends the process with its message.
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
