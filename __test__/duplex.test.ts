/** Streams of the loop as Node's streams, and as web streams. */
import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { Readable, Transform } from 'node:stream';
import test from 'ava';
import { IOStream, type IOLoop } from 'ioloop';
import { USUAL } from './helpers/capacities.js';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';
import { connectTo, addressOf, reset } from './helpers/net.js';
import { failureOf, localPair, tcpStreams } from './helpers/streams.js';

/** For megabytes. Serial tests: the capacities are the process's. */
const AMOUNTS = { capacities: USUAL };

function pair(loop: IOLoop): [IOStream, IOStream] {
  return localPair(loop, {}, { allowHalfOpen: true });
}

test.serial('megabytes through a pipeline arrive as they were, with half-close at the end', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(loop);
    const duplex = near.toDuplex({ allowHalfOpen: true });
    const upper = new Transform({
      transform: (chunk: Buffer, _, done) => {
        done(null, chunk.toString('latin1').toUpperCase());
      },
    });
    const echoed = pipeline(duplex, upper, duplex);
    const sent = Buffer.alloc(5_000_000, 'all lower case ');
    void far.write(sent);
    void far.shutdownWrite();
    const received = await far.readUntilClose();
    await echoed;
    t.is(received.toString('latin1'), sent.toString('latin1').toUpperCase());
    t.true(duplex.destroyed);
    t.true(near.closed);
  }, AMOUNTS),
);

test.serial('back-pressure: a reader that does not read stops the writer', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(loop);
    const duplex = near.toDuplex();
    let produced = 0;
    const source = new Readable({
      read() {
        produced += 65_536;
        this.push(produced > 16_000_000 ? null : Buffer.alloc(65_536));
      },
    });
    const done = pipeline(source, duplex);
    // It comes to a halt: nothing is produced any more, turn after turn.
    for (let before = -1; before !== produced;) {
      before = produced;
      for (let turn = 0; turn < 20; turn += 1) {
        await new Promise<void>((resolve) => {
          loop.addCallback(resolve);
        });
      }
    }
    t.true(produced < 2_000_000, `${produced} bytes were produced without a reader`);
    t.true((await far.readUntilClose()).length >= 16_000_000 - 65_536);
    await done;
  }, AMOUNTS),
);

test.serial('back-pressure: what the duplex does not take stays with the peer', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(loop);
    const duplex = near.toDuplex();
    // One chunk is read ahead, and stays.
    await once(
      duplex.on('readable', () => {}),
      'readable',
      { signal: AbortSignal.timeout(1) },
    ).catch(() => {});
    const writing = far.write(Buffer.alloc(8_000_000, 7));
    for (let turn = 0; turn < 50; turn += 1) {
      await new Promise<void>((resolve) => {
        loop.addCallback(resolve);
      });
    }
    t.true(duplex.readableLength <= 2 * 65_536, `${duplex.readableLength} bytes read ahead`);
    t.true(far.writing);
    let length = 0;
    duplex.removeAllListeners('readable').on('data', (chunk: Buffer) => (length += chunk.length));
    await writing;
    await until(() => length >= 8_000_000, 'all of it');
    t.is(length, 8_000_000);
    duplex.destroy();
    far.close();
  }, AMOUNTS),
);

test('destroy() closes the stream, with its error', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(loop);
    const duplex = near.toDuplex();
    const fault = new Error('enough');
    const failed = once(duplex, 'error');
    duplex.destroy(fault);
    t.deepEqual(await failed, [fault]);
    t.is(near.error, fault);
    t.is((await far.readUntilClose()).length, 0);
  }));

test("a peer's reset is the duplex's ECONNRESET", async (t) => {
  const { TCPServer } = await import('ioloop');
  await onLoop(async (loop) => {
    await using server = new TCPServer({ loop });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    const { value: stream } = await server[Symbol.asyncIterator]().next();
    const duplex = (stream as IOStream).toDuplex();
    t.is(duplex.remoteAddress, '127.0.0.1');
    t.is(duplex.remoteFamily, 'IPv4');
    t.is(duplex.localPort, (addressOf(server) as { port: number }).port);
    duplex.setNoDelay(true).setKeepAlive(true, 5000).ref().unref();
    duplex.resume();
    const failed = once(duplex, 'error');
    reset(client);
    const [error] = (await failed) as [NodeJS.ErrnoException];
    t.is(error.code, 'ECONNRESET');
  });
});

test("'timeout' comes after silence, as on net.Socket", (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(loop);
    const duplex = near.toDuplex();
    await new Promise<void>((resolve) => {
      duplex.setTimeout(20, resolve);
    });
    t.false(duplex.destroyed);
    duplex.setTimeout(0);
    t.throws(() => duplex.setTimeout('1' as never), { code: 'ERR_INVALID_ARG_TYPE' });
    duplex.destroy();
    far.close();
  }));

