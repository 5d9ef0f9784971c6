/** Children: none of our descriptors leaks into them, and they have loops of their own. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { IOLoop, Socket } from 'ioloop';
import { runChild } from './helpers/child.js';
import { serialIf } from './helpers/conditions.js';
import { closeAll, HAS_PROC, openFds, pipe, tcpPair } from './helpers/fds.js';
import { withLoop } from './helpers/loop.js';

const { READ } = IOLoop;
const testProc = serialIf(HAS_PROC, '/proc');

/** The descriptors of a shell, as a child of its own lists them: it waits meanwhile. */
async function fdsOfChild(): Promise<string> {
  const child = spawn('sh', ['-c', 'ls /proc/$$/fd; true'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let list = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    list += text;
  });
  await once(child, 'close');
  return list;
}

testProc('no descriptor of a running loop, its sockets and its pipes leaks into a child', (t) =>
  withLoop(async (loop) => {
    const expected = await fdsOfChild();
    const before = openFds().size;
    const [left, right] = Socket.pair();
    const [client, server] = await tcpPair();
    const [reader, writer] = pipe();
    const listener = Socket.tcp();
    listener.bind({ host: '127.0.0.1', port: 0 });
    listener.listen();
    for (const fd of [left, client, server, reader, listener]) loop.addHandler(fd, () => {}, READ);
    loop.callLater(1e6, () => {});
    const running = loop.start();
    t.true(openFds().size >= before + 7);
    t.is(await fdsOfChild(), expected);
    loop.stop();
    await running;
    for (const fd of [left, client, server, reader, listener]) loop.removeHandler(fd);
    closeAll(left, right, client, server, reader, writer, listener);
  }),
);

testProc('no descriptor of a running loop leaks through execFileSync', (t) =>
  withLoop(async (loop) => {
    const list = (): string => execFileSync('ls', ['/proc/self/fd'], { encoding: 'utf8' });
    const expected = list();
    const running = loop.start();
    t.is(list(), expected);
    loop.stop();
    await running;
  }),
);

test('a child runs a loop while its parent runs one', (t) =>
  withLoop(async (loop) => {
    const running = loop.start();
    const { stdout } = await runChild(`
      import { IOLoop } from 'ioloop';
      const loop = new IOLoop();
      console.log(await loop.runSync(async () => 'ran'));
    `);
    t.is(stdout, 'ran\n');
    loop.stop();
    await running;
  }));

test('a cluster: the primary and its workers run loops of their own', async (t) => {
  const program = fileURLToPath(new URL('helpers/cluster-program.js', import.meta.url));
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const [code] = (await once(child, 'close')) as [number | null];
  t.is(output, 'hello,hello\n');
  t.is(code, 0);
});

test('the handle of a loop is refused in another process', (t) =>
  withLoop(async (loop) => {
    loop.expose('never', () => t.fail());
    const handle = JSON.stringify(loop.remote());
    const { stdout, stderr } = await runChild(
      `import { IOLoop } from 'ioloop';
       new IOLoop().expose('never', () => console.log('called'));
       try {
         IOLoop.fromRemote(JSON.parse(process.argv.at(-1))).addCallback('never');
       } catch (error) {
         console.log(error.code, error.message.includes(String(process.ppid)));
       }`,
      { args: [handle] },
    );
    t.is(stdout, 'ERR_IOLOOP_OTHER_PROCESS true\n', stderr);
  }));
