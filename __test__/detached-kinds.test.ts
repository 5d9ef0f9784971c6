/** `IOStream.detach()` of pipes, numbers, objects and streams of Node; servers, handlers and state. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, writeSync } from 'node:fs';
import { inspect } from 'node:util';
import test from 'ava';
import { descriptorOf } from '#internal';
import { IOLoop, IOStream, Socket, TCPServer, type DetachedToken } from 'ioloop';
import { pairAt, pipe, tcpPair, until } from './helpers/fds.js';
import { onLoop, withLoop } from './helpers/loop.js';
import { moved } from './helpers/detached.js';
import { BINARY_HEADER, CLIENT } from './helpers/proxy-headers.js';
import { owned, pair } from './helpers/sockets.js';
import { failureOf, turns, withPair, withTcpPair } from './helpers/streams.js';

test('a pipe moves, with its records', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipe();
    const near = IOStream.fromFd(reader, { loop });
    const far = IOStream.fromFd(writer, { loop });
    await far.write('through a pipe');
    t.is(String(await near.readBytes(7)), 'through');
    const attached = moved(near);
    t.is(attached.socket, null);
    t.is(String(await attached.readBytes(7)), ' a pipe');
    const end = moved(far);
    await end.write('more');
    end.close();
    t.is(String(await attached.readUntilClose()), 'more');
  }));

test('a stream whose number was read has another one afterwards', (t) =>
  withTcpPair(async (near, far) => {
    const number = near.fileno();
    const attached = moved(near);
    t.not(descriptorOf(attached.socket)?.use(), number);
    t.false(descriptorOf(attached.socket)?.isExposed);
    // The number is free: the loop does not take its next file for the stream.
    const other = pairAt(number);
    other.peer.send('not for the stream');
    await far.write('for the stream');
    t.is(String(await attached.readBytes(14)), 'for the stream');
    await turns(attached);
    t.is(attached.readBufferSize, 0);
    other.close();
    attached.close();
  }));

test('an object with a descriptor is closed, and the stream moves', (t) =>
  onLoop(async (loop) => {
    const [reader, writer] = pipe();
    let closed = 0;
    const file = {
      fileno: () => (closed > 0 ? -1 : reader),
      close: () => {
        closed += 1;
        closeSync(reader);
      },
    };
    const attached = moved(IOStream.fromFd(file, { loop }));
    t.is(closed, 1);
    writeSync(writer, 'data');
    closeSync(writer);
    t.is(String(await attached.readUntilClose()), 'data');
    t.is(closed, 1);
  }));

test('many unread bytes move', (t) =>
  withPair(async (near, far) => {
    const size = 5_000_000;
    const data = Buffer.from(Array.from({ length: size }, (_, at) => (at * 31) % 253));
    const controller = new AbortController();
    const read = failureOf(near.readUntilClose({ signal: controller.signal }));
    await far.write(data);
    await until(() => near.readBufferSize === size, 'all bytes');
    controller.abort();
    await read;
    const attached = moved(moved(near));
    t.is(attached.readBufferSize, size);
    await far.shutdownWrite();
    t.true((await attached.readUntilClose()).equals(data));
  }));

test('the header of the PROXY protocol moves', (t) =>
  onLoop(async (loop) => {
    const streams: IOStream[] = [];
    const server = new TCPServer({
      loop,
      proxyProtocol: { trust: ['127.0.0.0/8'] },
      handleStream: (stream) => {
        streams.push(stream);
      },
    });
    server.listen(0, '127.0.0.1');
    const client = new IOStream(owned(t, Socket.tcp()), { loop });
    await client.connect({ host: '127.0.0.1', port: server.port });
    await client.write([BINARY_HEADER, 'first bytes']);
    await until(() => streams.length > 0, 'the connection');
    const [near] = streams as [IOStream];
    const header = near.proxyHeader;
    const attached = moved(near);
    t.deepEqual(attached.proxyHeader, header);
    t.deepEqual(attached.proxyHeader?.source, CLIENT);
    t.true(Buffer.isBuffer(attached.proxyHeader?.tlvs[0]?.value));
    t.is(String(await attached.readBytes(11)), 'first bytes');
    attached.close();
    client.close();
    await server.stop();
  }));

test('the current loop is the default of attach()', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(t);
    loop.makeCurrent();
    const stream = IOStream.attach(near.detach());
    IOLoop.clearCurrent();
    t.is(stream.loop, loop);
    far.send('x');
    t.is(String(await stream.readBytes(1)), 'x');
    stream.close();
  }));

test('a detached stream shows its state', (t) =>
  withPair((near) => {
    const attached = moved(near);
    t.regex(inspect(near), /fd: -1,\s+state: 'detached',\s+reading: null/);
    t.regex(inspect(attached), /fd: \d+,\s+remote/);
    attached.close();
    return Promise.resolve();
  }));

test('the old loop watches the connection no longer, the new one does', (t) =>
  withPair(async (near, _, loop) => {
    await withLoop((other) => {
      const before = loop.metrics().streams;
      const attached = moved(near, other);
      t.is(loop.metrics().streams, before - 1);
      t.is(other.metrics().streams, 1);
      attached.close();
    });
  }));

test("a stream of Node's moves as a duplicate, and is destroyed", (t) =>
  onLoop(async (loop) => {
    const child = spawn('sh', ['-c', 'echo one; read line; echo "two $line"'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const stream = IOStream.fromFd(child.stdout, { loop });
    t.is(String(await stream.readUntil('\n')), 'one\n');
    const attached = moved(stream);
    t.true(child.stdout.destroyed);
    const exit = once(child, 'exit');
    child.stdin.end('three\n');
    t.is(String(await attached.readUntilClose()), 'two three\n');
    await exit;
  }));

test('a stream of a socket token is a stream of that socket', (t) =>
  onLoop(async (loop) => {
    const [client, server] = await tcpPair();
    owned(t, client);
    const stream = IOStream.attach(server.detach(), { loop, maxBufferSize: 100 });
    client.send('hello');
    t.is(String(await stream.readBytes(5)), 'hello');
    t.is((await failureOf(stream.readBytes(101))).code, 'ERR_OUT_OF_RANGE');
    stream.close();
  }));

test('a server counts a detached connection no longer', (t) =>
  onLoop(async (loop) => {
    const tokens: DetachedToken<'stream'>[] = [];
    const server = new TCPServer({
      loop,
      async handleStream(stream) {
        await stream.readUntil('\n');
        tokens.push(stream.detach());
      },
    });
    server.listen(0, '127.0.0.1');
    const socket = Socket.tcp();
    socket.connect({ host: '127.0.0.1', port: server.port });
    const client = IOStream.attach(socket.detach(), { loop });
    await client.write('go\nhello');
    await until(() => tokens.length > 0, 'the token');
    t.is(server.connections, 0);
    await server.stop({ drain: true, timeout: 5 });
    const stream = IOStream.attach(tokens[0] as DetachedToken, { loop });
    t.is(String(await stream.readBytes(5)), 'hello');
    client.close();
    stream.close();
  }));
