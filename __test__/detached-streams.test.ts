/** `IOStream.detach()` and `IOStream.attach()`: unread bytes, what has ended, options. */
import test from 'ava';
import { IOLoop, IOStream, Socket } from 'ioloop';
import { moved } from './helpers/detached.js';
import { caught } from './helpers/sockets.js';
import { closedBy, failureOf, turns, withPair, withTcpPair } from './helpers/streams.js';

test('unread bytes move, before those in the kernel', (t) =>
  withTcpPair(async (near, far) => {
    await far.write('first second third');
    t.is(String(await near.readBytes(5)), 'first');
    const unread = near.readBufferSize;
    t.true(unread > 0);
    const token = near.detach();
    t.is(near.readBufferSize, 0);
    await far.write(' fourth');
    const attached = IOStream.attach(token, { loop: near.loop });
    t.is(attached.readBufferSize, unread);
    t.is(String(await attached.readBytes(20)), ' second third fourth');
    attached.close();
  }));

test('a stream works on after it has moved, to another loop of the thread too', (t) =>
  withTcpPair(async (near, far, loop) => {
    const other = new IOLoop({ makeCurrent: false });
    const done = other.start();
    const there = moved(near, other);
    const reading = there.readBytes(4);
    await far.write('ping');
    t.is(String(await reading), 'ping');
    await there.write('pong');
    t.is(String(await far.readBytes(4)), 'pong');
    const back = moved(there, loop);
    await back.write('back');
    t.is(String(await far.readBytes(4)), 'back');
    other.stop();
    await done;
    other.close();
    t.false(back.closed, 'the end of a loop that it has left is nothing to it');
    back.close();
  }));

test('every use of a detached stream fails by code, except close() and end()', (t) =>
  withPair(async (near, far) => {
    await far.write('unread');
    await near.peek(6);
    const attached = moved(near);
    const uses: (() => unknown)[] = [
      () => near.readBytes(1),
      () => near.readBytes(1, { partial: true }),
      () => near.readInto(Buffer.alloc(1)),
      // Of no bytes, for which others do not look at the stream.
      () => near.readBytes(0),
      () => near.readInto(Buffer.alloc(0)),
      () => near.peek(0),
      () => near.write(''),
      () => near.readUntil('\n'),
      () => near.readUntilRegex(/x/),
      () => near.readUntilClose(),
      () => near.peek(),
      () => near.chunks().next(),
      () => near.write('x'),
      () => near.drain(),
      () => near.shutdownWrite(),
      () => near.connect({ path: '\0x' }),
      () => near.startTls(),
      () => near.readBytes(1, { timeout: 1 }),
      () => near.detach(),
      () => near.toDuplex(),
      () => near.toWeb(),
      () => near.setCloseCallback(() => {}),
      () => near.setNodelay(true),
      () => near.setKeepalive(true),
      () => near.socket?.recv(1),
    ];
    for (const use of uses) {
      const error = await failureOf((async () => use())());
      t.is(error.code, 'ERR_IOLOOP_DETACHED', String(use));
    }
    t.true(near.closed);
    t.is(near.error, null);
    t.is(near.fileno(), -1);
    await near.end();
    near.close();
    near.close(new Error('not for the attached one'));
    t.is(String(await attached.readBytes(6)), 'unread');
    attached.close();
  }));

test('a detached stream that has found EOF fails too', (t) =>
  withPair(
    async (near, far) => {
      await far.shutdownWrite();
      t.is((await near.readUntilClose()).length, 0);
      const attached = moved(near);
      t.is((await failureOf(near.readUntilClose())).code, 'ERR_IOLOOP_DETACHED');
      t.is((await failureOf(near.chunks().next())).code, 'ERR_IOLOOP_DETACHED');
      attached.close();
    },
    { allowHalfOpen: true },
  ));

test('the close callback is not called, and is not moved', (t) =>
  withPair(async (near) => {
    let calls = 0;
    near.setCloseCallback(() => (calls += 1));
    const attached = moved(near);
    await turns(attached);
    attached.close();
    await turns(attached);
    t.is(calls, 0);
  }));

test('EOF that was found moves', (t) =>
  withTcpPair(
    async (near, far) => {
      await far.write('rest');
      await far.shutdownWrite();
      await near.peek(4);
      await turns(near, 10);
      t.true(near.ended);
      const attached = moved(near);
      t.true(attached.ended);
      t.false(attached.closed);
      t.is(String(await attached.readUntilClose()), 'rest');
      t.is((await failureOf(attached.readBytes(1))).code, 'ERR_IOLOOP_STREAM_ENDED');
      await attached.write('answer');
      await attached.end();
      t.is(String(await far.readUntilClose()), 'answer');
    },
    { allowHalfOpen: true },
  ));

