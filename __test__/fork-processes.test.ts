/** `forkProcesses()` and `TCPServer.start(n)`: programs that run in several processes. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { Worker } from 'node:worker_threads';
import test, { type ExecutionContext } from 'ava';
import { forkProcesses, Socket, TCPServer } from 'ioloop';
import { ask, askUntil } from './helpers/ask.js';
import { runChild, startChild, type Child } from './helpers/child.js';
import { withLoop } from './helpers/loop.js';

/** Answers `who` with the id and the pid; `exit N` ends the process. */
const SERVER = `
  import { bindSockets, bindUnixSocket, forkProcesses, IOLoop, taskId, TCPServer } from 'ioloop';
  const server = new TCPServer(async (stream) => {
    const [command, argument] = String(await stream.readUntil('\\n')).trim().split(' ');
    if (command === 'exit') process.exit(Number(argument));
    await stream.write(taskId() + ' ' + process.pid + '\\n');
    await stream.end();
  });
`;

/** Each process prints its id and its port when it serves. */
const SERVE = `
  console.log('serves', taskId(), server.port);
  await IOLoop.current().start();
  console.log('ends', taskId());
`;

const PROGRAMS = {
  'bindSockets() and forkProcesses()': `${SERVER}
    const sockets = bindSockets(0, '127.0.0.1');
    const id = await forkProcesses(2, { sockets });
    if (id !== taskId()) throw new Error('another id');
    server.addSockets(sockets);
    ${SERVE}`,
  'bind() and start(2)': `${SERVER}
    server.bind(0, '127.0.0.1');
    await server.start(2);
    ${SERVE}`,
};

interface Running {
  readonly child: Child;
  readonly port: number;
  /** Resolves with the next line that begins with `word`. */
  line(word: string): Promise<string>;
}

/** Starts a program of two processes, and waits until both serve. */
async function start(t: ExecutionContext, source: string): Promise<Running> {
  const child = startChild(source);
  t.teardown(() => child.process.kill('SIGKILL'));
  const lines = createInterface({ input: child.process.stdout as NodeJS.ReadableStream });
  const seen: string[] = [];
  lines.on('line', (text) => seen.push(text));
  const line = async (word: string): Promise<string> => {
    for (;;) {
      const at = seen.findIndex((text) => text.startsWith(word));
      if (at >= 0) return seen.splice(at, 1)[0] as string;
      await once(lines, 'line');
    }
  };
  const first = await line('serves');
  await line('serves');
  return { child, port: Number(first.split(' ')[2]), line };
}

for (const [name, source] of Object.entries(PROGRAMS)) {
  test.serial(`${name}: two processes serve one port, and drain on SIGTERM`, async (t) => {
    const { child, port } = await start(t, source);
    const answers = new Set<string>();
    await askUntil(port, 'who', (answer) => answers.add(answer).size === 2);
    const [zero = '', one = ''] = [...answers].toSorted();
    t.regex(zero, /^0 \d+$/);
    t.regex(one, /^1 \d+$/);
    t.not(zero.slice(2), String(child.process.pid));
    child.process.kill('SIGTERM');
    const { code, stdout, stderr } = await child.ended;
    t.is(code, 0, stderr);
    t.regex(stdout, /^ends 0$/m);
    t.regex(stdout, /^ends 1$/m);
    t.is(await ask(port, 'who'), 'ECONNREFUSED');
  });

  test.serial(`${name}: a process that crashes is replaced by one with its id`, async (t) => {
    const { child, port, line } = await start(t, source);
    const victim = await askUntil(port, 'who', (answer) => answer.startsWith('1 '));
    process.kill(Number(victim.slice(2)), 'SIGKILL');
    t.regex(await line('serves'), /^serves 1 /);
    const successor = await askUntil(port, 'who', (answer) => answer.startsWith('1 '));
    t.not(successor, victim);
    child.process.kill('SIGTERM');
    const { code, stderr } = await child.ended;
    t.is(code, 0);
    t.regex(
      stderr,
      /IOLOOP_WORKER_CRASHED.* The worker 1 \(process \d+\) has ended: signal SIGKILL/,
    );
  });
}

test.serial(
  'the parent ends with code 0 when all processes have ended by themselves',
  async (t) => {
    const { code, stdout } = await runChild(`
    import { forkProcesses } from 'ioloop';
    console.log('before');
    console.log('id', await forkProcesses(3));
  `);
    t.is(code, 0);
    // Each process runs the program from its beginning.
    t.is(stdout.match(/before/g)?.length, 4);
    t.deepEqual(stdout.match(/id \d/g)?.toSorted(), ['id 0', 'id 1', 'id 2']);
  },
);

test.serial('processes that crash more than maxRestarts times fail the parent', async (t) => {
  const { code, stdout, stderr } = await runChild(`
    import { forkProcesses } from 'ioloop';
    console.log('id', await forkProcesses(1, { maxRestarts: 2 }));
    process.exitCode = 4;
  `);
  t.is(code, 1);
  t.is(stdout, 'id 0\n'.repeat(3));
  t.regex(stderr, /ERR_IOLOOP_WORKERS_FAILED/);
  t.regex(stderr, /worker 0 has ended \(exit code 4\) after 2 restarts/);
});

