/** `npx ioloop doctor` and `versions`. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { versions, type Versions } from 'ioloop';
import { expectTypeOf } from 'expect-type';
import { capabilities } from '#internal';
import { testIf } from './helpers/conditions.js';
import { withLoop } from './helpers/loop.js';
import { BINARY, PLATFORM_PACKAGE, Project } from './helpers/install.js';

interface Finding {
  readonly level: string;
  readonly name: string;
  readonly value: string;
  readonly advice: string | null;
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PROGRAM = `${ROOT}dist/cli.js`;

/** Runs the program of this tree. */
function doctor(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): { code: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    timeout: 60_000,
  });
  return { code: status, stdout, stderr };
}

function findingsOf(stdout: string): Map<string, Finding> {
  const { findings } = JSON.parse(stdout) as { findings: Finding[] };
  return new Map(findings.map((finding) => [finding.name, finding]));
}

test('versions has those of the package, the core and its crates', (t) => {
  const { version } = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')) as {
    version: string;
  };
  const lock = readFileSync(`${ROOT}Cargo.lock`, 'utf8');
  const locked = (name: string): string =>
    RegExp(`name = "${name}"\\nversion = "(.+)"`).exec(lock)?.[1] ?? '';
  t.is(versions.ioloop, version);
  t.is(versions.core, version);
  t.is(versions.mio, capabilities.descriptors ? locked('mio') : null);
  t.is(versions.napi, locked('napi'));
  t.is(versions.binary, BINARY);
  t.true(Object.isFrozen(versions));
  expectTypeOf(versions).toEqualTypeOf<Versions>();
  return withLoop((loop) => {
    t.is(versions.backend, loop.backend);
  });
});

test('--json: the loop works, and each finding has what it needs', (t) => {
  const { code, stdout, stderr } = doctor(['doctor', '--json']);
  t.is(code, 0, stderr + stdout);
  const found = findingsOf(stdout);
  for (const { level, name, value, advice } of found.values()) {
    t.true(['ok', 'note', 'warning'].includes(level), name);
    t.true(value.length > 0, name);
    // Whatever is not as it should be says what to do.
    t.is(advice === null, level === 'ok', name);
  }
  t.is(found.get('package')?.value, `ioloop ${versions.ioloop}`);
  t.true(found.get('binary')?.value.startsWith(versions.binary));
  t.regex(
    found.get('flavour')?.value ?? '',
    capabilities.separateMemory ? /^WebAssembly/ : /^native$/,
  );
  t.is(found.get('backend')?.value, versions.backend);
  t.is(found.get('loop')?.level, 'ok');
  t.true(found.has('descriptors'));
  t.true(found.has('kernel'));
});

test('the text has a line for each finding', (t) => {
  const { code, stdout } = doctor(['doctor']);
  t.is(code, 0);
  for (const name of [
    'package',
    'system',
    'runtime',
    'binary',
    'flavour',
    'backend',
    'driver',
    'loop',
  ]) {
    t.regex(stdout, RegExp(`^(ok|note|warning) +${name} `, 'm'));
  }
});

/** For a native binary: with the drivers, and in a package of its own. */
const testNative = testIf(!capabilities.separateMemory, 'a native binary');

/** Where the package has sockets of its own, beside those of `node:net`. */
const testOwn = testIf(capabilities.descriptors, 'descriptors');

testNative('the thread driver is a note, with its reason', (t) => {
  const { stdout } = doctor(['doctor', '--json'], { IOLOOP_DRIVER: 'thread' });
  const driver = findingsOf(stdout).get('driver');
  t.is(driver?.level, 'note');
  t.regex(driver?.advice ?? '', /IOLOOP_DRIVER=thread is set/);
});

testOwn('sockets of node:net are a note, with their reason, and the loop works', (t) => {
  const { code, stdout } = doctor(['doctor', '--json'], { IOLOOP_SOCKETS: 'node' });
  t.is(code, 0, stdout);
  const found = findingsOf(stdout);
  t.is(found.get('sockets')?.level, 'note');
  t.regex(found.get('sockets')?.advice ?? '', /IOLOOP_SOCKETS=node is set/);
  t.is(found.get('loop')?.value, 'runs a timeout');
});

test('a driver that is none: the loop cannot be made, and the exit code is 1', (t) => {
  const { code, stdout } = doctor(['doctor', '--json'], { IOLOOP_DRIVER: 'none' });
  t.is(code, 1);
  t.regex(findingsOf(stdout).get('loop')?.advice ?? '', /IOLOOP_DRIVER/);
});

testNative('without a binary the doctor works, and says why there is none', (t) => {
  const project = new Project(t);
  const args = [`${project.module('ioloop')}/dist/cli.js`, 'doctor', '--json'];
  const without = project.run(args);
  t.is(without.code, 1, without.stderr);
  const { level, advice = '' } = findingsOf(without.stdout).get('binary') ?? {};
  t.is(level, 'error');
  t.true(advice?.includes(`${PLATFORM_PACKAGE} is not installed`), String(advice));
  project.addBinary(readFileSync(BINARY));
  const installed = project.run(args);
  t.is(installed.code, 0, installed.stderr + installed.stdout);
  t.true(findingsOf(installed.stdout).get('binary')?.value.startsWith(PLATFORM_PACKAGE));
});

test('wrong arguments: the usage, and exit code 2', (t) => {
  for (const args of [[], ['nurse'], ['doctor', 'doctor'], ['doctor', '--yaml']]) {
    const { code, stderr } = doctor(args);
    t.is(code, 2, args.join(' '));
    t.regex(stderr, /^Usage: ioloop doctor/m);
  }
  const help = doctor(['--help']);
  t.is(help.code, 0);
  t.regex(help.stdout, /^Usage: ioloop doctor/);
});
