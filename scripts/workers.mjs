// `npm run test:workers`: an echo server on two workers, for each way to give them connections. Holds
// 10,000 connections, kills workers, restarts all of them and stops under load. Prints a table; the exit
// code is 1 if a connection was dropped that should not have been, or a worker was not replaced.
//
//   npm run test:workers -- --quick            1,000 connections
//   npm run test:workers -- --connections 5000 --only least-connections
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { Hint, script } from './lib/process.mjs';
import { setUp } from './lib/setup.mjs';
import { Child } from './lib/workers/child.mjs';

const MODES = [
  { runtime: 'worker_threads', balance: 'reuse-port' },
  { runtime: 'worker_threads', balance: 'shared' },
  { runtime: 'worker_threads', balance: 'round-robin' },
  { runtime: 'worker_threads', balance: 'least-connections' },
  { runtime: 'child_process', balance: 'reuse-port' },
  { runtime: 'child_process', balance: 'shared' },
];
/** Of each mode, in milliseconds. */
const LIMIT = 240_000;
/** Descriptors besides those of connections. */
const SPARE = 500;

await script(async () => {
  const { values } = parseArgs({
    options: {
      connections: { type: 'string' },
      only: { type: 'string', default: '' },
      quick: { type: 'boolean', default: false },
    },
  });
  const connections = Number(values.connections ?? (values.quick ? 1_000 : 10_000));
  checkDescriptors(connections);
  setUp();
  const rows = [];
  for (const mode of MODES) {
    const name = `${mode.runtime} ${mode.balance}`;
    if (!name.includes(values.only)) continue;
    rows.push({ mode: name, ...(await runMode(mode, connections)) });
    console.log(`${name}: ${rows.at(-1).failure}`);
  }
  console.table(rows);
  const failed = rows.filter(({ failure }) => failure !== 'none').length;
  console.log(`${rows.length - failed} passed, ${failed} failed`);
  process.exitCode = failed === 0 && rows.length > 0 ? 0 : 1;
});

/** @param {number} connections */
function checkDescriptors(connections) {
  if (!Number.isInteger(connections) || connections < 10) {
    throw new Hint('--connections is a number from 10 on.');
  }
  const { stdout } = spawnSync('sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' });
  const most = stdout.trim() === 'unlimited' ? Infinity : Number(stdout);
  if (most >= connections + SPARE) return;
  throw new Hint(
    `${connections} connections need ${connections + SPARE} descriptors, and a process may open ${most}: ` +
      'raise the hard limit (ulimit -Hn, LimitNOFILE=), or pass --connections.',
  );
}

async function runMode(mode, connections) {
  const server = new Child('server', [JSON.stringify(mode)]);
  const clients = new Child('clients');
  const row = {
    held: 0,
    workers: '',
    replaced: 0,
    restart: '',
    stop: '',
    exit: '',
    failure: 'none',
  };
  const limit = setTimeout(() => {
    for (const child of [server, clients]) child.process.kill('SIGKILL');
  }, LIMIT);
  try {
    await run(row, server, clients, connections);
  } catch (error) {
    row.failure = error.message;
  } finally {
    clearTimeout(limit);
    for (const child of [server, clients]) child.process.kill('SIGKILL');
  }
  return row;
}

/** @param {Child} server @param {Child} clients @param {number} connections */
async function run(row, server, clients, connections) {
  const { port } = await server.next();
  const hold = async () => {
    const { held, failures } = await clients.ask({ order: 'open', count: connections, port });
    expect(held === connections, `held ${held}: ${failures}`);
    const { answered, lost } = await clients.ask({ order: 'echo' });
    expect(answered === connections && lost === 0, `${lost} of ${connections} connections lost`);
  };
  await hold();
  row.held = connections;
  row.workers = (await server.ask({})).loads.join(' + ');

  for (const how of ['exit', 'throw', 'kill']) {
    const { loads, exits } = await server.ask({});
    if (how === 'kill') await server.ask({ kill: 0 });
    else await clients.ask({ order: 'say', line: how, port });
    let state;
    do state = await server.ask({});
    while (state.exits !== exits + 1 || state.ready !== 2);
    const { answered } = await clients.ask({ order: 'echo' });
    // Those of the other worker are as they were.
    expect(answered >= Math.min(...loads) - 1, `${how}: ${answered} left of ${loads}`);
    await hold();
    row.replaced += 1;
  }

  await clients.ask({ order: 'startChurn', port });
  const { exits } = await server.ask({ restart: true });
  const restart = await clients.ask({ order: 'stopChurn' });
  row.restart = `${restart.answered} answered, ${restart.dropped} dropped`;
  expect(exits >= 5, `${exits} workers have ended`);
  expect(restart.dropped === 0 && restart.refused === 0, `restart: ${JSON.stringify(restart)}`);
  expect(restart.answered > 0, 'no load at the restart');
  await clients.ask({ order: 'echo' });
  await hold();

  const inProgress = Math.ceil(connections / 10);
  await clients.ask({ order: 'wait', count: inProgress });
  await clients.ask({ order: 'startChurn', port });
  server.process.kill('SIGTERM');
  const [code, signal] = await server.exit;
  const stop = await clients.ask({ order: 'stopChurn' });
  const waited = await clients.ask({ order: 'waited' });
  row.stop = `${stop.answered + waited.answered} answered, ${stop.dropped + waited.dropped} dropped`;
  row.exit = String(signal ?? code);
  expect(code === 0, `the server has ended with ${signal ?? code}`);
  expect(stop.dropped === 0, `stop: ${JSON.stringify(stop)}`);
  expect(waited.answered === inProgress, `requests in progress: ${JSON.stringify(waited)}`);
}

/** @param {boolean} isTrue @param {string} message */
function expect(isTrue, message) {
  if (!isTrue) throw new Error(message);
}
