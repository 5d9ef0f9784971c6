// A registry of npm on this machine (verdaccio, from npm), for what installs and publishes: the real
// protocol and the real client, and nothing leaves the machine.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Hint, root, run } from './process.mjs';

/** How long the registry may take to listen, in milliseconds. */
const PATIENCE_MS = 60_000;

/**
 * @typedef {object} Registry
 * @property {string} url
 * @property {string} npmrc The file that sends npm there, for `NPM_CONFIG_USERCONFIG`.
 * @property {Record<string, string>} env The environment of an npm that uses it.
 * @property {() => Promise<void>} close Ends it, and removes what was published.
 */

/** Starts an empty registry without an uplink: what was not published there is not found. @returns {Promise<Registry>} */
export async function startRegistry() {
  const program = verdaccio();
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-registry-'));
  const url = `http://127.0.0.1:${await freePort()}/`;
  writeFileSync(join(folder, 'config.yaml'), configuration(folder));
  const npmrc = join(folder, 'npmrc');
  // Anybody may publish, but npm asks for a token before it tries.
  writeFileSync(npmrc, `registry=${url}\n${url.slice('http:'.length)}:_authToken=none\n`);
  const child = spawn(
    process.execPath,
    [program, '--config', join(folder, 'config.yaml'), '--listen', url],
    { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let output = '';
  child.stderr.on('data', (chunk) => (output += chunk));
  const ended = once(child, 'exit');
  const close = async () => {
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await listening(url, child);
  } catch (error) {
    await close();
    throw new Hint(`The local registry has not started: ${error}\n${output}`);
  }
  const env = { NPM_CONFIG_USERCONFIG: npmrc, NPM_CONFIG_CACHE: join(folder, 'cache') };
  return { url, npmrc, env, close };
}

/** A dependency of verdaccio asks for node-fetch by a tag (`cjs`), which not every registry has. */
const VERDACCIO = {
  private: true,
  dependencies: { verdaccio: '6.2.9' },
  overrides: { 'node-fetch': '2.7.0' },
};

/** The program, kept in `.cache`. */
function verdaccio() {
  const cache = join(root, '.cache', `verdaccio-${VERDACCIO.dependencies.verdaccio}`);
  const program = join(cache, 'node_modules', 'verdaccio', 'bin', 'verdaccio');
  if (!existsSync(program)) {
    console.log('fetching verdaccio');
    mkdirSync(cache, { recursive: true });
    writeFileSync(join(cache, 'package.json'), JSON.stringify(VERDACCIO));
    run('npm', ['install', '--prefix', cache, '--no-audit', '--no-fund']);
  }
  return program;
}

/** @param {string} folder */
function configuration(folder) {
  return `storage: ${join(folder, 'storage')}
auth: { htpasswd: { file: ${join(folder, 'htpasswd')} } }
uplinks: {}
packages: { '**': { access: $all, publish: $all, unpublish: $all } }
max_body_size: 100mb
log: { type: stdout, format: pretty, level: fatal }
`;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/** @param {string} url @param {import('node:child_process').ChildProcess} child */
async function listening(url, child) {
  const until = performance.now() + PATIENCE_MS;
  while (performance.now() < until) {
    if (child.exitCode !== null) throw new Error(`it ended with exit code ${child.exitCode}`);
    const answered = await fetch(`${url}-/ping`).then(
      ({ ok }) => ok,
      () => false,
    );
    if (answered) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it does not answer within ${PATIENCE_MS / 1e3} seconds`);
}
