/** In debug mode a failure is reported with the place where its function was handed to the loop. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import test from 'ava';
import { IOLoop, PeriodicCallback, Socket, type CallOrigin } from 'ioloop';
import { runChild, type ChildOptions } from './helpers/child.js';

/** The first report of a debug loop on which `begin` has run; the loop is closed then. */
async function firstReport(
  begin: (loop: IOLoop) => unknown,
): Promise<{ error: unknown; origin: CallOrigin | null }> {
  const loop = new IOLoop({ debug: true, makeCurrent: false });
  const reports: { error: unknown; origin: CallOrigin | null }[] = [];
  loop.handleCallbackException = (_callback, error, origin = null) => {
    reports.push({ error, origin });
    loop.stop();
  };
  begin(loop);
  await loop.start();
  loop.close({ allFds: true });
  return reports[0] as (typeof reports)[0];
}

function failing(): never {
  throw new Error('on purpose');
}

async function rejecting(): Promise<never> {
  await Promise.resolve();
  return failing();
}

/** By kind: a function that hands another to a loop. Its name is that of the site. */
const KINDS: readonly [string, string, (loop: IOLoop, func: () => unknown) => unknown][] = [
  ['addCallback', 'callback', (loop, func) => loop.addCallback(func)],
  ['addCallbackFromSignal', 'callback', (loop, func) => loop.addCallbackFromSignal(func)],
  ['spawnCallback', 'callback', (loop, func) => loop.spawnCallback(func)],
  ['callLater', 'timeout', (loop, func) => loop.callLater(0, func)],
  ['callAt', 'timeout', (loop, func) => loop.callAt(0, func)],
  ['addTimeout', 'timeout', (loop, func) => loop.addTimeout({ seconds: 0 }, func)],
  [
    'addHandler',
    'handler',
    (loop, func) => {
      const [near, far] = Socket.pair();
      far.send(Buffer.from('x'));
      far.close();
      loop.addHandler(near, func, IOLoop.READ);
    },
  ],
];

for (const [name, kind, add] of KINDS) {
  for (const func of [failing, rejecting]) {
    test(`${name} is the site of a callback that is ${func.name}`, async (t) => {
      const { error, origin } = await firstReport(function registrar(loop) {
        add(loop, func);
      });
      t.like(error, { message: 'on purpose' });
      t.like(origin, { kind, name: func.name });
      // The innermost frame of the program is the arrow of the table.
      t.regex(origin?.site ?? '', /debug-sites\.test\.[jt]s:\d+:\d+/);
    });
  }
}

test('addFuture is the site of its callback, not the settling of the promise', async (t) => {
  const { origin } = await firstReport(function asks(loop) {
    loop.addFuture(Promise.resolve(), failing);
  });
  t.like(origin, { name: 'failing' });
  t.regex(origin?.site ?? '', /^asks \(file:.*debug-sites\.test\.[jt]s:\d+:\d+\)$/);
});

