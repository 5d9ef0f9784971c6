/** `NODE_DEBUG=ioloop` writes the life of loops, servers and connections to stderr. */
import test from 'ava';
import { runChild } from './helpers/child.js';

const PROGRAM = `
  import { IOLoop, TCPClient, TCPServer } from 'ioloop';
  const loop = new IOLoop();
  await loop.runSync(async () => {
    const server = new TCPServer((stream) => stream.end());
    server.listen(0, '127.0.0.1');
    const client = await new TCPClient().connect('127.0.0.1', server.port);
    await client.readUntilClose();
    await server.stop({ drain: true });
  });
  loop.close();
`;

test('a loop, a server and a connection write their lines, in order', async (t) => {
  const { code, stderr } = await runChild(PROGRAM, { env: { NODE_DEBUG: 'ioloop' } });
  t.is(code, 0, stderr);
  const lines = Array.from(stderr.matchAll(/^IOLOOP \d+: ([a-z ]+): (\w+)/gm), ([, what, name]) => [
    what,
    name,
  ]);
  t.deepEqual(lines, [
    ['start', 'IOLoop'],
    ['listen', 'TCPServer'],
    ['connection accepted', 'IOStream'],
    ['connection closed', 'IOStream'],
    ['stop listening', 'TCPServer'],
    ['stop', 'IOLoop'],
    ['close', 'IOLoop'],
  ]);
});

test('without the variable nothing is written', async (t) => {
  const { code, stderr } = await runChild(PROGRAM, { env: { NODE_DEBUG: '' } });
  t.is(code, 0);
  t.is(stderr, '');
});
