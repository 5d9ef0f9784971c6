/** Faults of the kernel for child processes: strace(1) makes system calls fail. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { runChild, type ChildOptions, type ChildResult } from './child.js';

/** System calls that fail, with which error, and which of them. */
export interface Fault {
  readonly calls: string;
  readonly errno: string;
  readonly nth: string;
}

/**
 * `failing('accept4', 'EINTR', '1..2')`: the first two calls of accept4(2) in each thread fail with
 * `EINTR`. Several calls are separated by commas and counted together. `nth` is one of
 *
 * - `3`: the third call,
 * - `1..6`: the first six,
 * - `3+`: the third and all after it,
 * - `5+3`: the fifth and every third after it,
 * - `20..32+12`: the 20th and the 32nd.
 */
export function failing(calls: string, errno: string, nth: string): Fault {
  return { calls, errno, nth };
}

/** How a child ended, and how many of its system calls were made to fail. */
export interface FaultyResult extends ChildResult {
  readonly faults: number;
}

/** Runs `source` as {@link runChild} does, while system calls of it fail. */
export async function runFailing(
  source: string,
  { calls, errno, nth }: Fault,
  options: ChildOptions = {},
): Promise<FaultyResult> {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-faults-'));
  const log = join(folder, 'strace');
  const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:error=${errno}:when=${nth}`];
  try {
    const through = ['strace', '-f', '-o', log, ...inject];
    const result = await runChild(source, { ...options, through });
    const lines = readFileSync(log, 'utf8').split('\n');
    return { ...result, faults: lines.filter((line) => line.includes('(INJECTED)')).length };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The JSON that a child printed; it must have ended in order, and its calls must have failed. */
export function served(t: ExecutionContext, result: FaultyResult): unknown {
  t.is(result.code, 0, result.stderr);
  t.true(result.faults > 0, 'no system call was made to fail');
  return JSON.parse(result.stdout);
}
