/** What waits for a loop that never runs is warned of when the process ends. */
import test from 'ava';
import { runChild, type ChildResult } from './helpers/child.js';

const PRELUDE = `
  import { IOLoop, IOStream, Socket, TCPClient, TCPServer } from 'ioloop';
  const loop = IOLoop.current();
  const listener = Socket.tcp();
  listener.bind({ host: '127.0.0.1', port: 0 });
  listener.listen();
  const address = listener.localAddress;
`;

function run(source: string): Promise<ChildResult> {
  return runChild(PRELUDE + source);
}

for (const [name, source] of [
  ['TCPClient.connect()', `await new TCPClient().connect('127.0.0.1', address.port);`],
  ['IOStream.connect()', `await new IOStream(Socket.tcp()).connect(address);`],
]) {
  test(`${name} outside of a running loop: the end of the process is not silent`, async (t) => {
    const { code, stderr } = await run(source as string);
    t.is(code, 13);
    t.regex(stderr, /\[IOLOOP_NOT_RUNNING\] Warning: connect.* does not run.*runSync/);
    t.is(stderr.split('IOLOOP_NOT_RUNNING').length, 2);
  });
}

test('a loop that runs, before or after the call, causes no warning', async (t) => {
  const { code, stderr, stdout } = await run(`
    const others = process.listenerCount('beforeExit');
    const before = new TCPClient().connect('127.0.0.1', address.port);
    before.then(() => loop.stop());
    await loop.start();
    await loop.runSync(async () => {
      (await new TCPClient().connect('127.0.0.1', address.port)).close();
    });
    const refused = new TCPClient({ resolver: () => Promise.reject(new Error('none')) });
    await refused.connect('name', 1).catch((error) => console.log(error.message));
    // This one waits for ever, and the loop has run since: the program has chosen so.
    const never = new TCPClient({ resolver: () => new Promise(() => {}) });
    void never.connect('name', 1);
    await loop.runSync(async () => {});
    console.log(process.listenerCount('beforeExit') - others);
  `);
  t.is(stderr, '');
  t.is(stdout, 'none\n0\n');
  t.is(code, 0);
});

test('a loop that was closed is not waited for', async (t) => {
  const { stderr } = await run(`
    new TCPServer((stream) => stream.end()).listen(0, '127.0.0.1');
    loop.close();
  `);
  t.is(stderr, '');
});
