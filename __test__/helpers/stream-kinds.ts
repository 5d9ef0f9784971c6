/** A stream over each kind of connection, and its peer, for tests that hold for all of them. */
import { TCPClient, TCPServer, type IOLoop, type IOStream, type IOStreamOptions } from 'ioloop';
import { deferred } from './deferred.js';
import { addressOf, connectTo, portOf } from './net.js';
import { cut } from './protocol-kinds.js';
import { localPair } from './streams.js';
import { ca, clientSide, identity } from './tls.js';

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

const halfOpen = { allowHalfOpen: true };

/** A server for one connection, whose stream `accepted` gets. */
function serving(
  loop: IOLoop,
  options: object,
): { server: TCPServer; accepted: Promise<IOStream> } {
  const { promise, resolve } = deferred<IOStream>();
  const server = new TCPServer({ loop, ...options, handleStream: resolve });
  server.listen(0, '127.0.0.1');
  return { server, accepted: promise };
}

const ofServer = (tls: boolean): Open => {
  return async (loop, options) => {
    const { server, accepted } = serving(loop, { ...options, ...(tls ? { tls: identity } : {}) });
    const plain = await connectTo(loop, addressOf(server), halfOpen);
    const peer = tls ? await plain.startTls(clientSide) : plain;
    const stream = await accepted;
    await server.stop();
    return [stream, peer];
  };
};

const ofClient = (tls: boolean): Open => {
  return async (loop, options) => {
    const { server, accepted } = serving(loop, { ...halfOpen, ...(tls ? { tls: identity } : {}) });
    const stream = await new TCPClient().connect('127.0.0.1', portOf(server), {
      ...options,
      loop,
      ...(tls ? { tls: { hostname: 'localhost', tls: { ca } } } : {}),
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
  const server = new TCPServer({ loop, ...options, protocol });
  server.listen(0, '127.0.0.1');
  const peer = await connectTo(loop, addressOf(server), halfOpen);
  const stream = await promise;
  await server.stop();
  return [stream, peer];
};

/** By name. */
export const STREAM_KINDS = {
  TCP: { open: ofServer(false), hasReset: true },
  TLS: { open: ofServer(true), hasReset: true },
  'Unix sockets': { open: overUnix, hasReset: false },
  'toStream()': { open: byToStream, hasReset: true },
  'a client': { open: ofClient(false), hasReset: true },
  'a client with TLS': { open: ofClient(true), hasReset: true },
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
