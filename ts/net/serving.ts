/** The connections of a `TCPServer`, from accept to close. */
import type { Server as TlsServer } from 'node:tls';
import { guardOf } from '../loop/internals.js';
import type { IOLoop } from '../loop/ioloop.js';
import type { Address } from '../sockets/address.js';
import type { Socket } from '../sockets/socket.js';
import { acceptedConnection, acceptedSettings, acceptedStream } from '../streams/accepted.js';
import { IOStream } from '../streams/iostream.js';
import type { Connection } from '../streams/protocols/connection.js';
import type { ConnectionSettings } from '../streams/protocols/inflow.js';
import type { Protocol } from '../streams/protocols/protocol.js';
import { connectionClose, connectionOpen } from '../support/channels.js';
import { debug } from '../support/debug-log.js';
import { Connections, type Served } from './connections.js';
import { GuardedHandler } from './guarded-handler.js';
import { Openings } from './openings.js';
import type { ServerSettings } from './server-options.js';
import { StreamQueue } from './stream-queue.js';

/** The members of a `TCPServer` that its connections need. */
interface Server {
  readonly loop: IOLoop;
  /** May be overridden. */
  handleStream(stream: IOStream, address: Address): unknown;
}

/** The side of the server. */
export interface ServingEvents {
  /** There is one connection more. */
  onMore(): void;
  /** There is one connection less. */
  onFewer(): void;
  /** Whether streams go to the iterator of the server: it has no handler. */
  isIterated(): boolean;
}

/**
 * Each connection is counted and published on a channel. One with a protocol makes no stream, unless it
 * has a PROXY header or TLS. The others are opened by {@link Openings}, and passed on to the protocol,
 * the handler, or the queue of the iterator.
 */
export class Serving {
  /** Streams that the iterator has not taken yet. */
  readonly untaken: StreamQueue;
  readonly #server: Server;
  readonly #settings: ServerSettings;
  readonly #events: ServingEvents;
  /** Of connections with a protocol; `null` without the option. */
  readonly #pushed: ConnectionSettings | null;
  readonly #openings: Openings;
  readonly #handler: GuardedHandler;
  readonly #connections = new Connections((connection) => {
    this.#events.onFewer();
    if (debug.enabled) debug('connection closed: %o', connection);
    if (connectionClose.hasSubscribers) {
      const { error } = connection;
      connectionClose.publish({ server: this.#server, ...named(connection), error });
    }
  });

  constructor(
    server: Server,
    settings: ServerSettings,
    tlsServer: TlsServer | null,
    events: ServingEvents,
  ) {
    const { loop, handleStream, protocol, streams } = settings;
    this.#server = server;
    this.#settings = settings;
    this.#events = events;
    this.#pushed = protocol === undefined ? null : acceptedSettings(streams);
    this.#openings = new Openings(loop, settings, tlsServer, this.#onOpen);
    this.#handler = new GuardedHandler(server, handleStream ?? null);
    this.untaken = new StreamQueue(loop);
  }

  /** The number of open connections. */
  get size(): number {
    return this.#connections.size;
  }

  /** Whether connections have a protocol. */
  get isPushed(): boolean {
    return this.#pushed !== null;
  }

  /** The number of refused PROXY headers; `null` without the option. */
  get proxyRefusals(): number | null {
    return this.#openings.proxy?.refusals ?? null;
  }

  /** Serves a connection. With `isAccepted` no other code has its socket. */
  begin(socket: Socket, address: Address, isAccepted: boolean): void {
    if (this.#settings.nodelay && 'host' in address) setNodelay(socket);
    if (this.#pushed !== null && this.#openings.isImmediate) {
      this.#push(socket, this.#pushed, address, isAccepted);
      return;
    }
    const stream = acceptedStream(socket, this.#settings.streams, isAccepted);
    this.#connections.add(stream);
    if (debug.enabled) debug('connection accepted: %o', stream);
    if (connectionOpen.hasSubscribers) {
      connectionOpen.publish({ server: this.#server, stream, address });
    }
    this.#events.onMore();
    // A subscriber may have closed it.
    if (!stream.closed) this.#openings.begin(stream, address);
  }

  /** Resolves when all connections are closed. */
  drained(): Promise<void> {
    return this.#connections.drained();
  }

  /** Closes all connections at once. */
  close(): void {
    this.#connections.close();
  }

  /** Closes each connection after its bytes are sent, or after `timeout` seconds. */
  end(timeout: number): Promise<void> {
    return this.#connections.end(timeout);
  }

  /** Closes the connections that are not open, from now on and later. */
  closeUnopened(): void {
    this.#openings.stop();
  }

  #push(socket: Socket, settings: ConnectionSettings, address: Address, isAccepted: boolean): void {
    // Definite: with it there are settings.
    const protocol = this.#settings.protocol as Protocol<unknown>;
    const connection = acceptedConnection(socket, settings, protocol, isAccepted);
    this.#connections.add(connection);
    if (debug.enabled) debug('connection accepted: %o', connection);
    if (connectionOpen.hasSubscribers) {
      connectionOpen.publish({ server: this.#server, connection, address });
    }
    this.#events.onMore();
    // A subscriber may have closed it.
    if (!connection.closed) connection.begin();
  }

  readonly #onOpen = (stream: IOStream, address: Address): void => {
    const guard = guardOf(this.#server.loop);
    const { protocol } = this.#settings;
    if (protocol !== undefined) {
      // It may have been closed in the tick in which its handshake was complete.
      if (!stream.closed) guard.attempt(() => stream.setProtocol(protocol));
    } else if (this.#events.isIterated()) this.untaken.offer(stream);
    else guard.enter(this.#handler, stream, address);
  };
}

/** On some systems a connection that was reset has no options. Its reads report the reset. */
function setNodelay(connection: Socket): void {
  try {
    connection.setOption('noDelay', true);
  } catch (error) {
    if (!('syscall' in (error as Error))) throw error;
  }
}

/** As the channels of connections name it. */
function named(connection: Served): { stream: IOStream } | { connection: Connection<unknown> } {
  if (connection instanceof IOStream) return { stream: connection };
  return { connection: connection as Connection<unknown> };
}
