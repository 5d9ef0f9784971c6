/** Connecting a stream: what is written before, and every way it can fail. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { bindUnixSocket, IOStream, Socket, StreamClosedError, type Address } from 'ioloop';
import { onLoop, type ReportingLoop } from './helpers/loop.js';
import { closing } from './helpers/net.js';
import { closedBy, failureOf, isSettled, turns, withPair } from './helpers/streams.js';
import { testOwnSockets } from './helpers/sockets-of.js';
import { REFUSING_PORT } from './helpers/refusing.js';

/** A listening socket without an acceptor. */
function listener(): Socket {
  const socket = Socket.tcp();
  socket.bind({ host: '127.0.0.1', port: 0 });
  socket.listen();
  return socket;
}

/** The one connection that waits to be accepted. */
async function accepted(loop: ReportingLoop, socket: Socket): Promise<IOStream> {
  for (;;) {
    const connection = socket.accept();
    if (connection !== null) return new IOStream(connection[0], { loop });
    await new Promise<void>((resolve) => {
      loop.addCallback(resolve);
    });
  }
}

test('what is written before the connection stands is sent afterwards, in order', (t) =>
  onLoop(async (loop) => {
    using server = listener();
    const stream = new IOStream(Socket.tcp(), { loop });
    const order: string[] = [];
    const connecting = stream.connect(server.localAddress);
    const waiting = [
      connecting.then((connected) => {
        t.is(connected, stream);
        order.push('connected');
      }),
      stream.write('hello, ').then(() => order.push('first')),
      stream.write(Buffer.alloc(10_000, '.')).then(() => order.push('second')),
    ];
    const reading = stream.readBytes(2);
    const peer = await accepted(loop, server);
    t.is((await peer.readBytes(10_007)).toString(), `hello, ${'.'.repeat(10_000)}`);
    await Promise.all(waiting);
    t.deepEqual(order, ['connected', 'first', 'second']);
    await peer.write('ok');
    t.is((await reading).toString(), 'ok');
    stream.close();
    peer.close();
  }));

test('refused: all that waits fails with the same ECONNREFUSED', (t) =>
  onLoop(async (loop) => {
    const address = { host: '127.0.0.1', port: REFUSING_PORT };
    const stream = new IOStream(Socket.tcp(), { loop });
    const closed = closing(stream);
    const waiting = [stream.connect(address), stream.write('x'), stream.readBytes(1)];
    const errors = await Promise.all(waiting.map(closedBy));
    t.is(errors[0]?.code, 'ECONNREFUSED');
    for (const error of errors) t.is(error, errors[0] ?? null);
    t.is(await closed, errors[0] ?? null);
    t.true(stream.closed);
    t.is(stream.error, errors[0] ?? null);
  }));

test('unreachable: what connect(2) says at once is a rejection too', (t) =>
  onLoop(async (loop) => {
    // A broadcast address takes no connection: EACCES or ENETUNREACH, at once.
    const stream = new IOStream(Socket.tcp(), { loop });
    const error = await closedBy(stream.connect({ host: '255.255.255.255', port: 9 }));
    t.true(['EACCES', 'ENETUNREACH', 'EHOSTUNREACH'].includes(error?.code ?? ''), String(error));
    t.true(stream.closed);
  }));

testOwnSockets('a connection that takes too long, or is given up: the stream is closed', (t) =>
  onLoop(async (loop) => {
    const full = listener();
    full.listen(0);
    // Its queue is full: further attempts hang, as with a host that does not answer.
    const connections = Array.from({ length: 3 }, () => {
      const socket = Socket.tcp();
      socket.connect(full.localAddress);
      return socket;
    });
    const late = new IOStream(Socket.tcp(), { loop });
    const written = late.write('never');
    const connecting = late.connect(full.localAddress, { timeout: 0.02 });
    t.is((await closedBy(connecting))?.name, 'TimeoutError');
    t.is((await closedBy(written))?.name, 'TimeoutError');
    t.is(late.error?.name, 'TimeoutError');

    const givenUp = new IOStream(Socket.tcp(), { loop });
    const controller = new AbortController();
    const { signal } = controller;
    const attempt = givenUp.connect(full.localAddress, { signal });
    await turns(givenUp);
    t.false(await isSettled(attempt));
    controller.abort(new Error('not today'));
    t.is((await closedBy(attempt))?.message, 'not today');
    t.true(givenUp.closed);
    for (const socket of [full, ...connections]) socket.close();
  }),
);

