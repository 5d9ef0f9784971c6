/** The peer of the integrity runs: `peer.c`, compiled when it is first needed. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Compiled, this file is in `build/__test__/integrity`. */
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SOURCE = join(ROOT, '__test__', 'integrity', 'peer.c');
const TLS_PEER = fileURLToPath(new URL('tls-peer.js', import.meta.url));

/** How the peer cuts what it sends, and when it pauses. */
export type Mode = 'bulk' | 'bursts' | 'dribble' | 'stalls' | 'mixed' | 'urgent';

/** The program; `null` where nothing compiles it. */
export const peerProgram = compiled();

function compiled(): string | null {
  const source = readFileSync(SOURCE);
  const digest = createHash('sha256').update(source).digest('hex').slice(0, 12);
  const folder = join(ROOT, '.cache', 'integrity');
  const program = join(folder, `peer-${digest}`);
  if (existsSync(program)) return program;
  mkdirSync(folder, { recursive: true });
  // Test files that run side by side compile it side by side.
  const made = `${program}-${process.pid}`;
  const { status } = spawnSync('cc', ['-O2', '-o', made, SOURCE], { stdio: 'inherit' });
  if (status !== 0) return null;
  renameSync(made, program);
  return program;
}

/** The same over TLS: `tls-peer.ts`. */
export function startTlsPeer(args: readonly (string | number)[]): ChildProcess {
  const command = [TLS_PEER, ...args.map(String)];
  return spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Starts the peer. Its output is a pipe. */
export function startPeer(args: readonly (string | number)[]): ChildProcess {
  if (peerProgram === null) throw new Error('the peer of the integrity runs needs a C compiler');
  return spawn(peerProgram, args.map(String), { stdio: ['ignore', 'pipe', 'inherit'] });
}
