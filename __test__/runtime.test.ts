/** Which driver and backend a loop has, and what selects them. */
import test from 'ava';
import { capabilities } from '#internal';
import { IOLoop } from 'ioloop';
import { runChild } from './helpers/child.js';
import { withLoop } from './helpers/loop.js';

/** The backend `poll` has no descriptor that libuv could watch, and WebAssembly has none at all. */
const drivers = capabilities.selectorDescriptor
  ? ['libuv', 'thread']
  : [capabilities.descriptors ? 'thread' : 'host'];
const known = drivers.length > 1 ? "'libuv' or 'thread'" : `'${drivers[0]}' on this system`;

test('driver is what IOLOOP_DRIVER says, by default libuv', (t) =>
  withLoop((loop) => {
    t.is(loop.driver as string, process.env['IOLOOP_DRIVER'] ?? String(drivers[0]));
  }));

test('backend is the system call of this platform', (t) =>
  withLoop((loop) => {
    const expected = { linux: 'epoll', darwin: 'kqueue', freebsd: 'kqueue' } as const;
    const ofSystem = expected[process.platform as keyof typeof expected] ?? 'poll';
    const ofBinary = capabilities.descriptors ? ofSystem : 'wasm';
    t.is(loop.backend as string, process.env['IOLOOP_TEST_BACKEND'] ?? ofBinary);
  }));

test('the constants have the values of the documentation', (t) => {
  const { NONE, READ, WRITE, ERROR } = IOLoop;
  t.deepEqual({ NONE, READ, WRITE, ERROR }, { NONE: 0, READ: 0x001, WRITE: 0x004, ERROR: 0x018 });
});

const DRIVER = `
  import { IOLoop } from 'ioloop';
  try {
    const loop = new IOLoop();
    loop.addCallback(() => loop.stop());
    await loop.start();
    console.log(loop.driver);
  } catch (error) {
    console.log(error.name, error.code, error.message);
  }
`;

for (const driver of drivers) {
  test(`IOLOOP_DRIVER=${driver} is obeyed`, async (t) => {
    const { stdout } = await runChild(DRIVER, { env: { IOLOOP_DRIVER: driver } });
    t.is(stdout, `${driver}\n`);
  });
}

test('an empty IOLOOP_DRIVER is none', async (t) => {
  const { stdout } = await runChild(DRIVER, { env: { IOLOOP_DRIVER: '' } });
  t.is(stdout, `${drivers[0]}\n`);
});

for (const driver of ['uv', 'LIBUV', 'timers', ' thread']) {
  test(`IOLOOP_DRIVER='${driver}' is refused by name, with what is allowed`, async (t) => {
    const { code, stdout } = await runChild(DRIVER, { env: { IOLOOP_DRIVER: driver } });
    t.is(
      stdout,
      'TypeError ERR_INVALID_ARG_VALUE ' +
        `"IOLOOP_DRIVER" must be ${known}. Received '${driver}'\n`,
    );
    t.is(code, 0);
  });
}

test('a refused IOLOOP_DRIVER leaks no descriptor and leaves no current loop', async (t) => {
  const { stdout, stderr } = await runChild(
    `import { readdirSync } from 'node:fs';
     import { IOLoop } from 'ioloop';
     const folder = process.platform === 'linux' ? '/proc/self/fd' : '/dev/fd';
     const before = readdirSync(folder).length;
     for (let round = 0; round < 10; round += 1) {
       try { new IOLoop(); } catch {}
     }
     console.log(readdirSync(folder).length - before, IOLoop.current(false));`,
    { env: { IOLOOP_DRIVER: 'none' } },
  );
  t.is(stdout, '0 null\n', stderr);
});

test('where libuv is not what it seems the thread driver is chosen, and libuv refused', async (t) => {
  const elsewhere = `globalThis.Deno = {}; ${DRIVER.replace("import { IOLoop } from 'ioloop'", "const { IOLoop } = await import('ioloop')")}`;
  const chosen = await runChild(elsewhere, { env: { IOLOOP_DRIVER: '' } });
  const others = drivers.at(-1);
  t.is(chosen.stdout, `${others}\n`, chosen.stderr);
  const refused = await runChild(elsewhere, { env: { IOLOOP_DRIVER: 'libuv' } });
  t.regex(refused.stdout, new RegExp(`^TypeError ERR_INVALID_ARG_VALUE .*'${others}' on this`));
});
