/** Streams that are joined in memory: `IOStream.pair()`. */
import test from 'ava';
import { IOLoop, IOStream, StreamClosedError } from 'ioloop';
import { onLoop, runTurns, withLoop } from './helpers/loop.js';
import { closedBy, failureOf, isSettled, turns } from './helpers/streams.js';

test('what one writes the other reads, in both directions and in order', (t) =>
  onLoop(async (loop) => {
    const [near, far] = IOStream.pair({ loop });
    await Promise.all([near.write(['to', ' ', 'far\n']), far.write('to near\n')]);
    t.is(String(await far.readUntil('\n')), 'to far\n');
    t.is(String(await near.readUntil('\n')), 'to near\n');
    near.close();
    t.is(String(await far.readUntilClose()), '');
    t.true(far.closed);
    t.is(far.error, null);
  }));

test('megabytes arrive as they were written, whatever the caller does with its memory', (t) =>
  onLoop(async (loop) => {
    const [near, far] = IOStream.pair({ loop });
    const bytes = Buffer.from(Array.from({ length: 3e6 }, (_, at) => at % 251));
    const memory = Buffer.from(bytes);
    const writing = near.write(memory);
    memory.fill(0);
    t.true((await far.readBytes(bytes.length)).equals(bytes));
    await writing;
    t.is(near.writeBufferSize, 0);
  }));

test('back-pressure: a write resolves when the other end has room', (t) =>
  onLoop(async (loop) => {
    const [near, far] = IOStream.pair({ loop });
    await near.write(Buffer.alloc(16_384));
    const writing = near.write(Buffer.alloc(1e6));
    await turns(near);
    t.false(await isSettled(writing));
    t.true(near.congested);
    t.true(near.writeBufferSize > 9e5);
    await far.readBytes(1_016_384);
    await writing;
    await near.drain();
    t.false(near.congested);
  }));

test('small writes that are not read cost limited memory at the other end', (t) =>
  onLoop(async (loop) => {
    const [near, far] = IOStream.pair({ loop });
    const writes = Array.from({ length: 2000 }, () => near.write('x'));
    await turns(near);
    // Each chunk has its cost, and not only its byte.
    t.true(near.writing);
    t.is((await far.readBytes(2000)).length, 2000);
    await Promise.all(writes);
  }));

test('half-close, and a close with unread bytes, as on a pair of Unix sockets', (t) =>
  onLoop(async (loop) => {
    const [near, far] = IOStream.pair({ loop, allowHalfOpen: true });
    await near.write('question');
    await near.shutdownWrite();
    t.is(String(await far.readUntilClose()), 'question');
    await far.write('answer');
    t.is(String(await near.readBytes(6)), 'answer');
    near.close();
    const [fifth, sixth] = IOStream.pair({ loop });
    await sixth.write('never read');
    fifth.close();
    t.is((await closedBy(sixth.readBytes(1)))?.code, 'ECONNRESET');
    const [third, fourth] = IOStream.pair({ loop, allowHalfOpen: true });
    fourth.close();
    t.is((await closedBy(third.write('x')))?.message, 'write EPIPE');
  }));

test('the ends may be in different loops; a closed loop fails its stream', async (t) => {
  const other = new IOLoop({ makeCurrent: false });
  const left = await withLoop(async (loop) => {
    const [near, far] = IOStream.pair({ loop }, { loop: other });
    const reading = failureOf(near.readBytes(1));
    await runTurns(loop);
    loop.close();
    const error = await reading;
    t.true(error instanceof StreamClosedError);
    t.is((error as StreamClosedError).realError?.message.split('.')[0], 'The event loop is closed');
    return far;
  });
  await other.runSync(async () => {
    t.is((await left.readUntilClose()).length, 0);
  });
  other.close();
});

test('nothing moves while the loop is stopped', (t) =>
  withLoop(async (loop) => {
    const [near, far] = IOStream.pair({ loop });
    const reading = far.readBytes(5);
    void near.write('hello');
    await new Promise(setImmediate);
    t.false(await isSettled(reading));
    await loop.runSync(async () => {
      t.is(String(await reading), 'hello');
    });
  }));

test('there is no descriptor: fileno() and detach() are refused, the metrics count it', (t) =>
  onLoop((loop) => {
    const [near, far] = IOStream.pair({ loop });
    t.is(near.socket, null);
    t.throws(() => near.fileno(), { code: 'ERR_IOLOOP_UNSUPPORTED' });
    t.throws(() => near.detach(), { code: 'ERR_IOLOOP_UNSUPPORTED' });
    t.is(loop.metrics().streams, 2);
    near.close();
    far.close();
    t.is(loop.metrics().streams, 0);
    t.throws(() => IOStream.pair({ loop, maxBufferSize: 0 }), { code: 'ERR_OUT_OF_RANGE' });
  }));
