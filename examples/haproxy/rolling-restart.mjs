// Restarts two servers behind a real HAProxy, one after the other, under load, and counts the
// requests that fail. Ends with code 0 if there were none. Takes about 5 s; gives up after 60 s.
//
//   apt-get install haproxy
//   node examples/haproxy/rolling-restart.mjs
//   node examples/haproxy/rolling-restart.mjs --crash
//
// With --crash, one server is killed (SIGKILL) and started again. Only the requests that it had may
// fail: at most one for each client.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const CLIENTS = 16;
const LONGEST = 60_000;
/** Characters. */
const LONGEST_LOG = 10_000;

/** On Linux all of 127.0.0.0/8 is loopback: an address of its own has its ports to itself. */
const host = process.platform === 'linux' ? `127.${byte()}.${byte()}.${byte()}` : '127.0.0.1';
const folder = mkdtempSync(join(tmpdir(), 'ioloop-haproxy-'));
const stats = join(folder, 'stats');
const ports = { one: 8081, two: 8082 };
const servers = {};
const children = new Set();
let onFailure;
/** Rejects when a program cannot be started, or ends although it was not stopped. */
const failure = new Promise((_, reject) => {
  onFailure = reject;
});
const load = { requests: 0, failures: 0, processes: new Set(), isOver: false };

function byte() {
  return 1 + Math.floor(254 * Math.random());
}

function file(name) {
  return fileURLToPath(new URL(name, import.meta.url));
}

function start(command, args, options) {
  const child = spawn(command, args, options);
  children.add(child);
  child.once('error', (/** @type {NodeJS.ErrnoException} */ error) => {
    const hint = error.code === 'ENOENT' ? 'it is not installed' : error.message;
    onFailure(new Error(`${command} cannot be started: ${hint}`));
  });
  let log = '';
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    log += text.slice(0, LONGEST_LOG - log.length);
  });
  child.once('close', (code, signal) => {
    if (!children.delete(child)) return;
    const alerts = log.split('\n').filter((line) => line.includes('ALERT'));
    const end = `${command} has ended: ${signal ?? `code ${code}`}`;
    onFailure(new Error([end, ...alerts].join('\n')));
  });
  return child;
}

/** The exit of a child that is meant to end. */
function ending(child, signal) {
  children.delete(child);
  const exit = once(child, 'close');
  child.kill(signal);
  return exit;
}

/** Starts a server, and waits until HAProxy sends requests to it. */
async function startServer(name) {
  const args = [file('server.mjs'), String(ports[name]), host];
  servers[name] = start(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  await until(name, 'UP', 'L7OK');
}

/** Ends a server by SIGTERM, in the manner of systemd and Kubernetes. */
async function stopServer(name) {
  const [code] = await ending(servers[name], 'SIGTERM');
  if (code !== 0) throw new Error(`server ${name} has ended with code ${code}`);
}

/** Waits for a state of a server, and for the result of its last check: HAProxy begins with UP. */
async function until(name, state, check = '') {
  for (;;) {
    const { status = '', check_status: result = '' } = (await rows()).get(name) ?? {};
    if (status.startsWith(state) && result.includes(check)) return;
    await sleep(20);
  }
}

/** The statistics of HAProxy, by the name of the server. */
async function rows() {
  const [head, ...lines] = (await ask('show stat')).trim().split('\n');
  const columns = head.replace('# ', '').split(',');
  const named = lines.map((line) => {
    const values = line.split(',');
    return Object.fromEntries(columns.map((column, at) => [column, values[at]]));
  });
  return new Map(named.map((row) => [row.svname, row]));
}

/** Asks HAProxy by its socket; an empty answer while it starts. */
async function ask(command) {
  const socket = connect(stats);
  let answer = '';
  try {
    socket.end(`${command}\n`);
    for await (const chunk of socket) answer += chunk;
  } catch {
    // It does not listen yet.
  }
  return answer;
}

/** One client: a request after the other on a connection that is kept. */
async function runClient() {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  while (!load.isOver) {
    load.requests += 1;
    try {
      const [status, body] = await request(agent);
      const [address, pid] = body.split(' ');
      if (status !== 200 || !address?.startsWith('127.'))
        throw new Error(`${status} ${body.split('\n')[0]}`);
      load.processes.add(pid);
    } catch (error) {
      load.failures += 1;
      console.error('failed:', error.message);
    }
  }
  agent.destroy();
}

function request(agent) {
  return new Promise((resolve, reject) => {
    const sent = get({ host, port: 8080, agent, timeout: 10_000 }, async (response) => {
      try {
        let body = '';
        for await (const chunk of response) body += chunk;
        resolve([response.statusCode, body]);
      } catch (error) {
        reject(error);
      }
    });
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('no answer within 10 s')));
  });
}

async function restart(name) {
  const begin = performance.now();
  await stopServer(name);
  const stopped = performance.now();
  await startServer(name);
  const [down, up] = [stopped - begin, performance.now() - stopped].map((ms) => ms.toFixed(0));
  console.log(`restarted ${name}: out of service in ${down} ms, in service again in ${up} ms`);
}

async function restartAll() {
  for (const name of Object.keys(ports)) {
    const before = load.processes.size;
    await restart(name);
    await answeredBy(before + 1);
  }
}

/** HAProxy finds out by failing connections and checks, and sends requests to the other server. */
async function crash(name) {
  const { requests } = load;
  await ending(servers[name], 'SIGKILL');
  await until(name, 'DOWN');
  await startServer(name);
  console.log(
    `crashed ${name}: ${load.requests - requests} requests until it was in service again`,
  );
  await answeredBy(3);
}

/** Waits until as many processes have answered. */
async function answeredBy(count) {
  while (load.processes.size < count) await sleep(20);
}

async function main(isCrash) {
  const env = { ...process.env, HOST: host, STATS: stats };
  const stdio = ['ignore', 'ignore', 'pipe'];
  start('haproxy', ['-db', '-f', file('haproxy.cfg')], { env, stdio });
  await Promise.all(Object.keys(ports).map(startServer));
  const clients = Array.from({ length: CLIENTS }, runClient);
  // Each process answers before the next step: the count at the end is exact.
  await answeredBy(2);
  if (isCrash) await crash('one');
  else await restartAll();
  load.isOver = true;
  await Promise.all(clients);
  const { requests, failures, processes } = load;
  console.log(`requests: ${requests}, failures: ${failures}, processes: ${processes.size}`);
  if (isCrash) return failures <= CLIENTS && processes.size === 3 ? 0 : 1;
  return failures === 0 && processes.size === 4 ? 0 : 1;
}

process.once('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
const deadline = sleep(LONGEST, undefined, { ref: false }).then(() => {
  throw new Error(`it is not over after ${LONGEST / 1000} s`);
});
try {
  process.exit(await Promise.race([main(process.argv.includes('--crash')), failure, deadline]));
} catch (error) {
  console.error(error.message);
  process.exit(1);
}
