// The package for browsers as a program has it: its files, the README's example bundled by bundlers, and
// the errors of an import that fails.
import assert from 'node:assert/strict';
import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { isIP } from 'node:net';
import { constants } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { root } from '../lib/process.mjs';

/**
 * @typedef {object} Site
 * @property {import('../lib/chromium.mjs').Pages} pages
 * @property {string} folder that is served
 * @property {string} tools with Vite
 *
 * @typedef {object} Check
 * @property {string} name
 * @property {(site: Site) => Promise<void>} run
 */

const dist = join(root, 'dist', 'browser');

/** Bytes of `dist/browser` without the entry of the tests. */
const LARGEST = 1.2e6;

// prettier-ignore
const HOSTS = ['', '0.0.0.0', '127.0.0.1', '255.255.255.255', '256.0.0.1', '1.2.3', '1.2.3.4.5', '01.2.3.4',
  '1.2.3.4 ', ' 1.2.3.4', '0x1.2.3.4', '1..2.3', 'localhost', '::', '::1', 'fe80::1%eth0', 'fe80::1%', '1::2::3',
  '::ffff:1.2.3.4', '::ffff:1.2.3.256', '1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '12345::', '[::1]',
  'ABCD::ef', '::g', ':', ':::', '1:2:3:4:5:6:1.2.3.4', '::1/64', '::1]', '1.2.3.4%eth0'];

/** The section of the README whose program runs in browsers, too. */
const SECTION = 'In browsers';

