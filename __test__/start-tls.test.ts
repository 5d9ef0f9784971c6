/** startTls() on a stream that has received something: a handshake, or nothing at all. */
import * as net from 'node:net';
import * as tls from 'node:tls';
import test from 'ava';
import { IOStream, Socket, TCPServer, type IOLoop } from 'ioloop';
import { runChild } from './helpers/child.js';
import { onLoop } from './helpers/loop.js';
import { testOwnWith } from './helpers/sockets-of.js';
import { failureOf, turns, localPair } from './helpers/streams.js';
import { ca, clientSide, identity, serverSide } from './helpers/tls.js';

/** A stream that has read a line, and has received `extra` after it. */
async function withExtra(loop: IOLoop, extra: string): Promise<[IOStream, IOStream]> {
  const [near, far] = localPair(loop, {}, { allowHalfOpen: true });
  await far.write(`STARTTLS\r\n${extra}`);
  await near.readUntil('\r\n');
  await turns(near);
  return [near, far];
}

test('a ClientHello after a PROXY line in one segment is the handshake', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({
      loop,
      handleStream: async (stream) => {
        await stream.readUntil('\r\n');
        const secure = await stream.startTls({ ...serverSide, timeout: 5 });
        await secure.write(`secret: ${String(await secure.readUntil('\n'))}`);
        await secure.end();
      },
    });
    server.listen(0, '127.0.0.1');
    const answer = await new Promise((resolve) => {
      const raw = net.connect(server.port, '127.0.0.1', () => {
        raw.cork();
        raw.write('PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n');
        const secure = tls.connect({ socket: raw, ca, servername: 'localhost' }, () => {
          secure.write('hello\n');
        });
        secure.on('data', resolve);
        secure.on('error', resolve);
        setImmediate(() => setImmediate(() => raw.uncork()));
      });
    });
    t.is(String(answer), 'secret: hello\n');
  }));

test('plaintext after STARTTLS fails the handshake, and nothing of it can be read', (t) =>
  onLoop(async (loop) => {
    for (const extra of ['MAIL FROM:<mallory>\r\n', 'x', '\u0016\u0003\u0001']) {
      const [near, far] = await withExtra(loop, extra);
      if (extra.length < 5) void far.shutdownWrite();
      const error = await failureOf(near.startTls({ ...serverSide, timeout: 5 }));
      // EOF may come before the handshake, too.
      const ended = /^(?:ECONNRESET|ERR_IOLOOP_STREAM_CLOSED)$/;
      t.regex(error.code ?? '', extra.length < 5 ? ended : /^ERR_SSL_/);
      t.true(near.closed);
      far.close();
      // It ended before the handshake, with what was there in plaintext.
      if (error.code === 'ERR_IOLOOP_STREAM_CLOSED') continue;
      t.is(near.readBufferSize, 0);
      await t.throwsAsync(near.readBytes(1), { code: 'ERR_IOLOOP_STREAM_CLOSED' });
    }
  }));

test("buffered: 'refuse' rejects, and leaves the stream and its bytes", (t) =>
  onLoop(async (loop) => {
    const [near, far] = await withExtra(loop, 'MAIL\r\n');
    const refusing = near.startTls({ ...serverSide, buffered: 'refuse' });
    await t.throwsAsync(refusing, { code: 'ERR_IOLOOP_STREAM_BUSY' });
    t.is(String(await near.readUntil('\r\n')), 'MAIL\r\n');
    const wrong = near.startTls({ ...serverSide, buffered: 'keep' as never });
    await t.throwsAsync(wrong, { code: 'ERR_INVALID_ARG_VALUE' });
    const invalid = near.startTls({ serverSide: true, tls: { cert: 'none', key: 'none' } });
    await failureOf(invalid);
    t.false(near.closed);
    near.close();
    far.close();
  }));

