/** A protocol over each kind of connection, for tests that hold for all of them. */
import {
  SSLIOStream,
  TCPClient,
  type TCPServer,
  type Connection,
  type IOLoop,
  type IOStream,
  type IOStreamOptions,
  type Protocol,
} from 'ioloop';
import { addressOf, connectTo, portOf, reset } from './net.js';
import { followed, type Functions } from './protocols.js';
import { acceptsOne, halfOpen, listening, ofClient, ofServer } from './served.js';
import { localPair } from './streams.js';
import { clientSide } from './tls.js';

/** The peer of a connection, and what has to be ended besides. */
interface Opened {
  readonly peer: IOStream;
  readonly server: TCPServer | null;
}

type Open = (
  loop: IOLoop,
  protocol: Protocol<unknown>,
  options: IOStreamOptions,
) => Promise<Opened>;

/** One kind of connection. */
export interface Kind {
  readonly open: Open;
  /** Whether a peer can reset it. Others end. */
  readonly hasReset: boolean;
}

const overTcp: Open = async (loop, protocol, options) => {
  const server = listening(loop, { ...options, protocol });
  return { server, peer: await connectTo(loop, addressOf(server), halfOpen) };
};

const overTls: Open = async (loop, protocol, options) => {
  const server = listening(loop, { ...options, protocol, ...ofServer(true) });
  const plain = await connectTo(loop, addressOf(server), halfOpen);
  return { server, peer: await plain.startTls(clientSide) };
};

/** In memory where there are no Unix sockets. */
const overUnix: Open = (loop, protocol, options) => {
  const [peer, near] = localPair(loop, halfOpen, options);
  near.setProtocol(protocol);
  return Promise.resolve({ server: null, peer });
};

/** A stream that has read, and has something unread and something unsent. */
const bySetProtocol: Open = async (loop, protocol, options) => {
  const handleStream = async (stream: IOStream): Promise<void> => {
    await stream.readBytes(1);
    void stream.write('<');
    stream.setProtocol(protocol);
  };
  const server = listening(loop, { ...options, handleStream });
  const peer = await connectTo(loop, addressOf(server), halfOpen);
  await peer.write('>');
  // It is not sent, if `state` or `open` fails.
  await peer.readBytes(1).catch(() => {});
  return { server, peer };
};

const byClient = (isTls: boolean): Open => {
  return async (loop, protocol, options) => {
    const { server, accepted } = acceptsOne(loop, { ...halfOpen, ...ofServer(isTls) });
    await new TCPClient().connect('127.0.0.1', portOf(server), {
      ...options,
      loop,
      protocol,
      ...ofClient(isTls),
    });
    const peer = await accepted;
    await server.stop();
    return { server: null, peer };
  };
};

/** By name. */
export const KINDS = {
  TCP: { open: overTcp, hasReset: true },
  TLS: { open: overTls, hasReset: true },
  'Unix sockets': { open: overUnix, hasReset: false },
  'setProtocol()': { open: bySetProtocol, hasReset: true },
  'a client': { open: byClient(false), hasReset: true },
  'a client with TLS': { open: byClient(true), hasReset: true },
} as const satisfies Record<string, Kind>;

/** A connection of some kind, its peer, and the calls of its protocol's functions. */
export interface OfKind {
  readonly peer: IOStream;
  readonly connection: Connection<unknown>;
  /** See `recording()`. */
  readonly calls: string[];
  /** Resolves when `close` was called. */
  closed(): Promise<void>;
  /** Ends the connection from outside: by a reset, if the kind has one. */
  cut(): void;
}

/** Runs `body` with a connection of this kind. */
export async function withKind<T>(
  loop: IOLoop,
  kind: Kind,
  functions: Functions<unknown>,
  body: (ofKind: OfKind) => Promise<T>,
  options: IOStreamOptions = {},
): Promise<T> {
  const { protocol, connections, calls, opened, closed } = followed(functions);
  const { peer, server } = await kind.open(loop, protocol, options);
  try {
    return await body({
      peer,
      connection: await opened(),
      calls,
      closed,
      cut: () => {
        cut(peer, kind.hasReset);
      },
    });
  } finally {
    peer.close();
    for (const connection of connections) connection.close();
    await server?.stop();
  }
}

/** Ends a connection by a reset, if it has one: below TLS, which would end it in order. */
export function cut(peer: IOStream, hasReset: boolean): void {
  if (!hasReset) peer.close();
  else if (!(peer instanceof SSLIOStream)) reset(peer);
  else {
    peer.socket?.setOption('linger', 0);
    peer.socket?.close();
  }
}
