// Does an idle loop make system calls? Watched with strace for a second.
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { column, figure } from '../lib/compare.mjs';

const workload = fileURLToPath(new URL('../workloads/idle.mjs', import.meta.url));

/** Nothing where there is no strace. @returns {import('../lib/run.mjs').Question} */
export function idle() {
  const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
  return {
    name: 'idle',
    cases: canTrace ? [{ key: 'idle', peers: ['ioloop'], measure: countCalls }] : [],
    rows: (samples) =>
      figure(column(samples.get('idle'), 'ioloop', 'calls'), {
        name: 'system calls of an idle loop in 1 s',
        unit: '',
      }),
  };
}

async function countCalls() {
  const child = fork(workload);
  await once(child, 'message');
  const strace = spawn('strace', ['-q', '-p', String(child.pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let text = '';
  strace.stderr.on('data', (data) => (text += data));
  await sleep(1000);
  strace.kill('SIGINT');
  await once(strace, 'close');
  child.kill();
  // The call it waits in when strace comes and goes is not one of the second's.
  const calls = text
    .split('\n')
    .filter((line) => line !== '' && !/epoll_pwait|detached|strace:/.test(line));
  return { calls: calls.length };
}
