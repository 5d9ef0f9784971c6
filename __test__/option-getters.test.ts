/**
 * Getters of options run in the middle of a call: they may close, connect and read the stream, and
 * start and close the loop.
 */
import test from 'ava';
import { IOStream, Socket, TCPServer, type WaitOptions } from 'ioloop';
import { nodeTurns } from './helpers/fds.js';
import { onLoop, withLoop } from './helpers/loop.js';
import { addressOf } from './helpers/net.js';
import { failureOf, withPair } from './helpers/streams.js';

/** Options whose `timeout` calls `during` when it is read for the `nth` time. */
function optionsThat(during: () => void, options: WaitOptions = {}, nth = 1): WaitOptions {
  let readings = 0;
  return {
    ...options,
    get timeout(): number {
      readings += 1;
      if (readings === nth) during();
      return 20;
    },
  };
}

test('connect() whose options close the stream rejects', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({ loop, handleStream: () => {} });
    server.listen(0, '127.0.0.1');
    const stream = new IOStream(Socket.tcp(), { loop });
    const options = optionsThat(() => {
      stream.close();
    });
    const error = await failureOf(stream.connect(addressOf(server), options));
    t.is(error.code, 'ERR_IOLOOP_STREAM_CLOSED');
  }));

test('connect() whose options connect the stream is refused, and the first one connects', (t) =>
  onLoop(async (loop) => {
    await using server = new TCPServer({ loop, handleStream: () => {} });
    server.listen(0, '127.0.0.1');
    const stream = new IOStream(Socket.tcp(), { loop });
    let first: Promise<IOStream> | null = null;
    const options = optionsThat(() => {
      first = stream.connect(addressOf(server));
    });
    const error = await failureOf(stream.connect(addressOf(server), options));
    t.is(error.code, 'ERR_IOLOOP_STREAM_BUSY');
    t.is<unknown, unknown>(await first, stream);
    stream.close();
  }));

for (const nth of [1, 2, 3]) {
  test(`a read whose options start another one (${nth}) is refused, and its signal is its own`, (t) =>
    withPair(async (near, far) => {
      const controller = new AbortController();
      let other: Promise<Buffer> | null = null;
      const start = (): void => {
        other = near.readBytes(5);
      };
      const options = optionsThat(start, { signal: controller.signal }, nth);
      const error = await failureOf(near.readBytes(1, options));
      t.is(error.code, 'ERR_IOLOOP_READING');
      controller.abort();
      t.true(near.reading);
      await far.write('hello');
      t.is(String(await other), 'hello');
    }));
}

test('startTls() whose options close the stream rejects, and leaves no listener', (t) =>
  withPair(async (near) => {
    let listeners = 0;
    const { signal } = new AbortController();
    signal.addEventListener = () => void (listeners += 1);
    signal.removeEventListener = () => void (listeners -= 1);
    const options = optionsThat(
      () => {
        near.close();
      },
      { signal },
    );
    const tls = { rejectUnauthorized: false };
    const error = await failureOf(near.startTls(Object.assign(options, { tls })));
    t.is(error.code, 'ERR_IOLOOP_STREAM_CLOSED');
    t.is(listeners, 0);
  }));

for (const call of ['bind', 'connect'] as const) {
  test(`${call}() whose address closes the socket is EBADF, and does nothing to the next one`, (t) => {
    const socket = Socket.tcp();
    const opened: Socket[] = [];
    const address = {
      get host(): string {
        if (opened.length === 0) {
          socket.close();
          opened.push(Socket.tcp());
        }
        return '127.0.0.1';
      },
      port: 1,
    };
    t.throws(() => void socket[call](address), { code: 'EBADF' });
    const [next] = opened;
    t.deepEqual(next?.localAddress, { host: '0.0.0.0', port: 0 });
    next?.close();
  });
}

test('close() whose options start the loop is refused, and the loop runs', (t) =>
  withLoop(async (loop) => {
    const runs: Promise<void>[] = [];
    const options = {
      get allFds(): boolean {
        runs.push(loop.start());
        return true;
      },
    };
    t.throws(() => loop.close(options), { code: 'ERR_IOLOOP_RUNNING' });
    await nodeTurns();
    t.true(loop.running);
    loop.stop();
    await Promise.all(runs);
    t.is(runs.length, 1);
    t.false(loop.closed);
  }));

test('close() whose options close the loop closes each handler’s descriptor once', (t) =>
  withLoop((loop) => {
    const [mine, peer] = Socket.pair();
    let closed = 0;
    const file = {
      fileno: () => mine.fd,
      close: () => {
        closed += 1;
      },
    };
    loop.addHandler(file, () => {}, 0);
    loop.close({
      get allFds(): boolean {
        loop.close({ allFds: true });
        return true;
      },
    });
    t.is(closed, 1);
    mine.close();
    peer.close();
  }));