test('the start of a periodic callback is the site of each of its calls', async (t) => {
  let calls = 0;
  const { origin } = await firstReport((loop) => {
    const periodic = new PeriodicCallback(() => {
      calls += 1;
      if (calls === 3) periodic.stop();
      if (calls === 3) failing();
    }, 1);
    loop.makeCurrent();
    (function begins() {
      periodic.start();
    })();
  });
  IOLoop.clearCurrent();
  t.is(calls, 3);
  t.regex(origin?.site ?? '', /^begins \(/);
});

test('what a callback registers after an await has a site of its own', async (t) => {
  const { origin } = await firstReport((loop) => {
    loop.addCallback(async function outer() {
      await Promise.resolve();
      loop.addCallback(failing);
    });
  });
  t.regex(origin?.site ?? '', /^outer \(/);
});

test('a descriptor that is registered twice names the site of its first handler', (t) => {
  using loop = Object.assign(new IOLoop({ debug: true, makeCurrent: false }), {
    [Symbol.dispose](this: IOLoop) {
      this.close({ allFds: true });
    },
  });
  const [near, far] = Socket.pair();
  (function first() {
    loop.addHandler(near, () => {}, IOLoop.READ);
  })();
  t.throws(() => loop.addHandler(near, () => {}, IOLoop.READ), {
    code: 'ERR_IOLOOP_FD_REGISTERED',
    message: /, registered at first \(file:.*debug-sites\.test\.[jt]s:\d+:\d+\)\. Change/,
  });
  far.close();
});

test('the channel of failed callbacks has the origin', async (t) => {
  const origins: unknown[] = [];
  const listen = (message: unknown): void => {
    origins.push((message as { origin: CallOrigin }).origin);
  };
  subscribe('ioloop:callback:error', listen);
  const { origin } = await firstReport((loop) => loop.addCallback(failing));
  unsubscribe('ioloop:callback:error', listen);
  t.true(origins.includes(origin));
});

test('without debug mode there is no origin', async (t) => {
  const loop = new IOLoop({ debug: false, makeCurrent: false });
  const origins: unknown[] = [];
  loop.handleCallbackException = (_callback, _error, origin) => {
    origins.push(origin);
    loop.stop();
  };
  loop.addCallback(failing);
  await loop.start();
  loop.close();
  t.deepEqual(origins, [null]);
  t.false(loop.debug);
});

test('the default report of a loop has the site', async (t) => {
  const { stderr } = await runChild(FAILS, { env: { IOLOOP_DEBUG: '1' } });
  t.regex(stderr, SITE);
});

/** Line 4 hands over a function that fails. */
const FAILS = `
  import { IOLoop } from 'ioloop';
  const loop = IOLoop.current();
  loop.addCallback(function broken() { throw new RangeError('on purpose'); });
  loop.callLater(0, () => loop.stop());
  await loop.start();
  console.log(loop.debug);
`;
const SITE = /^Exception in callback broken, registered at file:\/\/\/\S+:4:8: RangeError: on pu/m;

for (const [value, isOn] of [
  ['1', true],
  ['true', true],
  ['0', false],
  ['', false],
] as const) {
  test(`IOLOOP_DEBUG=${value} turns debug mode ${isOn ? 'on' : 'off'}`, async (t) => {
    const { stderr, stdout } = await runChild(FAILS, { env: { IOLOOP_DEBUG: value } });
    t.is(stdout, `${isOn}\n`);
    t.is(SITE.test(stderr), isOn);
  });
}

test('the option overrides the environment, and the environment is read for each loop', async (t) => {
  const { stdout, stderr } = await runChild(
    `
    import { IOLoop } from 'ioloop';
    const make = (options) => new IOLoop({ makeCurrent: false, ...options }).debug;
    const first = [make(), make({ debug: false })];
    process.env.IOLOOP_DEBUG = '';
    IOLoop.configure(IOLoop, { debug: true });
    console.log(...first, make(), make({ debug: false }));
    IOLoop.configure(null);
    console.log(make(), make({ debug: true }), make({ debug: undefined }));
    `,
    { env: { IOLOOP_DEBUG: '1' } },
  );
  t.is(stdout, 'true false true false\nfalse true false\n', stderr);
});

test('debug is a boolean', (t) => {
  t.throws(() => new IOLoop({ debug: 1 as unknown as boolean }), { code: 'ERR_INVALID_ARG_TYPE' });
});

test('a worker has the environment of its thread', async (t) => {
  const { stdout, stderr } = await runChild(
    `
    import { Worker } from 'node:worker_threads';
    import { once } from 'node:events';
    const source = "import('ioloop').then(({ IOLoop }) => console.log(IOLoop.current().debug))";
    for (const env of [process.env, { IOLOOP_DEBUG: '0' }, {}]) {
      await once(new Worker(source, { eval: true, env }), 'exit');
    }
    `,
    { env: { IOLOOP_DEBUG: '1' } },
  );
  t.is(stdout, 'true\nfalse\nfalse\n', stderr);
});

/** Programs that change the traces of errors, and the options of their process. */
const CHANGED: readonly [string, string, ChildOptions?][] = [
  ['formats its traces', `Error.prepareStackTrace = () => 'formatted';`],
  ['makes its traces lists', `Error.prepareStackTrace = (_, frames) => frames;`],
  ['makes its traces objects', `Error.prepareStackTrace = () => ({ then: 1 });`],
  ['throws when a trace is made', `Error.prepareStackTrace = () => { throw new Error('no'); };`],
  ['makes no traces', `Error.stackTraceLimit = 0;`],
  [
    'freezes the formatting of traces',
    `Object.defineProperty(Error, 'prepareStackTrace', { value: undefined });`,
  ],
  ['has no limit of traces', `delete Error.stackTraceLimit;`],
  ['freezes the intrinsics', ``, { nodeOptions: ['--frozen-intrinsics', '--no-warnings'] }],
  ['maps its sources', ``, { nodeOptions: ['--enable-source-maps'] }],
];

for (const [what, before, options] of CHANGED) {
  test(`a program that ${what} gets sites all the same`, async (t) => {
    const { stdout, stderr } = await runChild(
      `import { IOLoop } from 'ioloop';
      ${before}
      const { prepareStackTrace, stackTraceLimit } = Error;
      const loop = new IOLoop({ debug: true });
      loop.handleCallbackException = (callback, error, origin) => {
        console.log(error, origin.site.replace(/file:.*\\[eval1\\]/, 'here'));
        loop.stop();
      };
      loop.callLater(0, function broken() { throw 'on purpose'; });
      await loop.start();
      console.log(Error.prepareStackTrace === prepareStackTrace);
      console.log(Error.stackTraceLimit === stackTraceLimit);`,
      options,
    );
    t.is(stdout, 'on purpose here:9:12\ntrue\ntrue\n', stderr);
  });
}

test('a name of any kind is one short line of the report', async (t) => {
  const { stderr, code } = await runChild(`
    import { IOLoop } from 'ioloop';
    const loop = new IOLoop({ debug: true });
    const names = [
      { value: 'two\\nlines\\u2028\\x1b[31m' }, { value: 'x'.repeat(1e6) }, { value: 7 },
      { get() { throw new Error('a getter'); } },
    ];
    for (const name of names) {
      const named = Object.defineProperty(() => { throw 'on purpose'; }, 'name', name);
      loop.addCallback(named);
    }
    loop.addCallback(new Proxy(() => { throw 'on purpose'; }, {
      getOwnPropertyDescriptor() { throw new Error('a trap'); },
    }));
    loop.callLater(0, () => loop.stop());
    await loop.start();
  `);
  t.is(code, 0, stderr);
  const names = Array.from(
    stderr.matchAll(/^Exception in callback (.*), reg/gm),
    ([, name]) => name,
  );
  const long = `${'x'.repeat(99)}…`;
  t.deepEqual(names, ['two lines [31m', long, '(anonymous)', '(anonymous)', '(anonymous)']);
});

test('a site is that of the source where Node maps sources', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
  try {
    // Line 1 of the module is line 8, column 3 of its source.
    const map = {
      version: 3,
      sources: ['app.ts'],
      names: [],
      mappings: 'AAOE',
      sourcesContent: [''],
    };
    const file = join(folder, 'app.mjs');
    const text = Buffer.from(JSON.stringify(map)).toString('base64');
    writeFileSync(
      file,
      'export const go = (loop) => loop.addCallback(() => { throw new Error("mapped"); });\n' +
        `//# sourceMappingURL=data:application/json;base64,${text}\n`,
    );
    const source = `
      import { IOLoop } from 'ioloop';
      import { go } from ${JSON.stringify(pathToFileURL(file).href)};
      const loop = new IOLoop({ debug: true });
      loop.handleCallbackException = (callback, error, { site }) => {
        console.log(site);
        loop.stop();
      };
      go(loop);
      await loop.start();
    `;
    const plain = await runChild(source);
    t.regex(plain.stdout, /^go \(file:\/\/\/.*app\.mjs:1:\d+\)$/m);
    const mapped = await runChild(source, { nodeOptions: ['--enable-source-maps'] });
    t.regex(mapped.stdout, /^go \(file:\/\/\/.*app\.ts:8:3\)$/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a debugger can ask for the origin of the code that is paused', async (t) => {
  const loop = new IOLoop({ debug: true, makeCurrent: false });
  const seen: unknown[] = [];
  const ask = (globalThis as Record<symbol, unknown>)[Symbol.for('ioloop.origin')];
  loop.addCallback(async function culprit() {
    const now = (globalThis as Record<symbol, unknown>)[
      Symbol.for('ioloop.origin')
    ] as () => unknown;
    seen.push(now());
    await Promise.resolve();
    seen.push(now());
    loop.stop();
  });
  await loop.start();
  loop.close();
  t.true(ask === undefined || typeof ask === 'function');
  t.is(seen.length, 2);
  for (const text of seen) t.regex(String(text), /^callback culprit, registered at .*test\.[jt]s:/);
});
