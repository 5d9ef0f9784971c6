// System calls of an idle loop, traced with strace for a second.
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const workload = fileURLToPath(new URL('../workloads/idle.mjs', import.meta.url));

/** No cases without strace. @returns {import('../lib/question.mjs').Question} */
export function idle() {
  const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0;
  return {
    name: 'idle',
    cases: canTrace ? [{ key: 'idle', peers: ['ioloop'], measure: countCalls }] : [],
    rows: [
      {
        of: 'idle',
        peer: 'ioloop',
        value: 'calls',
        name: 'system calls of an idle loop in 1 s',
        unit: '',
      },
    ],
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
  // Without the call that waits while strace attaches and detaches.
  const calls = text
    .split('\n')
    .filter((line) => line !== '' && !/epoll_pwait|detached|strace:/.test(line));
  return { calls: calls.length };
}
