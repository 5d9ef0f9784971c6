/** Protocols under faults: peers that stall, reset, flood and vanish; TLS; timeouts. */
import { once } from 'node:events';
import { connect } from 'node:net';
import test from 'ava';
import { IOStream, Socket, TCPClient, TCPServer, type Connection } from 'ioloop';
import { HAS_PROC, openFds, until } from './helpers/fds.js';
import { onLoop, takeReports, withFakeTime } from './helpers/loop.js';
import { addressOf, connectTo, portOf, reset } from './helpers/net.js';
import { recording, withPushed } from './helpers/protocols.js';
import { testOwnSockets } from './helpers/sockets-of.js';
import { turns } from './helpers/streams.js';
import { ca, identity } from './helpers/tls.js';

testOwnSockets('EOF does not overtake the bytes that a connection leaves to the next one', (t) =>
  onLoop(async (loop) => {
    const [peer, socket] = Socket.pair();
    const [trigger, other] = Socket.pair();
    const calls: string[] = [];
    const second = recording(calls);
    const first = new IOStream(socket, { loop }).setProtocol({
      data(c, chunk) {
        c.unread(chunk.length);
        if (c.bytesSent > 0) c.toStream().setProtocol(second);
        else c.pause();
      },
    });
    // After the streams of its turn: the next one collects EOF, then continues with the bytes.
    const resuming = new IOStream(other, { loop }).setProtocol({
      data() {
        first.write('!');
        first.resume();
        peer.shutdown('write');
      },
    });
    peer.send(Buffer.from('rest'));
    await until(() => first.paused, 'the bytes');
    trigger.send(Buffer.from('go'));
    await until(() => calls.includes('close'), 'the close');
    t.deepEqual(calls, ['open', 'data rest', 'end', 'close']);
    resuming.close();
    for (const end of [peer, trigger]) end.close();
  }),
);

test('unread bytes that move keep no block of all connections alive', (t) =>
  onLoop(async (loop) => {
    const streams: IOStream[] = [];
    const data = (c: Connection<unknown>): void => {
      c.unread(1);
      streams.push(c.toStream());
    };
    await withPushed(loop, { data }, async ({ client }) => {
      await client.write('line\nX');
      await until(() => streams.length > 0, 'the stream');
      const [stream] = streams as [IOStream];
      t.is((await stream.readBytes(1)).buffer.byteLength, 1);
      stream.close();
    });
  }));

test('maxWriteBufferSize: a write beyond it is refused whole', (t) =>
  onLoop((loop) =>
    withPushed(
      loop,
      {},
      async ({ connection }) => {
        t.throws(() => connection.write(Buffer.alloc(30_001)), { code: 'ERR_IOLOOP_BUFFER_FULL' });
        t.is(connection.unsent, 0);
        connection.write(Buffer.alloc(30_000));
        t.throws(() => connection.write(['x']), { code: 'ERR_IOLOOP_BUFFER_FULL' });
      },
      { maxWriteBufferSize: 30_000 },
    ),
  ));

test('a connection that floods does not starve another', (t) =>
  onLoop(async (loop) => {
    const received = new Map<Connection<unknown>, number>();
    await using server = new TCPServer({
      loop,
      protocol: {
        data(c: Connection<unknown>, chunk) {
          received.set(c, (received.get(c) ?? 0) + chunk.length);
          if (chunk.length === 4) c.write('pong');
        },
      },
    });
    server.listen(0, '127.0.0.1');
    const flooding = await connectTo(loop, addressOf(server));
    const client = await connectTo(loop, addressOf(server));
    const flood = Buffer.alloc(16 * 1024 * 1024);
    const flooded = flooding.write(flood);
    for (let n = 0; n < 10; n += 1) {
      await client.write('ping');
      t.is(String(await client.readBytes(4)), 'pong');
    }
    const most = Math.max(...received.values());
    t.true(most < flood.length, 'the pings were answered after the flood');
    await flooded;
    client.close();
    flooding.close();
  }));

test('a reset at every point of a dialogue closes the connection once', async (t) => {
  for (let point = 0; point < 8; point += 1) {
    await onLoop((loop) =>
      withPushed(
        loop,
        { data: (c, chunk) => c.write(Buffer.alloc(200_000 * chunk.length)) },
        async ({ client, closed, calls, server }) => {
          if (point > 0) await client.write('x');
          if (point > 1) await client.readBytes(1);
          if (point > 2) await client.readBytes(199_999);
          if (point > 3) await client.write('yy');
          if (point > 4) await turns(client);
          if (point > 5) await client.shutdownWrite();
          if (point > 6) await client.readBytes(400_000);
          reset(client);
          await closed();
          await turns(client);
          t.is(calls.filter((call) => call.startsWith('close')).length, 1, `point ${point}`);
          t.is(server.connections, 0);
        },
      ),
    );
  }
});

