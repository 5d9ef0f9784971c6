// Installations that lack the binary of this system. All are made by npm.
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fetched } from '../lib/runtimes.mjs';

/** @typedef {import('../environments.mjs').Context} Context */
/** @typedef {import('../environments.mjs').Row} Row */

/** npm takes these for those of the machine it runs on. */
const ELSEWHERE = ['--os=darwin', '--cpu=arm64'];

/** Of pnpm, in `pnpm-workspace.yaml`. */
const SUPPORTED_ARCHITECTURES = `supportedArchitectures:
  os: [current, linux]
  cpu: [current, arm64]
  libc: [current, musl]
# pnpm puts packages elsewhere otherwise.
nodeLinker: hoisted
`;

/** @type {Row[]} */
export const installations = [
  {
    name: 'npm install --os=linux --cpu=arm64 --libc=musl',
    code: 'installed',
    message: /^ioloop-linux-arm64-musl$/,
    make: (context) =>
      installedElsewhere((project) => {
        project.npm('install', '--os=linux', '--cpu=arm64', '--libc=musl');
      }, context),
  },
  {
    name: 'pnpm install with supportedArchitectures',
    code: 'installed',
    message:
      /^ioloop-linux-arm64-gnu ioloop-linux-arm64-musl ioloop-linux-x64-gnu ioloop-linux-x64-musl$/,
    make: (context) =>
      installedElsewhere((project) => {
        project.write('pnpm-workspace.yaml', SUPPORTED_ARCHITECTURES);
        project.pnpm('install');
      }, context),
  },
  {
    name: 'ioloop installed',
    code: 'loaded',
    message: /^\d+\.\d+\.\d+/,
    make: ({ installed }) => installed.imported(),
  },
  {
    name: 'node_modules without write permission',
    code: 'loaded',
    message: /^\d/,
    make: ({ installed, use, asUser }) => {
      const project = use(installed.copy());
      return asUser((command) => project.imported(command(process.execPath, 'main.mjs')));
    },
  },
  {
    name: 'without npm install',
    code: 'ERR_MODULE_NOT_FOUND',
    message: /Cannot find package 'ioloop'/,
    make: ({ empty }) => empty().imported(),
  },
  {
    name: 'npm install --omit=optional',
    code: 'ERR_IOLOOP_BINDING',
    message: /is not installed: optional dependencies were left out.*--include=optional/,
    make: ({ empty }) => {
      const project = empty();
      project.npm('install', '--omit=optional');
      return project.imported();
    },
  },
  {
    name: 'package-lock.json written on another system',
    code: 'ERR_IOLOOP_BINDING',
    message: /package-lock\.json was written on another system, and does not list it\. Remove/,
    make: ({ empty }) => {
      const elsewhere = empty();
      // From node_modules, npm 10 writes a lock file with the packages that it finds there.
      const npm = fetched('npm@10', 'npm-10', join('npm', 'bin', 'npm-cli.js'));
      elsewhere.otherNpm(npm, 'install', ...ELSEWHERE);
      rmSync(join(elsewhere.folder, 'package-lock.json'));
      elsewhere.otherNpm(npm, 'install', ...ELSEWHERE);
      const project = empty();
      cpSync(
        join(elsewhere.folder, 'package-lock.json'),
        join(project.folder, 'package-lock.json'),
      );
      // npm 11 refuses such a lock file; npm 10 installs what it lists.
      project.otherNpm(npm, 'ci');
      return project.imported();
    },
  },
  {
    name: 'node_modules copied from another system',
    code: 'ERR_IOLOOP_BINDING',
    message: /but ioloop-darwin-arm64 is: node_modules is that of another system\. Install on/,
    make: ({ empty }) => {
      const project = empty();
      project.npm('install', ...ELSEWHERE);
      return project.imported();
    },
  },
  {
    name: 'platform package removed, no lock file',
    code: 'ERR_IOLOOP_BINDING',
    message: /The likely reasons: optional dependencies .* lock file .*--include=optional/,
    make: ({ installed, use }) => {
      const project = use(installed.copy());
      for (const name of project.binaries()) rmSync(project.module(name), { recursive: true });
      rmSync(join(project.folder, 'package-lock.json'));
      return project.imported();
    },
  },
  {
    name: 'bundled by esbuild (ESM), and moved',
    code: 'ERR_IOLOOP_BINDING',
    message: /is part of a bundle.*external: \['ioloop'\]/,
    make: (context) => bundled(context, 'esm'),
  },
  {
    name: 'bundled by esbuild (CommonJS), and moved',
    code: 'ERR_IOLOOP_BINDING',
    message: /is part of a bundle.*external: \['ioloop'\]/,
    make: (context) => bundled(context, 'cjs'),
  },
  {
    // The only system that there is here is this one: the process says that it is another. The real
    // ones are the FreeBSD and Windows of `npm run test:cross`.
    name: 'a system without a binary (process.arch replaced before the import)',
    code: 'ERR_IOLOOP_BINDING',
    message: /s390x.*There is no binary for this system.*npm install ioloop-wasm32-wasip1@/,
    make: ({ installed }) => {
      const stub = "Object.defineProperty(process, 'arch', { value: 's390x' })";
      const loader = `data:text/javascript,${encodeURIComponent(stub)}`;
      return installed.imported([process.execPath, '--import', loader, 'main.mjs']);
    },
  },
];

/**
 * Installs for another system, and returns the platform packages.
 * @param {(project: import('./project.mjs').Project) => void} install
 * @param {Context} context @returns {import('./project.mjs').Outcome}
 */
function installedElsewhere(install, { empty }) {
  const project = empty();
  install(project);
  return { code: 'installed', message: project.binaries().toSorted().join(' ') };
}

/** @param {Context} context @param {'esm' | 'cjs'} format */
async function bundled({ installed, empty }, format) {
  const { build } = await import('esbuild');
  const target = empty();
  const file = `bundle.${format === 'esm' ? 'mjs' : 'cjs'}`;
  mkdirSync(join(target.folder, 'elsewhere'));
  await build({
    absWorkingDir: installed.folder,
    entryPoints: ['main.mjs'],
    bundle: true,
    platform: 'node',
    format,
    outfile: join(target.folder, 'elsewhere', file),
    logLevel: 'silent',
  });
  return target.imported([process.execPath, join('elsewhere', file)]);
}
