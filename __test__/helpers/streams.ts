/** Pairs of connected streams for tests. */
import {
  IOStream,
  Socket,
  StreamClosedError,
  TCPServer,
  type IOLoop,
  type IOStreamOptions,
} from 'ioloop';
import { deferred } from './deferred.js';
import { tcpPair } from './fds.js';
import { ownSockets } from './sockets-of.js';
import { onLoop, type ReportingLoop } from './loop.js';

export type PairBody<T> = (near: IOStream, far: IOStream, loop: ReportingLoop) => Promise<T>;

/** Runs `body` on a loop, with two streams on a pair of Unix sockets. */
export function withPair<T>(body: PairBody<T>, options: IOStreamOptions = {}): Promise<T> {
  return withStreams((loop, ...both) => Promise.resolve(localPair(loop, ...both)), body, options);
}

/** The same over TCP, where a connection can be reset. */
export function withTcpPair<T>(body: PairBody<T>, options: IOStreamOptions = {}): Promise<T> {
  return withStreams(tcpStreams, body, options);
}

/** Two streams on a pair of Unix sockets, or in memory where there are none. */
export function localPair(
  loop: IOLoop,
  near: IOStreamOptions = {},
  far: IOStreamOptions = near,
): [IOStream, IOStream] {
  if (!ownSockets) return IOStream.pair({ loop, ...near }, { loop, ...far });
  const [first, second] = Socket.pair();
  return [new IOStream(first, { loop, ...near }), new IOStream(second, { loop, ...far })];
}

/** Two streams that are connected over TCP: the client, and the server. The loop runs. */
export async function tcpStreams(
  loop: IOLoop,
  near: IOStreamOptions = {},
  far: IOStreamOptions = near,
): Promise<[IOStream, IOStream]> {
  if (ownSockets) {
    const [client, server] = await tcpPair();
    return [new IOStream(client, { loop, ...near }), new IOStream(server, { loop, ...far })];
  }
  const accepted = deferred<IOStream>();
  const server = new TCPServer({ loop, ...far, handleStream: accepted.resolve });
  server.listen(0, '127.0.0.1');
  const address = { host: '127.0.0.1', port: server.port };
  const client = await new IOStream(Socket.tcp(), { loop, ...near }).connect(address);
  const stream = await accepted.promise;
  await server.stop();
  return [client, stream];
}

/** `options` are those of the near stream; the far one may be half open. */
function withStreams<T>(
  connected: typeof tcpStreams,
  body: PairBody<T>,
  options: IOStreamOptions,
): Promise<T> {
  return onLoop(async (loop) => {
    const [near, far] = await connected(loop, options, { allowHalfOpen: true });
    try {
      return await body(near, far, loop);
    } finally {
      near.close();
      far.close();
    }
  });
}

/** Lets the loop turn: what was sent has arrived then, and was handled. */
export async function turns(stream: IOStream, count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise<void>((resolve) => {
      stream.loop.addCallback(resolve);
    });
  }
}

/** The failure of `promise`, which must fail. */
export async function failureOf(promise: Promise<unknown>): Promise<NodeJS.ErrnoException> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw new TypeError('it rejected with a value that is not an error', { cause: error });
  }
  throw new Error('it did not fail');
}

/** What closed the stream that `promise` waited for; `null` for its peer or owner. */
export async function closedBy(promise: Promise<unknown>): Promise<NodeJS.ErrnoException | null> {
  const error = await failureOf(promise);
  if (!(error instanceof StreamClosedError)) throw error;
  return error.realError as NodeJS.ErrnoException | null;
}

/** Whether `promise` is settled by now. */
export async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  const note = (): void => {
    settled = true;
  };
  promise.then(note, note);
  for (let microtask = 0; microtask < 5; microtask += 1) await Promise.resolve();
  return settled;
}
