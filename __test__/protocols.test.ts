/** Protocols: the functions of a connection, in their order, and what they may do within each other. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { inspect } from 'node:util';
import test from 'ava';
import { Connection, TCPClient, TCPServer, type Protocol } from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop, takeReports } from './helpers/loop.js';
import { addressOf, connectTo, portOf, reset } from './helpers/net.js';
import { recording, withPushed } from './helpers/protocols.js';
import { ownSockets } from './helpers/sockets-of.js';
import { localPair, turns } from './helpers/streams.js';

test('a connection is opened, gets bytes, EOF, and is closed, each once', (t) =>
  onLoop((loop) =>
    withPushed(loop, { data: (c, chunk) => c.write(chunk) }, async (pushed) => {
      const { client, connection, calls, server } = pushed;
      await client.write('hello');
      t.is(String(await client.readBytes(5)), 'hello');
      t.is(server.connections, 1);
      t.deepEqual(connection.remoteAddress, client.socket?.localAddress);
      t.deepEqual(connection.localAddress, client.socket?.remoteAddress);
      await client.shutdownWrite();
      t.is((await client.readUntilClose()).length, 0);
      await pushed.closed();
      t.deepEqual(calls, ['open', 'data hello', 'end', 'close']);
      t.is(connection.bytesReceived, 5);
      t.is(connection.bytesSent, 5);
      t.true(connection.closed);
      t.is(connection.error, null);
      t.is(connection.remoteAddress, null);
      t.is(server.connections, 0);
    }),
  ));

test('what a turn has written leaves at its end; what its microtasks write, when they are done', (t) =>
  onLoop(async (loop) => {
    const unsent: number[] = [];
    const [near, far] = localPair(loop);
    const connection = near.setProtocol({
      data(c) {
        c.write('a');
        unsent.push(c.unsent);
        c.write('b');
        queueMicrotask(() => {
          unsent.push(c.unsent);
          c.write('c');
          queueMicrotask(() => {
            unsent.push(c.unsent);
            c.write('d');
          });
        });
      },
    });
    await far.write('x');
    t.is(String(await far.readBytes(4)), 'abcd');
    if (ownSockets) t.deepEqual(unsent, [1, 0, 1]);
    connection.close();
    far.close();
  }));

test('state() makes the state of each connection', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({
      loop,
      protocol: {
        state: () => ({ bytes: 0 }),
        data(c, chunk) {
          c.state.bytes += chunk.length;
          c.write(`${c.state.bytes};`);
        },
      },
    });
    server.listen(0, '127.0.0.1');
    for (const word of ['one', 'three']) {
      const client = await connectTo(loop, addressOf(server));
      await client.write(word);
      t.is(String(await client.readUntil(';')), `${word.length};`);
      await client.write(word);
      t.is(String(await client.readUntil(';')), `${2 * word.length};`);
      client.close();
    }
  }));

test('a client has a protocol, too', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({
      loop,
      handleStream: async (stream) => {
        await stream.write(await stream.readBytes(4));
        await stream.end();
      },
    });
    server.listen(0, '127.0.0.1');
    const calls: string[] = [];
    const protocol = recording(calls, { open: (c) => c.write('ping') });
    const c = await new TCPClient().connect('127.0.0.1', portOf(server), { loop, protocol });
    t.true(c instanceof Connection);
    await until(() => calls.includes('close'), 'the close');
    t.deepEqual(calls, ['open', 'data ping', 'end', 'close']);
  }));

test('write() returns false when it is closed, and takes lists, strings and views', (t) =>
  onLoop((loop) =>
    withPushed(loop, {}, async ({ client, connection }) => {
      t.true(connection.write(['a', Buffer.from('b'), new Uint16Array([0x6363])]));
      t.true(connection.write(''));
      t.true(connection.cork((c) => c.write('d') && c.write('e')));
      t.is(String(await client.readBytes(6)), 'abccde');
      t.throws(() => connection.write(5 as never), { code: 'ERR_INVALID_ARG_TYPE' });
      connection.close();
      t.false(connection.write('late'));
      t.is(
        connection.cork(() => 'run'),
        'run',
      );
    }),
  ));

test('an exception in a function closes the connection, and is reported once', async (t) => {
  for (const name of ['state', 'open', 'data', 'end', 'drain', 'timeout', 'close'] as const) {
    for (const kind of ['throws', 'rejects'] as const) {
      await onLoop(async (loop) => {
        const fault = new Error(`${name} ${kind}`);
        const fail = (): never | Promise<never> => {
          if (kind === 'rejects' && name !== 'state') return Promise.reject(fault);
          throw fault;
        };
        const calls: string[] = [];
        const { open, ...protocol } = recording(calls, {
          [name]: fail,
          ...(name === 'timeout' ? {} : { timeout: () => {} }),
        });
        const starts = (c: Connection<unknown>): unknown => {
          if (name === 'timeout') c.setTimeout(0.001);
          if (name === 'drain') c.write(Buffer.alloc(8_000_000));
          return open?.(c);
        };
        await using server = new TCPServer({ loop, protocol: { ...protocol, open: starts } });
        server.listen(0, '127.0.0.1');
        const client = await connectTo(loop, addressOf(server), { allowHalfOpen: true });
        await client.write('x');
        if (name === 'end' || name === 'close') await client.shutdownWrite();
        if (name === 'drain') void client.readUntilClose().catch(() => {});
        await until(() => calls.some((call) => call.startsWith('close')), `the close of ${name}`);
        await turns(client, 2);
        t.deepEqual(
          takeReports(loop).map(({ error }) => error),
          [fault],
          `${name} ${kind}`,
        );
        const closes = calls.filter((call) => call.startsWith('close'));
        // EOF has closed it before the promise of `end` rejects.
        const isClosed = name === 'close' || (name === 'end' && kind === 'rejects');
        t.deepEqual(closes, [isClosed ? 'close' : `close: ${fault.message}`]);
        t.is(server.connections, 0);
        client.close();
      });
    }
  }
});

test('close() inside of each function: nothing but close is called any more', async (t) => {
  for (const name of ['open', 'data', 'end'] as const) {
    for (const how of ['close', 'end'] as const) {
      await onLoop((loop) =>
        withPushed(loop, { [name]: (c: Connection<unknown>) => c[how]() }, async (pushed) => {
          await pushed.client.write('x').catch(() => {});
          await pushed.client.shutdownWrite().catch(() => {});
          await pushed.closed();
          await turns(pushed.client);
          const expected = ['open', 'data x', 'end'];
          const last = expected.indexOf(name === 'data' ? 'data x' : name);
          t.deepEqual(pushed.calls, [...expected.slice(0, last + 1), 'close'], `${how} in ${name}`);
        }),
      );
    }
  }
});

test('close() and write() inside of close do nothing', (t) =>
  onLoop((loop) =>
    withPushed(
      loop,
      {
        close(c) {
          t.false(c.write('more'));
          c.close();
          c.end();
          c.pause();
          c.resume();
          c.setTimeout(1);
          c.shutdownWrite();
          t.throws(() => c.toStream(), { code: 'ERR_IOLOOP_STREAM_CLOSED' });
        },
      },
      async ({ connection, closed, client, calls }) => {
        connection.close();
        await closed();
        await turns(client);
        t.deepEqual(calls, ['open', 'close']);
      },
    ),
  ));

test('functions of a connection are not called within each other', (t) =>
  onLoop(async (loop) => {
    let depth = 0;
    const within = (run: (c: Connection<unknown>) => void) => (c: Connection<unknown>) => {
      depth += 1;
      t.is(depth, 1);
      run(c);
      depth -= 1;
    };
    await withPushed(
      loop,
      {
        open: within((c) => c.write(Buffer.alloc(1_000_000))),
        data: within((c) => {
          c.pause();
          c.resume();
          c.cork(() => c.write('x'));
          c.end();
          c.close();
        }),
        close: within(() => {}),
      },
      async ({ client, closed }) => {
        await client.write('x');
        await closed();
      },
    );
  }));

test('pause() stops data and EOF in each function; resume() goes on', (t) =>
  onLoop((loop) =>
    withPushed(loop, { data: (c) => c.pause() }, async ({ client, connection, calls, closed }) => {
      for (const word of ['one', 'two', 'three']) {
        await client.write(word);
        await until(() => calls.includes(`data ${word}`), word);
        t.true(connection.paused);
        await client.write('|');
        await turns(client, 8);
        t.is(calls.at(-1), `data ${word}`);
        connection.resume();
        await until(() => calls.at(-1) === 'data |', 'the rest');
        connection.resume();
      }
      connection.pause();
      await client.shutdownWrite();
      await turns(client, 8);
      t.is(calls.at(-1), 'data |');
      connection.resume();
      await closed();
      t.deepEqual(calls.slice(-2), ['end', 'close']);
    }),
  ));

test('pause() and end() together: what was written is sent', (t) =>
  onLoop((loop) =>
    withPushed(
      loop,
      {
        data(c) {
          c.pause();
          c.write(Buffer.alloc(3_000_000));
          c.end();
        },
      },
      async ({ client, closed }) => {
        await client.write('x');
        t.is((await client.readUntilClose()).length, 3_000_000);
        await closed();
      },
    ),
  ));

test('half-close: after EOF the connection can be written, if it stays half open', (t) =>
  onLoop((loop) =>
    withPushed(
      loop,
      { end: (c) => loop.callLater(0.001, () => [c.write('answer'), c.end()]) },
      async ({ client, closed, calls }) => {
        await client.write('question');
        await client.shutdownWrite();
        t.is(String(await client.readUntilClose()), 'answer');
        await closed();
        t.deepEqual(calls, ['open', 'data question', 'end', 'close']);
      },
      { allowHalfOpen: true },
    ),
  ));

test('half-close: after shutdownWrite() bytes are received until EOF', (t) =>
  onLoop((loop) =>
    withPushed(
      loop,
      {
        open(c) {
          c.write('bye');
          c.shutdownWrite();
          c.shutdownWrite();
          t.false(c.write('late'));
        },
      },
      async ({ client, closed, calls }) => {
        t.is(String(await client.readUntilClose().catch((error) => error.partial ?? '')), 'bye');
        await client.write('more');
        await until(() => calls.includes('data more'), 'the bytes');
        await client.end();
        await closed();
        t.deepEqual(calls, ['open', 'data more', 'end', 'close']);
      },
    ),
  ));

test('a reset is the error of close, also while the connection is paused', async (t) => {
  for (const isPaused of [false, true]) {
    await onLoop((loop) =>
      withPushed(
        loop,
        { open: (c) => (isPaused ? c.pause() : undefined) },
        async ({ client, closed, calls }) => {
          await client.write('x');
          await turns(client);
          reset(client);
          await closed();
          t.deepEqual(calls.slice(-1), ['close: ECONNRESET']);
          t.is(calls.includes('data x'), !isPaused);
        },
      ),
    );
  }
});

test('wrong protocols are refused', (t) => {
  const wrong: readonly unknown[] = [null, 5, {}, { data: 1 }, { data() {}, close: 'x' }];
  for (const protocol of wrong) {
    t.throws(() => new TCPServer({ protocol: protocol as Protocol }), {
      code: 'ERR_INVALID_ARG_TYPE',
    });
  }
  const both = { protocol: { data() {} }, handleStream() {} };
  t.throws(() => new TCPServer(both), { code: 'ERR_INVALID_ARG_VALUE' });
});

test('a server with a protocol has no streams to iterate over', async (t) => {
  const server = new TCPServer({ protocol: { data() {} } });
  await t.throwsAsync(async () => server.streams().next(), { code: 'ERR_IOLOOP_SERVER' });
  await server.stop();
});

test('the channels of connections have the connection', (t) =>
  onLoop(async (loop) => {
    const seen: string[] = [];
    const note = (message: unknown): void => {
      const { connection, stream, error } = message as Record<string, unknown>;
      t.true(connection instanceof Connection);
      t.is(stream, undefined);
      seen.push(error === undefined ? 'open' : 'close');
    };
    const channels = ['ioloop:connection:open', 'ioloop:connection:close'];
    const server = new TCPServer({ loop, protocol: { data() {} } });
    const own = (message: unknown): void => {
      if ((message as { server: unknown }).server === server) note(message);
    };
    for (const name of channels) subscribe(name, own);
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    await until(() => server.connections === 1, 'the connection');
    client.close();
    await until(() => seen.length === 2, 'the close');
    t.deepEqual(seen, ['open', 'close']);
    for (const name of channels) unsubscribe(name, own);
    await server.stop();
  }));

test('inspect shows the state of a connection', (t) =>
  onLoop((loop) =>
    withPushed(loop, { state: () => ({ user: 'ann' }) }, async ({ connection, closed }) => {
      t.regex(
        inspect(connection),
        /^Connection \{ fd: (-?\d+|null), unsent: 0, data: \{ user: 'ann' \} \}$/,
      );
      connection.close(new Error('enough'));
      await closed();
      t.regex(inspect(connection), /state: 'closed',\s+error: 'Error: enough'/);
      t.notThrows(() => inspect(Connection.prototype));
    }),
  ));
