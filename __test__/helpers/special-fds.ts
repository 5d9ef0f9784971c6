/** Descriptors that Node cannot make by itself. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { runChild } from './child.js';

/** A FIFO, for as long as `body` runs. */
export async function withFifo(body: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
  const path = join(folder, 'fifo');
  try {
    execFileSync('mkfifo', [path]);
    await body(path);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs `source` in a Node that a Python script becomes; `fds` of the script are its `args`. */
export async function pythonOpens(
  t: ExecutionContext,
  script: string,
  source: string,
): Promise<string> {
  const program = [
    'import ctypes, os, socket, struct, sys',
    'libc = ctypes.CDLL(None, use_errno=True)',
    'fds, names = [], []',
    script,
    'for fd in fds: os.set_inheritable(fd, True)',
    'os.execv(sys.argv[1], sys.argv[1:] + [str(fd) for fd in fds] + names)',
  ].join('\n');
  const prologue = `
    import { closeSync, readSync, writeSync } from 'node:fs';
    import { IOLoop, IOStream, Socket } from 'ioloop';
    const args = process.argv.slice(1);
    const loop = new IOLoop();
  `;
  const through = ['python3', '-c', program];
  const { code, stdout, stderr } = await runChild(prologue + source, { through });
  t.is(stderr, '');
  t.is(code, 0);
  return stdout;
}
