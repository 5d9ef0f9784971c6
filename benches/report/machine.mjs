// The machine and the versions of a run.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, platform, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { root } from '../../scripts/lib/process.mjs';
import { programOf, startOf } from '../lib/peers.mjs';

/** The machine, and the measured commit. */
export function machine() {
  const [cpu] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: said('git', 'describe', '--always', '--dirty') ?? 'unknown',
    node: process.versions.node,
    system: `${platform()} ${release()} ${arch()}`,
    cpu: `${cpu?.model ?? 'unknown'}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB`,
  };
}

/** The versions of peers. @param {readonly string[]} names @returns {Record<string, string>} */
export function versionsOf(names) {
  const found = names.map((name) => /** @type {const} */ ([name, versionOf(name)]));
  return Object.fromEntries(found.filter(([, version]) => version !== null));
}

/** @param {string} name */
function versionOf(name) {
  if (name === 'tokio' || name === 'mio') return locked(name);
  if (name === 'Go net') return said('go', 'version');
  if (name === 'asyncio') return said('python3', '--version');
  if (name.startsWith('node:net ') || name === 'Bun.listen' || name === 'Deno.listen')
    return said(startOf(name).command[0] ?? '', '--version');
  if (name.startsWith('Tornado') || name === 'uvloop') {
    const library = name === 'uvloop' ? 'uvloop' : 'tornado';
    const { env } = name === 'uvloop' ? programOf(name, 'timers') : startOf(name);
    return said('env', `PYTHONPATH=${env?.['PYTHONPATH']}`, 'python3', '-c', versionIn(library));
  }
  return null;
}

/** @param {string} library */
function versionIn(library) {
  return `from importlib.metadata import version; print(version("${library}"))`;
}

/** The version of a peer's crate. @param {string} crate */
function locked(crate) {
  const text = readFileSync(join(root, 'benches/peers/rust/Cargo.lock'), 'utf8');
  return new RegExp(`name = "${crate}"\\nversion = "([^"]+)"`).exec(text)?.[1] ?? null;
}

/** The first line of a command's output. @param {string} command @param {string[]} args */
function said(command, ...args) {
  try {
    const text = execFileSync(command, args, {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    return text.split('\n')[0]?.trim() ?? null;
  } catch {
    return null;
  }
}
