/**
 * What an import says where no binary can be loaded: each cause is provoked in a project of its own,
 * by a real process.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import test, { type ExecutionContext } from 'ava';
import { diagnosis, supportedSystems } from '#internal';
import { testIf } from './helpers/conditions.js';
import { BINARY, PLATFORM_PACKAGE, Project } from './helpers/install.js';

const IMPORT = `
  try {
    await import('ioloop');
    console.log(JSON.stringify({ loaded: true }));
  } catch ({ name, code, message, cause }) {
    console.log(JSON.stringify({ name, code, message, cause: cause?.message }));
  }
`;

interface Failure {
  readonly name: string;
  readonly code: string;
  readonly message: string;
  readonly cause?: string;
}

/** The error of an import; checks what all of them have in common. */
function failure(
  t: ExecutionContext,
  project: Project,
  options: { args?: string[]; env?: Record<string, string>; source?: string } = {},
): Failure {
  const { args = [], env, source = IMPORT } = options;
  const result = project.run([...args, '--input-type=module', '--eval', source], env);
  t.is(result.code, 0, result.stderr);
  const error = JSON.parse(result.stdout) as Failure;
  t.is(error.code, 'ERR_IOLOOP_BINDING', error.message);
  t.is(error.name, 'IOLoopError');
  t.true(error.message.includes(supportedSystems()));
  t.true(error.message.includes(`Node.js ${process.versions.node}`));
  // npm's bug is not the reason, and no package is named that does not exist.
  t.notRegex(error.message, /issues\/4828|npm has a bug|wasm32-wasi\b|win32|android/);
  return error;
}

const binary = readFileSync(BINARY);

test('with its platform package the package loads, without the source tree', (t) => {
  const project = new Project(t);
  project.addBinary(binary);
  const { stdout, stderr } = project.run(['--input-type=module', '--eval', IMPORT]);
  t.is(stdout, '{"loaded":true}\n', stderr);
  const required = project.run(['--eval', "console.log(typeof require('ioloop').IOLoop)"]);
  t.is(required.stdout, 'function\n', required.stderr);
});

test('the platform package may be beside the main program', (t) => {
  const [elsewhere, project] = [new Project(t), new Project(t)];
  project.addBinary(binary);
  const entry = JSON.stringify(join(elsewhere.module('ioloop'), 'dist', 'index.js'));
  project.write('main.mjs', IMPORT.replace("'ioloop'", entry));
  const { stdout, stderr } = project.run(['main.mjs']);
  t.is(stdout, '{"loaded":true}\n', stderr);
});

test('--omit=optional: the lock file lists the platform package, and it is not there', (t) => {
  const project = new Project(t);
  project.write('package-lock.json', `{"packages":{"node_modules/${PLATFORM_PACKAGE}":{}}}`);
  const { message } = failure(t, project);
  t.true(message.includes(`${PLATFORM_PACKAGE} is not installed: optional dependencies`), message);
  t.regex(message, /npm install --include=optional/);
});

test('a lock file of another system, which does not list the platform package', (t) => {
  for (const lock of ['package-lock.json', 'pnpm-lock.yaml', 'yarn.lock', 'bun.lock']) {
    const project = new Project(t);
    project.write(lock, `"ioloop": { "optionalDependencies": { "${PLATFORM_PACKAGE}": "0.1.0" } }`);
    const { message } = failure(t, project);
    t.true(message.includes(`${lock} was written on another system`), message);
    t.true(message.includes(`Remove node_modules and ${lock}`), message);
  }
});

test('node_modules of another system', (t) => {
  const project = new Project(t);
  const other = ['ioloop-darwin-arm64', 'ioloop-linux-arm64-gnu'].find(
    (name) => name !== PLATFORM_PACKAGE,
  ) as string;
  project.addBinary(binary, other);
  const { message } = failure(t, project);
  t.true(message.includes(`${other} is: node_modules is that of another system`), message);
});

test('without a trace of the reason, the likely ones are listed', (t) => {
  const { message, cause } = failure(t, new Project(t));
  t.regex(message, /The likely reasons: .*--omit=optional.*lock file/s);
  t.is(cause, undefined);
});

test('a system without a binary', (t) => {
  const project = new Project(t);
  const source = `Object.defineProperty(process, 'arch', { value: 's390x' }); ${IMPORT}`;
  const { message } = failure(t, project, { source });
  t.regex(message, /s390x.*There is no binary for this system, and ioloop-wasm32-wasip1 is not/s);
  t.regex(message, /Install it: npm install ioloop-wasm32-wasip1@\d/);
});

test('NAPI_RS_FORCE_WASI=error without the WebAssembly flavour', (t) => {
  const project = new Project(t);
  project.addBinary(binary);
  const { message } = failure(t, project, { env: { NAPI_RS_FORCE_WASI: 'error' } });
  t.regex(message, /NAPI_RS_FORCE_WASI is error, and ioloop-wasm32-wasip1 is not installed/);
});

test('--no-addons', (t) => {
  const project = new Project(t);
  project.addBinary(binary);
  for (const options of [{ args: ['--no-addons'] }, { env: { NODE_OPTIONS: '--no-addons' } }]) {
    const { message, cause } = failure(t, project, options);
    t.regex(message, /started with --no-addons\. Start it without --no-addons/);
    t.regex(cause ?? '', /addons is disabled/);
  }
});

