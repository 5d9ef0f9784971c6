/** What the doctor finds of the system's limits. */
import { readFileSync } from 'node:fs';
import { release, type } from 'node:os';
import { finding, ok, type Finding } from './finding.js';

/** The findings. A limit that cannot be read here is left out. */
export function limits(): Finding[] {
  const found = [descriptors(), kernel(), backlog(), watches(), ioUring()];
  return found.filter((one) => one !== null);
}

function descriptors(): Finding | null {
  const limit = openFiles();
  if (limit === null) return null;
  const { soft, hard } = limit;
  const value = `${soft} open files (hard limit ${hard})`;
  if (soft === 'unlimited' || Number(soft) >= MANY_DESCRIPTORS) return ok('descriptors', value);
  const advice =
    'Each connection takes one. Raise the limit: ulimit -n, LimitNOFILE= of systemd, --ulimit nofile= of Docker';
  return finding('warning', 'descriptors', value, advice);
}

/** Of the process: Node raises its soft limit to the hard one. */
function openFiles(): { soft: string; hard: string } | null {
  const rows = read('/proc/self/limits')?.split('\n') ?? [];
  const row = rows.find((line) => line.startsWith('Max open files'));
  const [, soft, hard] = /^Max open files +(\S+) +(\S+)/.exec(row ?? '') ?? [];
  if (soft !== undefined && hard !== undefined) return { soft, hard };
  const report = process.report?.getReport?.() as
    { userLimits?: { open_files?: { soft: unknown; hard: unknown } } } | undefined;
  const limit = report?.userLimits?.open_files;
  return limit === undefined ? null : { soft: String(limit.soft), hard: String(limit.hard) };
}

function kernel(): Finding {
  return ok('kernel', `${type()} ${release()}`);
}

function backlog(): Finding | null {
  const value = number('/proc/sys/net/core/somaxconn');
  if (value === null) return null;
  if (value >= LARGE_BACKLOG) return ok('somaxconn', String(value));
  const advice = `Connections beyond it are dropped while the loop is busy: sysctl net.core.somaxconn=${LARGE_BACKLOG}, and listen() with that backlog`;
  return finding('warning', 'somaxconn', String(value), advice);
}

function watches(): Finding | null {
  const value = number('/proc/sys/fs/epoll/max_user_watches');
  if (value === null) return null;
  if (value >= MANY_WATCHES) return ok('epoll watches', String(value));
  const advice = 'addHandler() fails with ENOSPC beyond it: sysctl fs.epoll.max_user_watches';
  return finding('warning', 'epoll watches', String(value), advice);
}

/** For information: the loop does not use it, but `node:fs` may. */
function ioUring(): Finding | null {
  const value = number('/proc/sys/kernel/io_uring_disabled');
  if (value === null) return null;
  const states = ['enabled', 'for privileged processes', 'disabled'];
  return ok('io_uring', `${states[value] ?? value} (the loop does not use it)`);
}

function number(path: string): number | null {
  const value = Number(read(path) ?? Number.NaN);
  return Number.isFinite(value) ? value : null;
}

function read(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

const MANY_DESCRIPTORS = 10_000;
const LARGE_BACKLOG = 1024;
const MANY_WATCHES = 100_000;