test.serial('processes stop when their parent is killed', async (t) => {
  const { child, line } = await start(t, PROGRAMS['bind() and start(2)']);
  child.process.kill('SIGKILL');
  t.deepEqual([await line('ends'), await line('ends')].toSorted(), ['ends 0', 'ends 1']);
  t.is((await child.ended).signal, 'SIGKILL');
});

/** In a child: until its parent is gone. */
const UNTIL_ORPHANED = {
  'while their modules are loading': `
    if (process.env.IOLOOP_TASK !== undefined) {
      const parent = process.ppid;
      const cell = new Int32Array(new SharedArrayBuffer(4));
      console.log('loads');
      while (process.ppid === parent) Atomics.wait(cell, 0, 0, 10);
    }
    server.bind(0, '127.0.0.1');
    await server.start(2);`,
  'while they wait before start()': `
    if (process.env.IOLOOP_TASK !== undefined) {
      process.channel.ref();
      console.log('loads');
      await new Promise((resolve) => process.once('disconnect', resolve));
    }
    server.bind(0, '127.0.0.1');
    await server.start(2);`,
  'between forkProcesses() and their loop': `
    await forkProcesses(2);
    process.channel.ref();
    console.log('loads');
    await new Promise((resolve) => process.once('disconnect', resolve));
    await new Promise(setImmediate);
    server.listen(0, '127.0.0.1');`,
};

for (const [name, source] of Object.entries(UNTIL_ORPHANED)) {
  test.serial(`processes stop when their parent is killed ${name}`, async (t) => {
    const child = startChild(`${SERVER} ${source}
      await IOLoop.current().start();
      console.log('ends', taskId());`);
    await child.wrote('loads\nloads\n');
    child.process.kill('SIGKILL');
    // The output is complete when the last process that has inherited it has ended.
    const { stdout } = await child.ended;
    t.deepEqual(stdout.match(/^(loads|ends)/gm)?.length, 4, stdout);
    t.deepEqual(stdout.match(/ends \d/g)?.toSorted(), ['ends 0', 'ends 1']);
  });
}

test.serial('a child process of a task is not a task, and a second call is refused', async (t) => {
  const { code, stdout, stderr } = await runChild(`
    import { spawnSync } from 'node:child_process';
    import { forkProcesses, taskId } from 'ioloop';
    await forkProcesses(1);
    const program = "import('ioloop').then(({ taskId }) => console.log('grandchild', taskId()))";
    const { stdout } = spawnSync(process.execPath, ['--eval', program], { encoding: 'utf8' });
    console.log('task', taskId(), stdout.trim());
    try { forkProcesses(1); } catch (error) { console.log(error.code); }
  `);
  t.is(stdout, 'task 0 grandchild null\nERR_IOLOOP_WORKERS\n', stderr);
  t.is(code, 0);
});

test.serial('a Unix socket is inherited too', async (t) => {
  const { code, stdout, stderr } = await runChild(`${SERVER}
    import { mkdtempSync } from 'node:fs';
    const path = process.env.SOCKET ??= mkdtempSync('/tmp/ioloop-') + '/socket';
    const socket = bindUnixSocket(path);
    await forkProcesses(1, { sockets: [socket] });
    server.addSocket(socket);
    console.log(server.addresses[0].path === path);
    IOLoop.current().addCallback(() => IOLoop.current().stop());
    await IOLoop.current().start();
  `);
  t.is(stdout, 'true\n', stderr);
  t.is(code, 0);
});

test('wrong arguments are refused at once', async (t) => {
  const socket = Socket.tcp();
  const refused: [processes: unknown, options: unknown, code: string][] = [
    [-1, {}, 'ERR_OUT_OF_RANGE'],
    ['2', {}, 'ERR_INVALID_ARG_TYPE'],
    [2, null, 'ERR_INVALID_ARG_TYPE'],
    [2, { maxRestarts: -1 }, 'ERR_OUT_OF_RANGE'],
    [2, { drain: -1 }, 'ERR_OUT_OF_RANGE'],
    [2, { signals: 'SIGTERM' }, 'ERR_INVALID_ARG_TYPE'],
    [2, { signals: ['SIGKILL'] }, 'ERR_INVALID_ARG_VALUE'],
    [2, { sockets: 3 }, 'ERR_INVALID_ARG_TYPE'],
    [2, { sockets: [3] }, 'ERR_INVALID_ARG_TYPE'],
    [2, { sockets: [socket] }, 'ERR_INVALID_ARG_VALUE'],
  ];
  for (const [processes, options, code] of refused) {
    const call = (): unknown => forkProcesses(processes as never, options as never);
    t.throws(call, { code }, JSON.stringify(options));
  }
  socket.close();
  await withLoop((loop) => {
    const server = new TCPServer({ loop, handleStream: () => {} });
    server.listen(0, '127.0.0.1');
    t.throws(() => void server.start(2), { code: 'ERR_IOLOOP_SERVER' });
    void server.stop();
  });
});

test('a worker thread cannot start the processes', async (t) => {
  const thread = new Worker(
    `import { parentPort } from 'node:worker_threads';
     const { forkProcesses } = await import(${JSON.stringify(import.meta.resolve('ioloop'))});
     try { forkProcesses(2); } catch (error) { parentPort.postMessage(error.code); }`,
    { eval: true, execArgv: ['--input-type=module'] },
  );
  t.deepEqual(await once(thread, 'message'), ['ERR_IOLOOP_UNSUPPORTED']);
});