test('the permission model without --allow-addons', (t) => {
  const project = new Project(t);
  project.addBinary(binary);
  const flag = ['--permission', '--experimental-permission'].find((name) =>
    process.allowedNodeEnvironmentFlags.has(name),
  );
  const args = [flag as string, '--allow-fs-read=*', '--no-warnings'];
  const { message } = failure(t, project, { args });
  t.regex(message, /permission model is on.*Add --allow-addons/s);
});

test('a glibc that is too old', (t) => {
  const newest = /GLIBC_2\.\d\d\0/.exec(binary.toString('latin1'))?.[0];
  if (newest === undefined) {
    t.pass('this binary needs no glibc');
    return;
  }
  const project = new Project(t);
  const needing = binary.toString('latin1').replaceAll(newest, 'GLIBC_9.99\0');
  project.addBinary(Buffer.from(needing, 'latin1'));
  const { message } = failure(t, project);
  t.regex(message, /needs glibc 9\.99 or later/);
});

test('a file that is no binary, or cut off, is not loaded', (t) => {
  const half = binary.subarray(0, binary.length / 2);
  for (const [contents, flaw] of [
    [Buffer.from('version https://git-lfs.github.com/spec/v1'), 'is not a binary'],
    // The linkers of macOS and Windows find it themselves.
    ...(process.platform === 'linux'
      ? [[half, `is incomplete: ${half.length} of ${binary.length} bytes are there`] as const]
      : []),
  ] as const) {
    const project = new Project(t);
    project.addBinary(contents);
    const { message } = failure(t, project);
    t.true(message.includes(`${PLATFORM_PACKAGE} ${flaw}. Remove node_modules`), message);
  }
});

test('a platform package without its binary', (t) => {
  const project = new Project(t);
  project.addBinary(binary);
  rmSync(join(project.module(PLATFORM_PACKAGE), 'ioloop.node'));
  const { message } = failure(t, project);
  t.true(message.includes(`${PLATFORM_PACKAGE} is installed, but its binary is not`), message);
  t.regex(message, /Remove node_modules, and install again/);
});

testIf(process.platform === 'linux', 'Linux')('a user who may not read the binary', (t) => {
  const project = new Project(t);
  project.addBinary(binary);
  chmodSync(project.folder, 0o755);
  const source = `if (process.getuid() === 0) process.setuid(65_534); ${IMPORT}`;
  for (const unreadable of ['ioloop.node', '.']) {
    const file = join(project.module(PLATFORM_PACKAGE), unreadable);
    chmodSync(file, 0);
    const { message } = failure(t, project, { source });
    chmodSync(file, 0o755);
    t.true(message.includes(`may not read ${PLATFORM_PACKAGE}. Let it read all of`), message);
  }
});

test('a file system from which nothing may be executed', (t) => {
  const host = { platform: 'linux', arch: 'x64', libc: 'glibc' } as const;
  const name = 'ioloop-linux-x64-gnu';
  // As glibc and musl say it.
  for (const message of [
    'a.node: failed to map segment from shared object',
    'Error loading shared library a.node: Operation not permitted',
  ]) {
    const error = Object.assign(new Error(message), { code: 'ERR_DLOPEN_FAILED' });
    const [reason, remedy] = diagnosis(host, [
      { name, path: null, version: null, flaw: null, error },
    ]);
    t.regex(reason, /not let this process execute ioloop-linux-x64-gnu, .* noexec/);
    t.regex(remedy, /another file system/);
  }
});

test('NAPI_RS_NATIVE_LIBRARY_PATH of a file that is not there', (t) => {
  const project = new Project(t);
  project.addBinary(binary);
  const { message } = failure(t, project, {
    env: { NAPI_RS_NATIVE_LIBRARY_PATH: '/nowhere.node' },
  });
  t.true(message.includes('there is no file /nowhere.node. Correct or unset NAPI_RS_'), message);
});

test('a binary of another version', (t) => {
  const project = new Project(t);
  project.addBinary(binary);
  const { version } = JSON.parse(
    readFileSync(join(project.module('ioloop'), 'package.json'), 'utf8'),
  ) as { version: string };
  project.replaceInDist(`"${version}"`, '"99.0.0"');
  const { message } = failure(t, project);
  t.true(
    message.includes(`${PLATFORM_PACKAGE} is version ${version}, and ioloop is 99.0.0`),
    message,
  );
});

test('a bundle that was moved away from node_modules', async (t) => {
  const project = new Project(t);
  project.addBinary(binary);
  mkdirSync(join(project.folder, 'elsewhere'));
  project.write('main.mjs', IMPORT);
  for (const [format, extension] of [
    ['esm', 'mjs'],
    ['cjs', 'cjs'],
  ] as const) {
    const outfile = join(project.folder, 'elsewhere', `main.${extension}`);
    project.write('main.mjs', format === 'esm' ? IMPORT : `void (async () => { ${IMPORT} })();`);
    await build({
      absWorkingDir: project.folder,
      entryPoints: ['main.mjs'],
      bundle: true,
      platform: 'node',
      format,
      outfile,
      logLevel: 'silent',
    });
    const beside = project.run([outfile]);
    t.is(beside.stdout, '{"loaded":true}\n', `${format}, below node_modules: ${beside.stderr}`);
    const moved = new Project(t);
    moved.write(`main.${extension}`, readFileSync(outfile));
    moved.removeModules();
    const result = moved.run([`main.${extension}`]);
    const { code, message } = JSON.parse(result.stdout) as Failure;
    t.is(code, 'ERR_IOLOOP_BINDING', format);
    t.regex(message, /is part of a bundle.*external: \['ioloop'\]/s, format);
  }
});