test.serial('connections that come and go leave nothing behind', async (t) => {
  await onLoop(async (loop) => {
    const calls: string[] = [];
    await using server = new TCPServer({
      loop,
      protocol: recording(calls, { data: (c, chunk) => c.write(chunk) }),
    });
    server.listen(0, '127.0.0.1');
    const before = HAS_PROC ? openFds().size : 0;
    for (let n = 0; n < 200; n += 1) {
      const client = await connectTo(loop, addressOf(server));
      if (n % 2 === 0) await client.write('x');
      if (n % 4 === 0) await client.readBytes(1);
      if (n % 3 === 0) reset(client);
      else client.close();
    }
    const closes = (): number => calls.filter((call) => call.startsWith('close')).length;
    await until(() => closes() === calls.filter((call) => call === 'open').length, 'all closes');
    await until(() => server.connections === 0, 'the last');
    if (HAS_PROC) t.is(openFds().size, before);
    t.pass();
  });
});

test('a client and a server of protocols over TLS, with half-close and truncation', (t) =>
  onLoop(async (loop) => {
    const calls: string[] = [];
    await using server = new TCPServer({
      loop,
      tls: identity,
      protocol: recording(calls, {
        data: (c, chunk) => c.write(chunk),
      }),
    });
    server.listen(0, '127.0.0.1');
    const seen: string[] = [];
    const c = await new TCPClient().connect('127.0.0.1', portOf(server), {
      loop,
      tls: { hostname: 'localhost', tls: { ca } },
      protocol: recording(seen, {
        open: (d) => d.cork(() => d.write('one ') && d.write('two')),
      }),
    });
    t.not(c.tlsSocket, null);
    await until(() => c.bytesReceived === 7, 'the echo');
    c.write(Buffer.alloc(300_000));
    await until(() => c.bytesReceived === 300_007, 'the large echo');
    c.end();
    await until(() => seen.includes('close') && calls.includes('close'), 'the end of both');
    t.is(calls[1], 'data one two');
    t.deepEqual(calls.slice(-2), ['end', 'close']);
    // A peer that is cut off.
    const cut = await connectTo(loop, addressOf(server));
    const secure = await cut.startTls({ hostname: 'localhost', tls: { ca } });
    await secure.write('x');
    await secure.readBytes(1);
    secure.socket?.close();
    await until(() => calls.filter((call) => call.startsWith('close')).length === 2, 'the close');
    t.regex(calls.at(-1) ?? '', /^close: (ERR_IOLOOP_TLS_TRUNCATED|ECONNRESET)$/);
  }));

test('over TLS a connection becomes a stream with TLS, and one of a protocol again', (t) =>
  onLoop(async (loop) => {
    const calls: string[] = [];
    const again = recording(calls, { data: (c, chunk) => c.write(chunk) });
    await using server = new TCPServer({
      loop,
      tls: identity,
      protocol: {
        data(c, chunk) {
          c.unread(chunk.length - 2);
          const stream = c.toStream();
          t.is(stream.constructor.name, 'SSLIOStream');
          stream.readBytes(3).then((rest) => {
            calls.push(String(rest));
            stream.setProtocol(again);
          });
        },
      },
    });
    server.listen(0, '127.0.0.1');
    const plain = await connectTo(loop, addressOf(server));
    const client = await plain.startTls({ hostname: 'localhost', tls: { ca } });
    await client.write('abcdefg');
    t.is(String(await client.readBytes(2)), 'fg');
    t.deepEqual(calls, ['cde', 'open', 'data fg']);
    await client.shutdownWrite();
    t.is((await client.readUntilClose()).length, 0);
    await until(() => server.connections === 0, 'the close');
    await turns(client);
    t.deepEqual(calls, ['cde', 'open', 'data fg', 'end', 'close']);
  }));

test('peers of node:net: an echo, their half-close, and our end', (t) =>
  onLoop((loop) =>
    withPushed(loop, { data: (c, chunk) => c.write(chunk) }, async ({ server }) => {
      const peer = connect(portOf(server), '127.0.0.1');
      peer.end('from node');
      const chunks: Buffer[] = [];
      peer.on('data', (chunk: Buffer) => chunks.push(chunk));
      await once(peer, 'close');
      t.is(String(Buffer.concat(chunks)), 'from node');
    }),
  ));

test.serial(
  'at capacities of 1 to 5 everything arrives once, in order, whatever data() does',
  async (t) => {
    for (const size of [1, 2, 5]) {
      const capacities = {
        events: size,
        receiveBytes: size,
        receiveBlock: 4 * size,
        readBudget: size,
        sendBudget: size,
        sendRecords: size,
        sendBytes: size,
      };
      await onLoop(
        (loop) => {
          let calls = 0;
          const data = (c: Connection<unknown>, chunk: Buffer): void => {
            calls += 1;
            const left = calls % 3 === 0 ? Math.floor(chunk.length / 2) : 0;
            c.unread(left);
            c.write(chunk.subarray(0, chunk.length - left));
            if (calls % 5 === 0) c.pause();
            if (calls % 5 === 0) loop.addCallback(() => c.resume());
            if (calls % 7 === 0) c.protocol = { ...c.protocol };
            if (calls % 11 === 0) c.toStream().setProtocol({ data });
          };
          return withPushed(loop, { data }, async ({ client }) => {
            const sent = Buffer.from(Array.from({ length: 400 }, (_, at) => at % 251));
            // The last bytes may be left unread: more of them are to come.
            const written = client.write(sent).then(() => client.write('.'.repeat(40)));
            t.deepEqual(await client.readBytes(sent.length), sent);
            await written;
          });
        },
        { capacities },
      );
    }
  },
);