test('closing while it connects fails the attempt', (t) =>
  onLoop(async (loop) => {
    using server = listener();
    const stream = new IOStream(Socket.tcp(), { loop });
    const connecting = stream.connect(server.localAddress);
    const fault = new Error('changed my mind');
    stream.close(fault);
    t.is(await closedBy(connecting), fault);
  }));

test('an address that is none is refused, and the stream can still connect', (t) =>
  onLoop(async (loop) => {
    using server = listener();
    const stream = new IOStream(Socket.tcp(), { loop });
    const wrong = [
      undefined,
      null,
      'localhost:80',
      { host: 'not an ip address', port: 80 },
      { host: '127.0.0.1', port: 65_536 },
      { host: '127.0.0.1' },
    ];
    for (const address of wrong) {
      const { code } = await failureOf(stream.connect(address as unknown as Address));
      t.true(code?.startsWith('ERR_'), `${JSON.stringify(address)}: ${code}`);
      t.false(stream.closed);
    }
    t.is(await stream.connect(server.localAddress), stream);
    stream.close();
  }));

test('a signal that has aborted before closes the stream, as one that aborts later does', (t) =>
  onLoop(async (loop) => {
    using server = listener();
    const reason = new Error('not today');
    const stream = new IOStream(Socket.tcp(), { loop });
    const options = { signal: AbortSignal.abort(reason) };
    t.is(await closedBy(stream.connect(server.localAddress, options)), reason);
    t.true(stream.closed);
    t.is(stream.error, reason);
  }));

test('connecting twice, a connected stream, a closed one', async (t) => {
  await onLoop(async (loop) => {
    using server = listener();
    const stream = new IOStream(Socket.tcp(), { loop });
    const first = stream.connect(server.localAddress);
    const again = await failureOf(stream.connect(server.localAddress));
    t.is(again.code, 'ERR_IOLOOP_STREAM_BUSY');
    await first;
    t.is((await failureOf(stream.connect(server.localAddress))).code, 'ERR_IOLOOP_STREAM_BUSY');
    stream.close();
    const closed = await failureOf(stream.connect(server.localAddress));
    t.true(closed instanceof StreamClosedError);
  });
  await withPair(async (near) => {
    const { code } = await failureOf(near.connect({ host: '127.0.0.1', port: 1 }));
    t.is(code, 'ERR_IOLOOP_STREAM_BUSY');
    t.false(near.closed);
  });
});

test('over a Unix socket, and to one that is not there', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-'));
  try {
    await onLoop(async (loop) => {
      const path = join(folder, 'socket');
      using server = bindUnixSocket(path);
      const stream = await new IOStream(Socket.unix(), { loop }).connect({ path });
      const peer = await accepted(loop, server);
      await stream.write('hello');
      t.is((await peer.readBytes(5)).toString(), 'hello');
      stream.close();
      peer.close();
      const lost = new IOStream(Socket.unix(), { loop });
      const error = await closedBy(lost.connect({ path: join(folder, 'nothing') }));
      t.is(error?.code, 'ENOENT');
    });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a stream that never connects can be closed, and has no bytes', (t) =>
  onLoop(async (loop) => {
    const stream = new IOStream(Socket.tcp(), { loop });
    const reading = stream.readBytes(1);
    const written = stream.write('x');
    t.true(stream.writing);
    await turns(stream);
    stream.close();
    t.is(await closedBy(reading), null);
    t.is(await closedBy(written), null);
  }));
