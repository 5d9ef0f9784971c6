// The servers that the programs of `npm run test:clients` talk to, started once for all of them.
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  chmodSync,
  chownSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';

/**
 * Starts what is installed.
 * @returns {Promise<{ env: Record<string, string>, stop: () => Promise<void> }>} The environment
 * has the port of each server, or why it is missing.
 */
export async function startServers() {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-clients-'));
  chmodSync(folder, 0o755);
  /** @type {Record<string, string>} */
  const env = {};
  const running = [];
  for (const [name, start] of Object.entries(STARTERS)) {
    try {
      const port = await freePort();
      running.push(start(folder, port));
      await reachable(port);
      env[`CLIENTS_${name}_PORT`] = String(port);
    } catch (error) {
      env[`CLIENTS_${name}_MISSING`] = error.message;
    }
  }
  const stop = async () => {
    await Promise.all(running.map(ended));
    rmSync(folder, { recursive: true, force: true });
  };
  return { env, stop };
}

/** @type {Record<string, (folder: string, port: number) => import('node:child_process').ChildProcess>} */
const STARTERS = {
  POSTGRES(folder, port) {
    const data = join(folder, 'postgres');
    const options = identity('postgres', folder);
    mustRun(program('initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '-N'], options);
    const args = ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder, '-F'];
    return launch(program('postgres'), args, options);
  },
  REDIS(folder, port) {
    const args = ['--port', String(port), '--save', '', '--dir', folder];
    return launch(program('redis-server'), args, {});
  },
  MARIADB(folder, port) {
    const data = join(folder, 'mariadb');
    const server = program('mariadbd');
    const options = identity('mysql', folder);
    const args = [`--datadir=${data}`, '--auth-root-authentication-method=normal'];
    mustRun(program('mariadb-install-db'), ['--no-defaults', ...args], options);
    const file = join(folder, 'init.sql');
    const users = ['localhost', '%'].flatMap((host) => [
      `create user 'clients'@'${host}' identified by 'clients';`,
      `grant all on *.* to 'clients'@'${host}';`,
    ]);
    writeFileSync(file, `${users.join('\n')}\n`);
    return launch(
      server,
      [
        '--no-defaults',
        `--datadir=${data}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        `--socket=${join(folder, 'mariadb.sock')}`,
        `--init-file=${file}`,
        '--max-allowed-packet=64M',
      ],
      options,
    );
  },
  MOSQUITTO: (_, port) => launch(program('mosquitto'), ['-p', String(port)], {}),
};

/** The path of a program of the system. @param {string} name */
function program(name) {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : [];
  const folders = [
    ...versions.map((version) => `/usr/lib/postgresql/${version}/bin`),
    ...(process.env.PATH ?? '').split(':'),
    '/usr/sbin',
  ];
  const found = folders.map((path) => join(path, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is not installed`);
  return found;
}

/**
 * The user of a server that refuses to run as root, who owns the folder then.
 * @param {string} user
 * @param {string} folder
 */
function identity(user, folder) {
  if (userInfo().uid !== 0) return {};
  const ask = (option) => Number(spawnSync('id', [option, user], { encoding: 'utf8' }).stdout);
  const [uid, gid] = [ask('-u'), ask('-g')];
  if (!uid) throw new Error(`there is no user ${user}, and the server does not run as root`);
  chownSync(folder, uid, gid);
  chmodSync(folder, 0o777);
  return { uid, gid, cwd: folder };
}

function mustRun(file, args, options) {
  const { status, error, stderr } = spawnSync(file, args, { ...options, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${file}: ${error?.message ?? stderr.trim().slice(-300)}`);
}

const launch = (file, args, options) => spawn(file, args, { stdio: 'ignore', ...options });

/** @param {import('node:child_process').ChildProcess} child */
async function ended(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 5000);
  await exit;
  clearTimeout(force);
}

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
      server.close(() => resolve(port));
    });
  });

/** Resolves when a connection succeeds. @param {number} port */
async function reachable(port) {
  for (const end = Date.now() + 20_000; Date.now() < end;) {
    const isThere = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isThere) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('the server did not come up within 20 s');
}
