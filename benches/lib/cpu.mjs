// The CPU time of a process: all of it by the scheduler, to the nanosecond; its user time by a sampler
// of our own, where the kernel permits it, else by the kernel's ticks, of which a server that spends
// 0.3 µs of 4 in user code has 20 a second.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Hint } from '../../scripts/lib/process.mjs';
import { compiledC } from './build.mjs';
import { boundToParent, tracked, works } from './children.mjs';

/** @typedef {{ user: number, system: number }} CpuTimes Microseconds. */
/** @typedef {{ usage(): Promise<CpuTimes>, stop(): void }} CpuClock */

/** How the user time is measured. @type {'samples' | 'ticks' | null} */
let method = null;

/** @returns {'samples' | 'ticks'} */
export function userTimeBy() {
  method ??= canSample() ? 'samples' : 'ticks';
  return method;
}

/** Samples from the first call of `usage()` on: before, nothing disturbs. @param {number} pid @returns {CpuClock} */
export function cpuClock(pid) {
  if (userTimeBy() === 'ticks') return { usage: async () => byTicks(pid), stop: () => {} };
  /** @type {ReturnType<typeof startSampler> | null} */
  let running = null;
  return {
    usage: async () => {
      running ??= startSampler(pid);
      const user = await running.read();
      return { user, system: runTime(pid) - user };
    },
    stop: () => running?.stop(),
  };
}

/** @param {number} pid */
function startSampler(pid) {
  const [command = '', ...args] = boundToParent([sampler(), String(pid)]);
  const child = tracked(spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] }));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  // The first line says that it counts.
  const started = lines.next();
  return {
    read: async () => {
      await started;
      child.stdin.write('\n');
      const { value, done } = await lines.next();
      if (done) throw new Error('the sampler of user time has ended');
      return Number(value);
    },
    stop: () => {
      child.kill('SIGKILL');
    },
  };
}

/** @param {number} pid @returns {CpuTimes} */
function byTicks(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  // utime and stime, in ticks of 10 ms (proc(5)).
  return { user: Number(fields[11]) * 1e4, system: Number(fields[12]) * 1e4 };
}

/** Of all its threads, in microseconds. @param {number} pid */
function runTime(pid) {
  const nanoseconds = readdirSync(`/proc/${pid}/task`).map((thread) =>
    Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]),
  );
  return nanoseconds.reduce((sum, each) => sum + each, 0) / 1e3;
}

function canSample() {
  try {
    return works('sh', '-c', `"${sampler()}" $$ < /dev/null`);
  } catch (error) {
    if (error instanceof Hint) return false;
    throw error;
  }
}

function sampler() {
  return compiledC('user-clock.c');
}
