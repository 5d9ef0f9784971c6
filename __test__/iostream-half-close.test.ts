/** EOF, half-close and reset by the peer of a stream. */
import test from 'ava';
import { IOStream } from 'ioloop';
import { closing, reset } from './helpers/net.js';
import { closedBy, turns, withPair, withTcpPair } from './helpers/streams.js';

const PLENTY = 8_000_000;

test("the peer's end closes the stream, after what was written is sent", (t) =>
  withPair(async (near, far) => {
    const written = near.write(Buffer.alloc(PLENTY));
    void far.write('question');
    void far.shutdownWrite();
    t.is((await near.readUntilClose()).toString(), 'question');
    // The answer is on its way: nothing of it is lost.
    t.false(near.closed);
    t.is((await far.readBytes(PLENTY)).length, PLENTY);
    await written;
    await far.readUntilClose();
    t.true(near.closed);
  }));

test('half-close by the peer: with allowHalfOpen one may answer', (t) =>
  withPair(
    async (near, far) => {
      void far.write('question');
      void far.shutdownWrite();
      t.is((await near.readUntilClose()).toString(), 'question');
      await turns(near);
      t.true(near.ended);
      t.false(near.closed);
      await near.write('answer');
      await near.end();
      t.is((await far.readUntilClose()).toString(), 'answer');
    },
    { allowHalfOpen: true },
  ));

test('half-close of our own: the peer reads the end and may still answer', (t) =>
  withPair(async (near, far) => {
    void near.write('question');
    await near.shutdownWrite();
    await near.shutdownWrite();
    t.is((await far.readUntilClose()).toString(), 'question');
    t.false(near.closed);
    await far.write('answer');
    t.is((await near.readBytes(6)).toString(), 'answer');
    void far.end();
    t.is((await near.readUntilClose()).length, 0);
    t.true(near.closed);
  }));

test('both sides half-close: both are closed, whatever the order', async (t) => {
  for (const first of ['near', 'far']) {
    await withPair(
      async (near, far) => {
        const [one, other] = first === 'near' ? [near, far] : [far, near];
        await one.shutdownWrite();
        await other.readUntilClose();
        await other.shutdownWrite();
        await one.readUntilClose();
        await turns(near);
        t.true(near.closed);
        t.true(far.closed);
      },
      { allowHalfOpen: true },
    );
  }
});

test("the peer's end with unread data: the data can be read, then the end", (t) =>
  withTcpPair(async (near, far) => {
    const sent = Buffer.alloc(300_000, 'unread ');
    void far.write(sent);
    const ended = far.end();
    await turns(near);
    t.false(near.closed, 'EOF is after unread data');
    t.true((await near.readBytes(sent.length)).equals(sent));
    await ended;
    t.is((await near.readUntilClose()).length, 0);
    t.true(near.closed);
  }));

test('closing with data of the peer unread resets it: its write fails, and nothing hangs', (t) =>
  withTcpPair(async (near, far) => {
    const written = far.write(Buffer.alloc(PLENTY));
    await near.readBytes(1);
    near.close();
    const realError = await closedBy(written);
    t.true(realError?.code === 'ECONNRESET' || realError?.code === 'EPIPE', String(realError));
  }));

test('a reset in every state: one close callback, nothing left open', async (t) => {
  const points: [string, (near: IOStream, far: IOStream) => Promise<unknown>[]][] = [
    ['while idle', () => []],
    ['while reading', (near) => [near.readBytes(1)]],
    ['while reading until the end', (near) => [near.readUntilClose()]],
    ['while writing', (near) => [near.write(Buffer.alloc(PLENTY))]],
    ['while both', (near) => [near.readUntil('\n'), near.write(Buffer.alloc(PLENTY))]],
    ['while draining', (near) => [near.write(Buffer.alloc(PLENTY)), near.drain()]],
    ['while ending', (near) => [near.write(Buffer.alloc(PLENTY)), near.end()]],
    ['after data', (near, far) => [far.write('some data'), near.readUntilClose()]],
    ['after the peer’s half-close', (near, far) => [far.shutdownWrite(), near.write('x')]],
    ['after our half-close', (near) => [near.shutdownWrite(), near.readBytes(1)]],
  ];
  for (const [name, enter] of points) {
    await withTcpPair(
      async (near, far) => {
        const reasons: (NodeJS.ErrnoException | null)[] = [];
        near.setCloseCallback((reason) => reasons.push(reason));
        const outcomes = Promise.allSettled(enter(near, far));
        await turns(near);
        reset(far);
        await outcomes;
        await turns(near, 10);
        if (!near.closed) {
          // Half-closed streams notice it when they read or write.
          await Promise.allSettled([near.readBytes(1), near.write('x')]);
          await turns(near, 10);
        }
        t.true(near.closed, name);
        t.is(reasons.length, 1, name);
        const [reason = null] = reasons;
        const code = reason?.code;
        t.true(code === 'ECONNRESET' || code === 'EPIPE', `${name}: ${code}`);
        t.is(near.error, reason);
      },
      { allowHalfOpen: true },
    );
  }
});

test('an idle stream notices without a read that its peer has closed', async (t) => {
  await withPair(async (near, far) => {
    const closed = closing(near);
    far.close();
    t.is(await closed, null);
    t.true(near.closed);
  });
  await withTcpPair(async (near, far) => {
    const closed = closing(near);
    await turns(near);
    reset(far);
    t.is(((await closed) as NodeJS.ErrnoException | null)?.code, 'ECONNRESET');
  });
});

test('an idle stream with a little unread notices too, and what was sent can be read', (t) =>
  withPair(async (near, far) => {
    const closed = closing(near);
    void far.write('last words');
    void far.end();
    t.is(await closed, null);
    t.is((await near.readUntilClose()).toString(), 'last words');
  }));
