/** A stream over each kind of connection, and its peer, for tests that hold for all of them. */
import { TCPClient, type IOLoop, type IOStream, type IOStreamOptions } from 'ioloop';
import { deferred } from './deferred.js';
import { addressOf, connectTo, portOf } from './net.js';
import { cut } from './protocol-kinds.js';
import { acceptsOne, halfOpen, listening, ofClient, ofServer } from './served.js';
import { localPair } from './streams.js';
import { clientSide } from './tls.js';

type Open = (
  loop: IOLoop,
  options: IOStreamOptions,
) => Promise<readonly [stream: IOStream, peer: IOStream]>;

/** One kind of connection. */
export interface StreamKind {
  readonly open: Open;
  /** Whether a peer can reset it. Others end. */
  readonly hasReset: boolean;
}

const byServer = (isTls: boolean): Open => {
  return async (loop, options) => {
    const { server, accepted } = acceptsOne(loop, { ...options, ...ofServer(isTls) });
    const plain = await connectTo(loop, addressOf(server), halfOpen);
    const peer = isTls ? await plain.startTls(clientSide) : plain;
    const stream = await accepted;
    await server.stop();
    return [stream, peer];
  };
};

const byClient = (isTls: boolean): Open => {
  return async (loop, options) => {
    const { server, accepted } = acceptsOne(loop, { ...halfOpen, ...ofServer(isTls) });
    const stream = await new TCPClient().connect('127.0.0.1', portOf(server), {
      ...options,
      loop,
      ...ofClient(isTls),
    });
    const peer = await accepted;
    await server.stop();
    return [stream, peer];
  };
};

/** In memory where there are no Unix sockets. */
const overUnix: Open = (loop, options) => {
  const [peer, stream] = localPair(loop, halfOpen, options);
  return Promise.resolve([stream, peer]);
};

/** A connection of a protocol that goes on as a stream. */
const byToStream: Open = async (loop, options) => {
  const { promise, resolve } = deferred<IOStream>();
  const protocol = { open: (c: { toStream(): IOStream }) => resolve(c.toStream()), data() {} };
  const server = listening(loop, { ...options, protocol });
  const peer = await connectTo(loop, addressOf(server), halfOpen);
  const stream = await promise;
  await server.stop();
  return [stream, peer];
};

/** By name. */
export const STREAM_KINDS = {
  TCP: { open: byServer(false), hasReset: true },
  TLS: { open: byServer(true), hasReset: true },
  'Unix sockets': { open: overUnix, hasReset: false },
  'toStream()': { open: byToStream, hasReset: true },
  'a client': { open: byClient(false), hasReset: true },
  'a client with TLS': { open: byClient(true), hasReset: true },
} as const satisfies Record<string, StreamKind>;

/** A stream of some kind and its peer, which is half-open. */
export interface OfStreamKind {
  readonly stream: IOStream;
  readonly peer: IOStream;
  /** Ends the connection from outside: by a reset, if the kind has one. */
  cut(): void;
}

/** Runs `body` with a stream of this kind. `options` are those of the stream. */
export async function withStreamKind<T>(
  loop: IOLoop,
  { open, hasReset }: StreamKind,
  body: (ofKind: OfStreamKind) => Promise<T>,
  options: IOStreamOptions = {},
): Promise<T> {
  const [stream, peer] = await open(loop, options);
  try {
    return await body({
      stream,
      peer,
      cut: () => {
        cut(peer, hasReset);
      },
    });
  } finally {
    peer.close();
    stream.close();
  }
}