/** @type {Check[]} */
export const checks = [
  {
    name: 'no module of Node is imported',
    run: async () => {
      for (const file of readdirSync(dist).filter((name) => name.endsWith('.js'))) {
        const source = readFileSync(join(dist, file), 'utf8');
        assert.doesNotMatch(source, /\b(?:from|import|import\() *["'](?:node:|[a-z])/, file);
      }
    },
  },
  {
    name: 'the files have a sane size',
    run: async () => {
      const sizes = readdirSync(dist)
        .filter((name) => /[.](js|wasm)$/.test(name) && name !== 'internal.js')
        .map((name) => statSync(join(dist, name)).size);
      const sum = sizes.reduce((one, other) => one + other, 0);
      assert.ok(sum < LARGEST, `${sum} bytes`);
    },
  },
  {
    name: 'numbers of errors are those of Linux',
    run: async () => {
      if (process.platform !== 'linux') return;
      const source = readFileSync(join(root, 'ts/browser/node/errno.ts'), 'utf8');
      const found = Array.from(source.matchAll(/^ {2}(E\w+): (\d+),$/gm), ([, name, number]) => [
        name,
        Number(number),
      ]);
      assert.deepEqual(Object.fromEntries(found), { ...constants.errno });
    },
  },
  {
    name: 'addresses are recognised as by Node',
    run: async () => {
      const { outputFiles } = await build({
        entryPoints: [join(root, 'ts/browser/node/net.ts')],
        bundle: true,
        write: false,
        format: 'esm',
        platform: 'node',
      });
      const source = Buffer.from(outputFiles[0]?.contents ?? '').toString('base64');
      const standIn = await import(`data:text/javascript;base64,${source}`);
      for (const host of HOSTS) assert.equal(standIn.isIP(host), isIP(host), host);
    },
  },
  {
    name: "the README's program, without a bundler",
    run: async ({ pages, folder }) => {
      const { program } = example();
      mkdirSync(join(folder, 'plain'));
      const source = program.replaceAll("'ioloop'", "'/ioloop/index.js'");
      writeFileSync(join(folder, 'plain', 'main.js'), source);
      await expectOutput(pages, '/plain/main.js');
    },
  },
  {
    name: 'bundled by esbuild',
    run: async ({ pages, folder, tools }) => {
      const project = makeProject(tools, 'esbuild');
      await build({
        absWorkingDir: project,
        entryPoints: ['main.js'],
        outdir: join(folder, 'esbuild'),
        bundle: true,
        minify: true,
        format: 'esm',
        target: 'es2022',
        logLevel: 'error',
      });
      cpSync(
        join(project, 'node_modules/ioloop/dist/browser/ioloop.wasm'),
        join(folder, 'esbuild', 'ioloop.wasm'),
      );
      await expectOutput(pages, '/esbuild/main.js');
    },
  },
  {
    name: 'bundled by Vite',
    run: async ({ pages, folder, tools }) => {
      const project = makeProject(tools, 'vite');
      const { build: bundle } = await vite(tools);
      const outDir = join(folder, 'vite');
      await bundle({
        root: project,
        base: '/vite/',
        logLevel: 'error',
        build: { outDir, emptyOutDir: true },
      });
      const [, script = ''] =
        readFileSync(join(outDir, 'index.html'), 'utf8').match(/src="(.+?)"/) ?? [];
      await expectOutput(pages, script);
    },
  },
  {
    name: "served by Vite's development server",
    run: async ({ pages, tools }) => {
      const project = makeProject(tools, 'vite-dev');
      const { createServer } = await vite(tools);
      const server = await createServer({
        root: project,
        logLevel: 'error',
        server: { port: 0, host: '127.0.0.1' },
        optimizeDeps: { exclude: ['ioloop'] },
      });
      await server.listen();
      try {
        const { port } = server.httpServer.address();
        await expectOutput(pages, '/main.js', `http://127.0.0.1:${port}/empty.html`);
      } finally {
        await server.close();
      }
    },
  },
  {
    name: 'metrics count turns, timers and callbacks',
    run: async ({ pages }) => {
      const metrics = await pages.run('/', async () => {
        const { IOLoop } = await import(/** @type {any} */ ('/ioloop/index.js'));
        const loop = new IOLoop({ makeCurrent: false });
        loop.addCallback(() => loop.callLater(0.02, () => loop.stop()));
        await loop.start();
        const found = JSON.parse(JSON.stringify(loop.metrics()));
        loop.close();
        return found;
      });
      assert.ok(metrics.turns >= 2, JSON.stringify(metrics));
      assert.equal(metrics.timersFired, 1, JSON.stringify(metrics));
    },
  },
  {
    name: 'timers that are delayed, as in the background, fire late and in order',
    run: async ({ pages }) => {
      const found = await pages.run('/', async () => {
        const original = globalThis.setTimeout;
        const inForeground = (callback, delay) => original(callback, delay);
        const inBackground = (callback, delay) => original(callback, Math.max(delay, 1000));
        Object.assign(globalThis, { setTimeout: inBackground });
        const { IOLoop } = await import(/** @type {any} */ ('/ioloop/index.js'));
        Object.assign(globalThis, { setTimeout: inForeground });
        const loop = new IOLoop({ makeCurrent: false });
        const fired = [];
        for (const delay of [0.3, 0.1, 0.2]) loop.callLater(delay, () => fired.push(delay));
        loop.callLater(0.4, () => loop.stop());
        const start = performance.now();
        await loop.start();
        loop.close();
        return { fired, milliseconds: performance.now() - start };
      });
      assert.deepEqual(found.fired, [0.1, 0.2, 0.3]);
      // The delay was in effect.
      assert.ok(found.milliseconds >= 990, `${found.milliseconds}`);
    },
  },
  {
    name: 'ERR_IOLOOP_BINDING: the module of WebAssembly is not there',
    run: async ({ pages, folder }) => {
      cpSync(join(folder, 'ioloop'), join(folder, 'broken'), { recursive: true });
      rmSync(join(folder, 'broken', 'ioloop.wasm'));
      const error = await failure(pages, '/', '/broken/index.js');
      assert.match(error, /^ERR_IOLOOP_BINDING .*\/broken\/ioloop[.]wasm.*answers 404[.] Copy /s);
    },
  },
  {
    name: 'ERR_IOLOOP_BINDING: the Content-Security-Policy forbids WebAssembly',
    run: async ({ pages }) => {
      const error = await failure(pages, '/?strict', '/ioloop/index.js');
      assert.match(error, /^ERR_IOLOOP_BINDING .*'wasm-unsafe-eval'/s);
    },
  },
  {
    name: 'ERR_IOLOOP_UNSUPPORTED: sockets, descriptors, threads',
    run: async ({ pages }) => {
      const codes = await pages.run('/', async () => {
        const { IOLoop, IOStream, serveWorkers, Socket, TCPClient, TCPServer } = await import(
          /** @type {any} */ ('/ioloop/index.js')
        );
        const loop = new IOLoop({ makeCurrent: false });
        const calls = {
          addHandler: () => loop.addHandler(0, () => {}, IOLoop.READ),
          fromFd: () => IOStream.fromFd(0, { loop }),
          tcp: () => Socket.tcp(),
          listen: () => new TCPServer(() => {}, { loop }).listen(0, '127.0.0.1'),
          connect: () => new TCPClient({ loop }).connect('127.0.0.1', 1),
          serveWorkers: () => serveWorkers('http://127.0.0.1/worker.js', { listen: [{ port: 0 }] }),
          toDuplex: () => IOStream.pair({ loop })[0].toDuplex(),
        };
        const found = {};
        for (const [name, call] of Object.entries(calls)) {
          try {
            await call();
            found[name] = 'works';
          } catch (error) {
            found[name] = error.code ?? String(error);
          }
        }
        loop.close();
        return found;
      });
      for (const [name, code] of Object.entries(codes)) {
        assert.equal(code, 'ERR_IOLOOP_UNSUPPORTED', name);
      }
    },
  },
];

/** The program of the README, and its output. */
function example() {
  const readme = readFileSync(join(root, 'README.md'), 'utf8');
  const section = readme.split(/^## /m).find((text) => text.startsWith(`${SECTION}\n`)) ?? '';
  const blocks = Array.from(section.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm));
  const [program, output] = ['js', 'text'].map(
    (language) => blocks.find(([, name]) => name === language)?.[2],
  );
  if (program === undefined || output === undefined) throw new Error(`no program in ${SECTION}`);
  return { program, output };
}

/** A project with the package in it. It is beside Vite, which Vite's own modules need. @param {string} tools @param {string} name */
function makeProject(tools, name) {
  const project = join(tools, 'projects', name);
  rmSync(project, { recursive: true, force: true });
  const installed = join(project, 'node_modules', 'ioloop');
  mkdirSync(installed, { recursive: true });
  cpSync(join(root, 'package.json'), join(installed, 'package.json'));
  cpSync(dist, join(installed, 'dist', 'browser'), { recursive: true });
  writeFileSync(join(project, 'package.json'), JSON.stringify({ type: 'module', private: true }));
  writeFileSync(join(project, 'main.js'), example().program);
  const page = '<!doctype html><title>ioloop</title><script type="module" src="/main.js"></script>';
  writeFileSync(join(project, 'index.html'), page);
  writeFileSync(join(project, 'empty.html'), '<!doctype html><title>ioloop</title>');
  return project;
}

/** @param {string} tools @returns {Promise<any>} */
function vite(tools) {
  return import(pathToFileURL(join(tools, 'node_modules/vite/dist/node/index.js')).href);
}

/** Runs a program in a page. @param {Site['pages']} pages @param {string} url @param {string} page */
async function expectOutput(pages, url, page = '/') {
  const lines = await pages.run(
    page,
    async (program) => {
      if (/** @type {any} */ (globalThis).crossOriginIsolated)
        throw new Error('the page is isolated');
      const printed = [];
      console.log = (...values) => printed.push(values.join(' '));
      await import(program);
      return printed;
    },
    url,
  );
  assert.equal(`${lines.join('\n')}\n`, example().output);
}

/** The code and the message of an import that fails. @param {Site['pages']} pages @param {string} page @param {string} url */
function failure(pages, page, url) {
  return pages.run(
    page,
    (program) =>
      import(program).then(
        () => 'no error',
        (error) => `${error.code} ${error.message}`,
      ),
    url,
  );
}
