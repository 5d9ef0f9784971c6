// Does an idle loop make system calls? Watched with strace for a second.
import { fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const workload = fileURLToPath(new URL('../workloads/idle.mjs', import.meta.url));

/** No rows where there is no strace. */
export async function idle() {
  if (spawnSync('strace', ['-V']).status !== 0) return [];
  const child = fork(workload);
  await once(child, 'message');
  const strace = spawn('strace', ['-q', '-p', String(child.pid)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let calls = '';
  strace.stderr.on('data', (data) => (calls += data));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  strace.kill('SIGINT');
  await once(strace, 'close');
  child.kill();
  // The call it waits in when strace comes and goes is not one of the second's.
  const made = calls
    .split('\n')
    .filter((line) => line !== '' && !/epoll_pwait|detached|strace:/.test(line));
  return [
    {
      name: 'system calls of an idle loop in 1 s',
      unit: '',
      ioloop: made.length,
      target: { ioloopAtMost: 0 },
    },
  ];
}
