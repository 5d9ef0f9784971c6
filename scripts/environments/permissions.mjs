// Runtimes that do not permit what the import needs, or are too old.
import { nodeBinary, otherRuntime } from '../lib/runtimes.mjs';

/** @typedef {import('../environments.mjs').Row} Row */

/** The flag of the permission model. */
const PERMISSION = /** @type {const} */ ({ 20: '--experimental-permission', 24: '--permission' });

/** A connection within a program. Prints as the program of a `Project` does. */
const ECHO = `import { IOLoop, TCPClient, TCPServer } from 'ioloop';
const loop = new IOLoop();
const message = await loop.runSync(async () => {
  const server = new TCPServer({
    loop,
    handleStream: async (stream) => {
      await stream.write(await stream.readBytes(6));
      stream.close();
    },
  });
  server.listen(0, '127.0.0.1');
  const stream = await new TCPClient({ loop }).connect('127.0.0.1', server.port);
  await stream.write('echoed');
  const text = String(await stream.readBytes(6));
  stream.close();
  await server.stop();
  return text;
}, { timeout: 20 });
console.log(JSON.stringify({ code: 'loaded', message }));
`;

/** @type {Row[]} */
export const permissions = [
  {
    name: 'node --no-addons',
    code: 'ERR_IOLOOP_BINDING',
    message: /started with --no-addons\. Start it without --no-addons/,
    make: ({ installed }) => installed.imported([process.execPath, '--no-addons', 'main.mjs']),
  },
  {
    name: 'NODE_OPTIONS=--no-addons',
    code: 'ERR_IOLOOP_BINDING',
    message: /started with --no-addons\. Start it without --no-addons/,
    make: ({ installed }) => installed.imported(undefined, { NODE_OPTIONS: '--no-addons' }),
  },
  ...Object.entries(PERMISSION).flatMap(([major, flag]) => ofPermissionModel(major, flag)),
  {
    name: 'NAPI_RS_FORCE_WASI=error without the WebAssembly package',
    code: 'ERR_IOLOOP_BINDING',
    message:
      /NAPI_RS_FORCE_WASI is error, and ioloop-wasm32-wasip1 is not installed\. Install it: npm/,
    make: ({ installed }) => installed.imported(undefined, { NAPI_RS_FORCE_WASI: 'error' }),
  },
  {
    name: 'Node 18',
    code: 'ERR_IOLOOP_BINDING',
    message: /Node\.js 18\..*version of Node\.js is not supported\. Use Node\.js \^20\.19/,
    make: ({ installed }) => installed.imported([nodeBinary('18'), 'main.mjs']),
  },
  {
    name: 'deno, --allow-ffi',
    code: 'loaded',
    message: /^\d/,
    make: ({ installed }) => installed.imported(deno('--allow-ffi')),
  },
  {
    // Sockets are system calls of the binary, and variables that may not be read count as not set.
    name: 'deno, --allow-ffi, a server and a client',
    code: 'loaded',
    message: /^echoed$/,
    make: ({ installed }) => {
      installed.write('echo.mjs', ECHO);
      return installed.imported([...deno('--allow-ffi').slice(0, -1), 'echo.mjs']);
    },
  },
  {
    name: 'deno without --allow-ffi',
    code: 'ERR_IOLOOP_BINDING',
    message: /Deno was not permitted ffi access\. Run it with --allow-ffi/,
    make: ({ installed }) =>
      installed.imported(deno('--allow-read', '--allow-env', '--allow-net', '--allow-sys')),
  },
  {
    name: 'deno without a permission',
    code: 'ERR_IOLOOP_BINDING',
    message: /Deno was not permitted ffi access\. Run it with --allow-ffi/,
    make: ({ installed }) => installed.imported(deno()),
  },
];

/** @param {string} major @param {string} flag @returns {Row[]} */
function ofPermissionModel(major, flag) {
  const node = () => nodeBinary(major);
  return [
    {
      name: `Node ${major} ${flag}, all that it needs`,
      code: 'loaded',
      message: /^\d/,
      make: ({ installed: { folder }, installed }) =>
        installed.imported([
          node(),
          flag,
          '--allow-addons',
          `--allow-fs-read=${folder}/*`,
          'main.mjs',
        ]),
    },
    {
      name: `Node ${major} ${flag} without --allow-addons`,
      code: 'ERR_IOLOOP_BINDING',
      message: /permission model is on, and does not allow addons\. Add --allow-addons/,
      make: ({ installed }) => installed.imported([node(), flag, '--allow-fs-read=*', 'main.mjs']),
    },
    // That of Node 20 lets require() read every file.
    ...(major === '20' ? [] : [unreadable(node, flag)]),
    {
      // Node does not read the package, so that no code of it can say more.
      name: `Node ${major} ${flag}, --allow-fs-read without the package`,
      code: 'ERR_ACCESS_DENIED',
      message: /Access to this API has been restricted/,
      make: ({ installed: { folder }, installed }) =>
        installed.imported([node(), flag, `--allow-fs-read=${folder}/main.mjs`, 'main.mjs']),
    },
  ];
}

/** @param {() => string} node @param {string} flag @returns {Row} */
function unreadable(node, flag) {
  return {
    name: `Node 24 ${flag}, --allow-fs-read without the platform package`,
    code: 'ERR_IOLOOP_BINDING',
    message: /does not let Node\.js read the binary\. Add --allow-fs-read/,
    make: ({ installed: { folder }, installed }) => {
      const allowed = ['main.mjs', 'package.json', 'node_modules/ioloop/*'].map(
        (path) => `--allow-fs-read=${folder}/${path}`,
      );
      return installed.imported([node(), flag, '--allow-addons', ...allowed, 'main.mjs']);
    },
  };
}

/** The command of Deno with these flags alone. @param {...string} flags */
function deno(...flags) {
  const [program = ''] = otherRuntime('deno');
  return [program, 'run', '--no-prompt', ...flags, 'main.mjs'];
}
