/**
 * Children with a blocked loop: marks on their standard error, between which the reports stand, and
 * ways to block.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startChild, type ChildResult } from './child.js';

/** Seconds. */
export const THRESHOLD = 0.2;

/**
 * Marks on the standard error, and ways to block: `block()` until the test has seen what it waits
 * for, `spin()` for a time.
 */
export const PROLOGUE = `
  import { existsSync, readFileSync, writeSync } from 'node:fs';
  import { setTimeout as hostTimer } from 'node:timers/promises';
  import { IOLoop, Socket } from 'ioloop';
  const mark = (text) => writeSync(2, '<' + text + '>');
  const spin = (seconds) => {
    const end = Date.now() + 1e3 * seconds;
    const before = process.cpuUsage();
    for (let used = 0; Date.now() < end || used < 1e6 * seconds; ) {
      // Looked at about once in a millisecond: it makes garbage, whose collection has no stack.
      for (let step = 0; step < 1e6; step += 1);
      const { user, system } = process.cpuUsage(before);
      used = user + system;
    }
  };
  const isReleased = () => existsSync(process.env.RELEASE);
  const block = (step = () => {}) => { mark('block'); while (!isReleased()) step(); mark('over'); };
  const loop = new IOLoop();
`;
export const EPILOGUE = `
  await loop.start();
  loop.close();
  mark('end');
`;

/** Runs a program. When its standard error matches `release`, its \`block()\` ends. */
export async function runs(source: string, release = /(?!)/, write?: string): Promise<ChildResult> {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
  const file = join(folder, 'release');
  if (write !== undefined) execFileSync('mkfifo', [file]);
  const child = startChild(PROLOGUE + source + EPILOGUE, { env: { RELEASE: file } });
  let stderr = '';
  let isReleased = false;
  child.process.stderr?.on('data', (text) => {
    stderr += String(text);
    if (isReleased || !release.test(stderr)) return;
    isReleased = true;
    writeFileSync(file, write ?? '');
  });
  const result = await child.ended;
  rmSync(folder, { recursive: true });
  return result;
}

/** The output between the marks of the block: what was written while the loop was blocked. */
export function during({ stderr }: ChildResult): string {
  return /<block>(.*)<over>/s.exec(stderr)?.[1] ?? `not found in ${stderr}`;
}

/** The line of the function, and its stack. On a slow machine the stack is a second report. */
export const NAMED =
  /IOLoop.* in culprit \(.*:\d+:\d+\)(, in the system call .*)?(; functions by their first line)?\n( {4}at .*\n)* {4}at culprit \(.*:\d+:\d+\)\n/;

/** Stacks of native functions and of workers: see `crates/ioloop-napi/src/watchdog/probe.rs`. */
export const isSampled = process.platform === 'linux' && ['x64', 'arm64'].includes(process.arch);