test('web streams: both directions, the end, and cancelling', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(loop);
    const { readable, writable } = near.toWeb();
    const writer = writable.getWriter();
    await writer.write(Buffer.from('to the far end'));
    t.is(String(await far.readBytes(14)), 'to the far end');
    void far.write('back');
    const reader = readable.getReader();
    const { value } = await reader.read();
    t.is(Buffer.from(value as Uint8Array).toString(), 'back');
    await writer.close();
    t.is((await far.readUntilClose()).length, 0);
    t.false(near.closed);
    await reader.cancel();
    t.true(near.closed);
  }));

test('web streams: the end of the peer, memory of the reader, transferred chunks', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(loop);
    const { readable, writable } = near.toWeb();
    await far.write('first');
    void far.end();
    const reader = readable.getReader({ mode: 'byob' });
    const first = await reader.read(new Uint8Array(100));
    t.is(Buffer.from(first.value as Uint8Array).toString(), 'first');
    const last = await reader.read(new Uint8Array(100));
    t.true(last.done);
    await t.notThrowsAsync(writable.abort(new Error('over')));
    t.is(near.error?.message, 'over');
  }));

test.serial('web streams: megabytes through pipeTo, and a peer that is reset', async (t) => {
  const { TCPServer } = await import('ioloop');
  await onLoop(async (loop) => {
    const [near, far] = pair(loop);
    const { readable, writable } = near.toWeb();
    const echoed = readable.pipeTo(writable);
    const sent = Buffer.alloc(3_000_000, 'web ');
    void far.write(sent);
    void far.shutdownWrite();
    t.true(sent.equals(await far.readUntilClose()));
    await echoed;
    await using server = new TCPServer({ loop });
    server.listen(0, '127.0.0.1');
    const client = await connectTo(loop, addressOf(server));
    const { value: stream } = await server[Symbol.asyncIterator]().next();
    const reading = (stream as IOStream).toWeb().readable.getReader().read();
    reset(client);
    await t.throwsAsync(reading, { code: 'ERR_IOLOOP_STREAM_CLOSED' });
  }, AMOUNTS);
});

test('web streams: a close by the program, or a break, is an error of both sides', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(loop);
    const { readable, writable } = near.toWeb();
    const reading = readable.getReader().read();
    const writer = writable.getWriter();
    near.close();
    await t.throwsAsync(reading, { code: 'ERR_IOLOOP_STREAM_CLOSED' });
    await t.throwsAsync(writer.closed, { code: 'ERR_IOLOOP_STREAM_CLOSED' });
    far.close();
    const [third, fourth] = pair(loop);
    const other = third.toWeb();
    const broken = other.readable.getReader().read();
    third.close(new Error('broken'));
    await t.throwsAsync(broken, { code: 'ERR_IOLOOP_STREAM_CLOSED', message: /broken/ });
    await t.throwsAsync(other.writable.getWriter().write('x'), { message: /broken/ });
    fourth.close();
  }));

test('web streams: a close or a break of the stream below errors both sides', (t) =>
  onLoop(async (loop) => {
    const [near, far] = pair(loop);
    const { readable, writable } = near.toWeb();
    const expected = { code: 'ERR_IOLOOP_STREAM_CLOSED' };
    const closed = t.throwsAsync(readable.getReader().closed, expected);
    const ended = t.throwsAsync(writable.getWriter().closed, expected);
    // No read and no write waits.
    near.close();
    await Promise.all([closed, ended]);
    far.close();
    const [client, server] = await tcpStreams(loop);
    const web = server.toWeb();
    const reader = web.readable.getReader();
    const broken = t.throwsAsync(web.writable.getWriter().closed, expected);
    const reading = t.throwsAsync(reader.read(), expected);
    reset(client);
    await Promise.all([broken, reading]);
  }));

test('a stream that is in use is not taken over: a read waits, a pump runs, another has it', (t) =>
  onLoop(async (loop) => {
    const busy = { code: 'ERR_IOLOOP_STREAM_BUSY' };
    const [near, far] = pair(loop);
    const reading = near.readBytes(1);
    t.throws(() => near.toDuplex(), busy);
    t.throws(() => near.toWeb(), busy);
    void far.write('xy');
    t.is(String(await reading), 'x');
    const { readable } = near.toWeb();
    t.throws(() => near.toDuplex(), busy);
    t.throws(() => near.toWeb(), busy);
    t.is((await failureOf(near.startTls())).code, 'ERR_IOLOOP_STREAM_BUSY');
    const { value } = await readable.getReader().read();
    t.is(String(Buffer.from(value as Uint8Array)), 'y');
    near.close();
    far.close();
  }));