test('EOF that is in the kernel is found afterwards, after the data', (t) =>
  withTcpPair(async (near, far) => {
    const token = near.detach();
    await far.write('data');
    await far.shutdownWrite();
    const attached = IOStream.attach(token, { loop: near.loop });
    t.is(String(await attached.readUntilClose()), 'data');
    t.true(attached.closed);
  }));

test('a writing side that has ended stays ended, and EOF ends the stream', (t) =>
  withTcpPair(async (near, far) => {
    await near.shutdownWrite();
    const attached = moved(near);
    t.is((await failureOf(attached.write('x'))).code, 'ERR_IOLOOP_STREAM_CLOSED');
    await attached.shutdownWrite();
    await far.write('late');
    t.is(String(await attached.readBytes(4)), 'late');
    t.is((await far.readUntilClose()).length, 0);
    far.close();
    t.is((await attached.readUntilClose()).length, 0);
    t.true(attached.closed);
    t.is(attached.error, null);
  }));

test('both sides ended while it was detached: the data are there', (t) =>
  withTcpPair(async (near, far) => {
    await near.shutdownWrite();
    await far.readUntilClose();
    const token = near.detach();
    await far.write('last');
    await far.end();
    const attached = IOStream.attach(token, { loop: near.loop });
    t.is(String(await attached.readUntilClose()), 'last');
    t.true(attached.closed);
    t.is(attached.error, null);
  }));

test('a reset while it was detached closes the attached stream with it', (t) =>
  withTcpPair(async (near, far) => {
    const token = near.detach();
    far.socket?.setOption('linger', 0);
    far.close();
    const attached = IOStream.attach(token, { loop: near.loop });
    t.is((await closedBy(attached.readBytes(1)))?.code, 'ECONNRESET');
  }));

test('options move, and those that are given replace them', (t) =>
  withPair(
    async (near, far) => {
      await far.write('x'.repeat(100));
      await near.peek(64);
      const attached = moved(near);
      t.is((await failureOf(attached.readBytes(129))).code, 'ERR_OUT_OF_RANGE');
      t.is((await failureOf(attached.write('y'.repeat(301)))).code, 'ERR_IOLOOP_BUFFER_FULL');
      const given = {
        loop: near.loop,
        maxBufferSize: 1000,
        highWaterMark: 50,
        allowHalfOpen: true,
      };
      const again = IOStream.attach(attached.detach(), given);
      t.is((await failureOf(again.write('y'.repeat(301)))).code, 'ERR_IOLOOP_BUFFER_FULL');
      t.is((await failureOf(again.readBytes(1001))).code, 'ERR_OUT_OF_RANGE');
      t.is((await again.readBytes(100)).length, 100);
      await far.shutdownWrite();
      await again.readUntilClose();
      t.false(again.closed);
      again.close();
    },
    { maxBufferSize: 128, maxWriteBufferSize: 300, highWaterMark: 200, lowWaterMark: 190 },
  ));

test('wrong options are refused, and the token can still be attached', (t) =>
  withPair(async (near, far, loop) => {
    await far.write('unread bytes');
    await near.peek(12);
    const token = near.detach();
    const closed = new IOLoop({ makeCurrent: false });
    closed.close();
    const refusals: [object, string][] = [
      [{ loop, maxBufferSize: 0 }, 'ERR_OUT_OF_RANGE'],
      [{ loop, maxBufferSize: 11 }, 'ERR_OUT_OF_RANGE'],
      [{ loop, lowWaterMark: 2 ** 20 }, 'ERR_OUT_OF_RANGE'],
      [{ loop, allowHalfOpen: 1 }, 'ERR_INVALID_ARG_TYPE'],
      [{ loop: {} }, 'ERR_INVALID_ARG_TYPE'],
      [{ loop: closed }, 'ERR_IOLOOP_CLOSED'],
    ];
    for (const [options, code] of refusals) {
      t.is(caught(() => IOStream.attach(token, options)).code, code as string);
    }
    t.is(caught(() => IOStream.attach(token, null as never)).code, 'ERR_INVALID_ARG_TYPE');
    t.is(caught(() => Socket.attach(token as never)).code, 'ERR_INVALID_ARG_VALUE');
    const attached = IOStream.attach(token, { loop });
    t.is(String(await attached.readBytes(12)), 'unread bytes');
    attached.close();
  }));

test('bytes of a cancelled read move', (t) =>
  withPair(async (near, far) => {
    const controller = new AbortController();
    const read = near.readInto(Buffer.alloc(20_000), { signal: controller.signal });
    await far.write('part');
    await turns(near);
    controller.abort();
    t.is((await failureOf(read)).name, 'AbortError');
    const attached = moved(near);
    t.is(String(await attached.readBytes(4)), 'part');
    attached.close();
  }));
