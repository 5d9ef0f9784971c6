/** Scripts in processes of their own: same Node, same driver, the package of this tree. */
import { spawn, type ChildProcess, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** How a child ended and what it wrote. */
export interface ChildResult {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What a child is started with besides its source. */
export interface ChildOptions {
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** Options of Node itself, such as `--no-warnings`. */
  readonly nodeOptions?: readonly string[];
  readonly args?: readonly string[];
  /** A command that runs Node, such as `strace -f`; Node and its arguments follow. */
  readonly through?: readonly string[];
  /** Descriptors that the child inherits, as 3, 4, … */
  readonly inherit?: readonly number[];
  /** A child that takes longer is killed, in milliseconds. */
  readonly timeout?: number;
}

/** A child that is running. */
export interface Child {
  readonly process: ChildProcess;
  /** Resolves when the child has written `text` to its standard output. */
  wrote(text: string): Promise<void>;
  /** Resolves when the child has ended and its output is complete. */
  readonly ended: Promise<ChildResult>;
}

/** Runs `source`, a module that may `import ... from 'ioloop'`, and waits for its end. */
export function runChild(source: string, options: ChildOptions = {}): Promise<ChildResult> {
  return startChild(source, options).ended;
}

/** Starts `source` without waiting; its standard input is a pipe. */
export function startChild(source: string, options: ChildOptions = {}): Child {
  const { env = {}, nodeOptions = [], args = [], timeout = TIMEOUT } = options;
  const evaluated = ['--input-type=module', '--eval', source, '--', ...args];
  const command = [process.execPath, '--expose-gc', ...nodeOptions, ...evaluated];
  const [program = '', ...rest] = [...(options.through ?? []), ...command];
  const child = spawn(program, rest, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    timeout,
    killSignal: 'SIGKILL',
    stdio: ['pipe', 'pipe', 'pipe', ...(options.inherit ?? [])],
  }) as ChildProcessWithoutNullStreams;
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    child.emit('wrote');
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const ended = once(child, 'close').then(([code, signal]) => ({
    code: code as number | null,
    signal: signal as NodeJS.Signals | null,
    stdout,
    stderr,
  }));
  return {
    process: child,
    ended,
    wrote: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (stdout.includes(text)) resolve();
        };
        child.on('wrote', look);
        child.once('close', () => {
          reject(new Error(`the child ended without writing ${text}: ${stdout}${stderr}`));
        });
        look();
      }),
  };
}

const TIMEOUT = 60_000;
/** Compiled, this file is in `build/__test__/helpers`. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