const FIRST = `
  import { IOLoop, IOStream, Socket } from 'ioloop';
  import { readFileSync } from 'node:fs';
  const [cert, key, ca] = ['server.pem', 'server.key', 'ca.pem'].map((name) =>
    readFileSync(process.env.FIXTURES + '/' + name));
  const loop = IOLoop.current();
  await loop.runSync(async () => {
    const [server, client] = IOStream.pair();
    await client.write('STARTTLS\\n');
    await server.readUntil('\\n');
    // The modules of TLS are loaded meanwhile, for both.
    const secure = server.startTls({ serverSide: true, tls: { cert, key }, timeout: 5 });
    const other = await client.startTls({ hostname: 'localhost', tls: { ca }, timeout: 5 });
    await other.write('hello\\n');
    console.log(String(await (await secure).readUntil('\\n')));
  }, { timeout: 10 });
  process.exit();
`;

test('the first handshake of a process loses nothing while TLS is loaded', async (t) => {
  const FIXTURES = new URL('../../__test__/fixtures', import.meta.url).pathname;
  const result = await runChild(FIRST, { env: { FIXTURES } });
  t.is(result.stdout.trim(), 'hello', result.stderr);
});

test('an aborted signal closes the connection, whenever it is aborted', (t) =>
  onLoop(async (loop) => {
    for (const isEarly of [true, false]) {
      const [near, far] = localPair(loop);
      const reason = new Error('enough');
      const abort = new AbortController();
      if (isEarly) abort.abort(reason);
      const starting = failureOf(near.startTls({ ...serverSide, signal: abort.signal }));
      await turns(far);
      abort.abort(reason);
      t.is(await starting, reason as NodeJS.ErrnoException);
      t.is((await far.readUntilClose()).length, 0);
    }
  }));

test('a stream that is not connected cannot start TLS, and can connect afterwards', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({ loop, handleStream: (stream) => stream.end() });
    server.listen(0, '127.0.0.1');
    const stream = new IOStream(Socket.tcp(), { loop });
    await t.throwsAsync(stream.startTls(clientSide), { code: 'ERR_IOLOOP_STREAM_BUSY' });
    await stream.connect({ host: '127.0.0.1', port: server.port });
    t.is((await stream.readUntilClose()).length, 0);
  }));

test('a handshake after EOF fails, however EOF was found', (t) =>
  onLoop(async (loop) => {
    for (const isReading of [true, false]) {
      const [near, far] = localPair(loop, { allowHalfOpen: true });
      const reading = isReading ? near.readUntilClose() : null;
      await turns(near);
      await far.shutdownWrite();
      await reading;
      await turns(near);
      t.true(near.ended);
      const error = await failureOf(near.startTls({ ...serverSide, timeout: 5 }));
      t.is(error.code, 'ECONNRESET', error.message);
      far.close();
    }
  }));

testOwnWith('prlimit')('the first handshake of a process needs no descriptor', async (t) => {
  const source = `
    import { IOLoop, IOStream, Socket } from 'ioloop';
    import { openSync } from 'node:fs';
    const { ca, identity } = JSON.parse(process.env.TLS);
    await IOLoop.current().runSync(async () => {
      const [client, server] = Socket.pair().map((socket) => new IOStream(socket));
      try {
        for (;;) openSync('/dev/null');
      } catch (error) {
        if (error.code !== 'EMFILE') throw error;
      }
      const [near, far] = await Promise.all([
        client.startTls({ hostname: 'localhost', tls: { ca } }),
        server.startTls({ serverSide: true, tls: identity }),
      ]);
      await near.write('x');
      process.stdout.write(await far.readBytes(1));
    }, { timeout: 20 });
  `;
  const strings = { cert: String(identity.cert), key: String(identity.key) };
  const result = await runChild(source, {
    through: ['prlimit', '--nofile=80'],
    env: { TLS: JSON.stringify({ ca: String(ca), identity: strings }) },
  });
  t.is(result.stdout, 'x', result.stderr);
});
