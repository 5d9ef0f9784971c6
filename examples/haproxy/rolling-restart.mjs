// Restarts two servers behind a real HAProxy, one after the other, under load, and counts the
// requests that fail. Ends with code 0 if there were none. Takes about 5 s; gives up after 60 s.
//
//   apt-get install haproxy
//   node examples/haproxy/rolling-restart.mjs
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

/** On Linux all of 127.0.0.0/8 is loopback: an address of its own has its ports to itself. */
const host = process.platform === 'linux' ? `127.${byte()}.${byte()}.${byte()}` : '127.0.0.1';
const folder = mkdtempSync(join(tmpdir(), 'ioloop-haproxy-'));
const stats = join(folder, 'stats');
const ports = { one: 8081, two: 8082 };
const servers = {};
const children = new Set();
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
  child.once('exit', () => children.delete(child));
  return child;
}

/** Starts a server, and waits until HAProxy sends requests to it. */
async function startServer(name) {
  const args = [file('server.mjs'), String(ports[name]), host];
  servers[name] = start(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  while (!(await states()).get(name)?.startsWith('UP')) await sleep(20);
}

/** Ends a server by SIGTERM, in the manner of systemd and Kubernetes. */
async function stopServer(name) {
  const exit = once(servers[name], 'exit');
  servers[name].kill('SIGTERM');
  const [code] = await exit;
  if (code !== 0) throw new Error(`server ${name} has ended with code ${code}`);
}

/** The states of the servers, by name: `UP`, `DOWN`, `UP 1/2` … */
async function states() {
  const lines = (await ask('show stat')).trim().split('\n');
  const columns = lines[0].replace('# ', '').split(',');
  const rows = lines.slice(1).map((line) => line.split(','));
  return new Map(
    rows.map((row) => [row[columns.indexOf('svname')], row[columns.indexOf('status')]]),
  );
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
      if (status !== 200 || !address?.startsWith('127.')) throw new Error(`${status} ${body}`);
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

async function main() {
  const env = { ...process.env, HOST: host, STATS: stats };
  start('haproxy', ['-db', '-q', '-f', file('haproxy.cfg')], { env, stdio: 'inherit' });
  await Promise.all(Object.keys(ports).map(startServer));
  const clients = Array.from({ length: CLIENTS }, runClient);
  for (const name of Object.keys(ports)) {
    const begin = performance.now();
    await stopServer(name);
    const stopped = performance.now();
    await startServer(name);
    const [down, up] = [stopped - begin, performance.now() - stopped].map((ms) => ms.toFixed(0));
    console.log(`restarted ${name}: out of service in ${down} ms, in service again in ${up} ms`);
  }
  load.isOver = true;
  await Promise.all(clients);
  const { requests, failures, processes } = load;
  console.log(`requests: ${requests}, failures: ${failures}, processes: ${processes.size}`);
  return failures === 0 && processes.size === 4 ? 0 : 1;
}

const deadline = sleep(LONGEST, 1, { ref: false });
try {
  process.exitCode = await Promise.race([main(), deadline]);
} finally {
  load.isOver = true;
  for (const child of children) child.kill('SIGKILL');
  rmSync(folder, { recursive: true });
}
process.exit();
