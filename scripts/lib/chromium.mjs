// Chromium, driven by the DevTools protocol, and a server for its pages.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { delimiter, extname, join, normalize } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Hint, root, run } from './process.mjs';

/** What only the tests in a browser need, kept in `.cache`. */
const TOOLS = { assert: '2.1.0', 'puppeteer-core': '24.8.2', vite: '8.3.8' };

/** Names of Chromium on Debian, Ubuntu, Fedora and in containers, and of Chrome. */
const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/** Their folder, with `node_modules`. */
export function browserTools() {
  const cache = join(root, '.cache', 'browser-tools');
  const description = JSON.stringify({ private: true, dependencies: TOOLS });
  const file = join(cache, 'package.json');
  const stamp = join(cache, 'installed');
  if (existsSync(stamp)) return cache;
  console.log(`fetching ${Object.keys(TOOLS).join(', ')}`);
  mkdirSync(cache, { recursive: true });
  writeFileSync(file, description);
  run('npm', ['install', '--prefix', cache, '--no-audit', '--no-fund']);
  writeFileSync(stamp, '');
  return cache;
}

/** The program. `IOLOOP_CHROMIUM` names another one. */
export function chromium() {
  const chosen = process.env['IOLOOP_CHROMIUM'];
  const folders = (process.env['PATH'] ?? '').split(delimiter);
  const files = NAMES.flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = (chosen === undefined ? files : [chosen]).find((file) => existsSync(file));
  if (found !== undefined) return found;
  throw new Hint(
    'Chromium is missing: `apt-get install -y chromium`, or IOLOOP_CHROMIUM=<its path>.',
  );
}

/**
 * @typedef {object} Pages
 * @property {string} origin
 * @property {<T>(path: string, work: (argument: string) => Promise<T>, argument?: string) => Promise<T>} run
 *   Opens a page, calls a function in it, and closes it.
 * @property {() => Promise<void>} close
 */

/**
 * Starts a server of a folder, and a browser for it. No page is isolated from other origins.
 * @param {string} folder @param {string} tools
 * @returns {Promise<Pages>}
 */
export async function openPages(folder, tools) {
  const executablePath = chromium();
  const server = createServer((request, response) => answer(folder, request, response));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const entry = join(tools, 'node_modules/puppeteer-core/lib/esm/puppeteer/puppeteer-core.js');
  const { default: puppeteer } = await import(pathToFileURL(entry).href);
  // Root has no sandbox in containers; the pages are ours.
  const args = ['--no-sandbox', '--disable-gpu', '--js-flags=--expose-gc'];
  const browser = await puppeteer.launch({ executablePath, args });
  const origin = `http://127.0.0.1:${port}`;
  return {
    origin,
    async run(path, work, argument = '') {
      const page = await browser.newPage();
      try {
        await page.goto(new URL(path, origin).href);
        return await page.evaluate(work, argument);
      } finally {
        await page.close();
      }
    },
    async close() {
      await browser.close();
      server.close();
    },
  };
}

const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };

/**
 * A file; an empty page for a folder. `?strict` forbids WebAssembly in the page.
 * @param {string} folder
 * @param {import('node:http').IncomingMessage} request @param {import('node:http').ServerResponse} response
 */
async function answer(folder, { url = '/' }, response) {
  const { pathname, search } = new URL(url, 'http://page');
  if (search === '?strict') {
    response.setHeader('content-security-policy', "script-src 'self' 'unsafe-inline'");
  }
  try {
    const isPage = pathname.endsWith('/');
    const body = isPage
      ? '<!doctype html><link rel="icon" href="data:,"><title>ioloop</title>'
      : await readFile(join(folder, normalize(pathname)));
    const type = isPage ? '.html' : extname(pathname);
    response.setHeader('content-type', TYPES[type] ?? 'application/octet-stream');
    response.end(body);
  } catch {
    response.writeHead(404).end();
  }
}
