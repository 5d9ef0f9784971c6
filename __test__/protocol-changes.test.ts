/** A connection that goes on with another protocol, or as a stream; a stream that gets a protocol. */
import test from 'ava';
import { TCPServer, type IOStream, type Protocol } from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { addressOf, closing, connectTo } from './helpers/net.js';
import { recording, withPushed } from './helpers/protocols.js';
import { failureOf, turns } from './helpers/streams.js';

test('a protocol that is set in data() gets the rest of the chunk', (t) =>
  onLoop(async (loop) => {
    const seen: string[] = [];
    const upgraded: Protocol<unknown> = {
      open: () => t.fail('it is open already'),
      data: (c, chunk) => {
        seen.push(`new ${String(chunk)}`);
        c.write('done');
      },
      close: () => seen.push('new close'),
    };
    await withPushed(
      loop,
      {
        data(c, chunk) {
          seen.push(`old ${String(chunk.subarray(0, 3))}`);
          c.protocol = upgraded;
          t.is(c.protocol, upgraded);
          c.unread(chunk.length - 3);
        },
        close: () => t.fail('it has another protocol'),
      },
      async ({ client, connection }) => {
        t.throws(() => Object.assign(connection, { protocol: {} }), {
          code: 'ERR_INVALID_ARG_TYPE',
        });
        await client.write('UPGrest');
        t.is(String(await client.readBytes(4)), 'done');
        connection.close();
        await until(() => seen.includes('new close'), 'the close');
        t.deepEqual(seen, ['old UPG', 'new rest', 'new close']);
      },
    );
  }));

test('toStream() goes on with the rest of the chunk, and what is unsent', (t) =>
  onLoop(async (loop) => {
    const streams: IOStream[] = [];
    await withPushed(
      loop,
      {
        data(c, chunk) {
          c.write(Buffer.alloc(3_000_000));
          c.unread(chunk.length - 2);
          const stream = c.toStream();
          t.is(c.toStream(), stream);
          t.true(c.closed);
          streams.push(stream);
          void stream.write('end').then(() => stream.readUntil('\n'));
        },
      },
      async ({ client, connection, calls, server }) => {
        await client.write('a line\n');
        const [stream] = await until(() => streams.length > 0, 'the stream').then(() => streams);
        t.is((await client.readBytes(3_000_003)).subarray(-3).toString(), 'end');
        await client.write('next\n');
        t.is(String(await (stream as IOStream).readUntil('\n')), 'next\n');
        t.is(server.connections, 1);
        connection.close();
        t.true((stream as IOStream).closed);
        t.is(server.connections, 0);
        await turns(client);
        t.deepEqual(calls, ['open', 'data a line\n']);
      },
    );
  }));

test('setProtocol() goes on with what a stream has not read, and what it has not sent', (t) =>
  onLoop(async (loop) => {
    const calls: string[] = [];
    const sent: Promise<void>[] = [];
    await using server = new TCPServer({
      loop,
      handleStream: async (stream) => {
        t.is(String(await stream.readBytes(3)), 'one');
        t.throws(() => stream.setProtocol({} as never), { code: 'ERR_INVALID_ARG_TYPE' });
        sent.push(stream.write(Buffer.alloc(2_000_000)));
        const error = closing(stream);
        const c = stream.setProtocol(recording(calls, { data: (d) => d.write('!') }));
        t.deepEqual(calls, ['open']);
        t.true(stream.closed);
        t.is(
          ((await failureOf(stream.readBytes(1))) as { code?: string }).code,
          'ERR_IOLOOP_STREAM_CLOSED',
        );
        stream.close();
        t.false(c.closed);
        void error.then((reason) => calls.push(`callback ${reason}`));
      },
    });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    await client.write('onetwo');
    t.is((await client.readBytes(2_000_001)).at(-1), 0x21);
    await Promise.all(sent);
    t.is(server.connections, 1);
    client.close();
    await until(() => calls.includes('close') && calls.includes('callback null'), 'the close');
    const main = calls.filter((call) => call !== 'drain' && !call.startsWith('callback'));
    t.deepEqual(main, ['open', 'data two', 'end', 'close']);
    t.is(server.connections, 0);
  }));

test('setProtocol() refuses a stream that is in use', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({ loop, handleStream: () => {} });
    server.listen(0, '127.0.0.1');
    const stream = await connectTo(loop, addressOf(server));
    const read = stream.readBytes(1);
    const protocol: Protocol = { data: () => {} };
    t.throws(() => stream.setProtocol(protocol), { code: 'ERR_IOLOOP_STREAM_BUSY' });
    t.false(stream.closed);
    stream.close();
    await failureOf(read);
    t.throws(() => stream.setProtocol(protocol), { code: 'ERR_IOLOOP_STREAM_CLOSED' });
    const duplexed = await connectTo(loop, addressOf(server));
    duplexed.toDuplex();
    t.throws(() => duplexed.setProtocol(protocol), { code: 'ERR_IOLOOP_STREAM_BUSY' });
    duplexed.close();
  }));
