// What does a message cost a server with raw handlers, against node:net?
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { interleave, LOAD_CORE, pinned, SERVER_CORE } from '../lib/run.mjs';
import { median, pairedRatio } from '../lib/statistics.mjs';

const start = promisify(execFile);
const loadgen = fileURLToPath(new URL('../../target/release/loadgen', import.meta.url));
const server = fileURLToPath(new URL('../workloads/echo-server.mjs', import.meta.url));

/** @param {{ repetitions: number, seconds: number }} options */
export async function echo({ repetitions, seconds }) {
  const rows = [];
  for (const connections of [50]) {
    const samples = await interleave(['ioloop', 'node'], repetitions, (peer) =>
      measure(peer, { connections, size: 64, seconds }),
    );
    const column = (peer, name) => samples.get(peer).map((sample) => sample[name]);
    rows.push(
      {
        name: `echo 64 B, ${connections} connections: user CPU per message`,
        unit: 'µs',
        ioloop: median(column('ioloop', 'user')),
        peer: median(column('node', 'user')),
        ratio: pairedRatio(column('node', 'user'), column('ioloop', 'user')),
        target: { atLeast: 3 },
      },
      {
        name: `echo 64 B, ${connections} connections: messages/s`,
        unit: '/s',
        ioloop: median(column('ioloop', 'rate')),
        peer: median(column('node', 'rate')),
        ratio: pairedRatio(column('ioloop', 'rate'), column('node', 'rate')),
      },
    );
  }
  return rows;
}

/** One server under load. Warm-up is not counted, neither by the load nor for the CPU. */
async function measure(peer, { connections, size, seconds }) {
  const [command, ...args] = pinned(SERVER_CORE, [process.execPath, server, peer]);
  const child = fork(args.at(-2), [peer], command === 'taskset' ? withTaskset(args) : {});
  try {
    const [{ port }] = await once(child, 'message');
    await load({ port, connections, size, seconds: 0.1, warmup: 0.5 });
    const before = await usage(child);
    const result = await load({ port, connections, size, seconds, warmup: 0 });
    const after = await usage(child);
    if (result.lost > 0) throw new Error(`${peer} lost ${result.lost} connections`);
    return {
      user: (after.user - before.user) / result.messages,
      system: (after.system - before.system) / result.messages,
      rate: result.messages / result.seconds,
      busy: result.busy,
    };
  } finally {
    child.kill();
  }
}

/** `fork` with the server pinned: taskset runs node, and the IPC channel passes through. */
function withTaskset(args) {
  return { execPath: 'taskset', execArgv: args.slice(0, -2) };
}

async function usage(child) {
  child.send('usage');
  const [answer] = await once(child, 'message');
  return answer;
}

async function load(options) {
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const [command, ...args] = pinned(LOAD_CORE, [loadgen, ...flags]);
  const { stdout } = await start(command, args);
  return JSON.parse(stdout);
}
