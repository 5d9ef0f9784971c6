// The refusals of workers and child processes, in a file of the tests that started them.
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The variable with the name of the file. */
export const REFUSALS = 'IOLOOP_TEST_REFUSALS';

/** Makes the file, for what this process starts from now on. `preload` is imported there first. */
export function collectRefusals(preload) {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-refusals-'));
  process.env[REFUSALS] = join(folder, 'refusals');
  process.env['NODE_OPTIONS'] = `${process.env['NODE_OPTIONS'] ?? ''} --import=${preload}`.trim();
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
}

/** Adds a line to the file of the tests that started this thread. */
export function noteRefusal(what) {
  appendFileSync(process.env[REFUSALS], `${what.replaceAll('\n', ' ')}\n`);
}

/** The lines of the file of this process. */
export function refusalsElsewhere() {
  try {
    return readFileSync(process.env[REFUSALS], 'utf8').split('\n').slice(0, -1);
  } catch {
    return [];
  }
}