test('behind a balancer: the header comes first, and names the client', (t) =>
  onLoop(async (loop) => {
    const calls: string[] = [];
    const clients: unknown[] = [];
    const protocol = recording(calls, { open: (c) => clients.push(c.remoteAddress) });
    const proxyProtocol = { trust: ['127.0.0.1'] };
    await using server = new TCPServer({ loop, proxyProtocol, protocol });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    await client.write('PROXY TCP4 1.2.3.4 5.6.7.8 1000 2000\r\nhello');
    await until(() => calls.includes('data hello'), 'the bytes after the header');
    t.deepEqual(clients, [{ host: '1.2.3.4', port: 1000 }]);
    const refused = await connectTo(loop, addressOf(server));
    await refused.write('no header\r\n');
    await until(() => server.proxyRefusals === 1, 'the refusal');
    t.is(takeReports(loop).length, 1);
    t.deepEqual(calls, ['open', 'data hello']);
    client.close();
    refused.close();
  }));

test('maxConnections: further ones wait in the backlog', (t) =>
  onLoop((loop) =>
    withPushed(
      loop,
      { data: (c, chunk) => c.write(chunk) },
      async ({ client, calls, server }) => {
        const second = await connectTo(loop, addressOf(server));
        await second.write('x');
        await turns(second, 10);
        t.deepEqual(calls, ['open']);
        client.close();
        t.is(String(await second.readBytes(1)), 'x');
        t.is(server.connections, 1);
        second.close();
      },
      { maxConnections: 1 },
    ),
  ));

test('stop() with drain waits for connections; a dispose ends them', async (t) => {
  await onLoop(async (loop) => {
    const calls: string[] = [];
    const server = new TCPServer({
      loop,
      protocol: recording(calls, { data: (c) => [c.write('bye'), c.end()] }),
    });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    await until(() => calls.length > 0, 'the connection');
    const stopped = server.stop({ drain: true });
    await client.write('x');
    t.is(String(await client.readUntilClose()), 'bye');
    await stopped;
    const second = new TCPServer({ loop, protocol: recording(calls) });
    second.listen(0, '127.0.0.1');
    const other = await connectTo(loop, addressOf(second));
    await until(() => second.connections > 0, 'the connection');
    await second[Symbol.asyncDispose]();
    t.is((await other.readUntilClose()).length, 0);
  });
});

// The clock is the test's: Node's sockets do not follow it.
testOwnSockets('setTimeout(): idle for the period, since the last byte in either direction', (t) =>
  withFakeTime(async (loop, clock) => {
    const calls: string[] = [];
    const running = loop.start();
    const server = new TCPServer({
      loop,
      protocol: recording(calls, { open: (c) => c.setTimeout(10), timeout: () => {} }),
    });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    await until(() => calls.length > 0, 'the connection');
    const pass = async (seconds: number): Promise<void> => {
      clock.advance(seconds);
      // Has the loop look at its clock.
      await turns(client, 3);
    };
    const timeouts = (): number => calls.filter((call) => call === 'timeout').length;
    await pass(9);
    await client.write('x');
    await until(() => calls.includes('data x'), 'the byte');
    await pass(9);
    t.is(timeouts(), 0);
    await pass(1.5);
    t.is(timeouts(), 1);
    await pass(9);
    t.is(timeouts(), 1);
    await pass(1.5);
    t.is(timeouts(), 2);
    client.close();
    await until(() => calls.includes('close'), 'the close');
    await pass(100);
    t.is(timeouts(), 2);
    await server.stop();
    loop.stop();
    await running;
  }),
);

test('setTimeout() without a function closes the connection, also one that cannot send', async (t) => {
  await onLoop((loop) =>
    withPushed(
      loop,
      {
        open(c) {
          c.setTimeout({ milliseconds: 20 });
          c.setTimeout(0);
          c.setTimeout(0.02);
          c.write(Buffer.alloc(16_000_000));
          c.end();
          t.throws(() => c.setTimeout(-1), { code: 'ERR_OUT_OF_RANGE' });
          t.throws(() => c.setTimeout('1' as never), { code: 'ERR_INVALID_ARG_TYPE' });
        },
      },
      async ({ closed, calls }) => {
        await closed();
        t.deepEqual(calls, ['open', 'close: ERR_IOLOOP_TIMEOUT']);
      },
    ),
  );
});
