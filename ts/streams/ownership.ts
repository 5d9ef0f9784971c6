/** The listeners of a stream, and the objects that take over the stream or its connection. */
import type { StreamLimits } from './options.js';
import type { Transport, Writer } from './transport.js';

/** Called with the error that has closed the stream; `null` when its peer or its owner did. */
export type CloseCallback = (error: Error | null) => unknown;

/** A listener of the package for the end of a connection. */
export interface Watcher<T> {
  /** The stream is closed, and with it its connection. */
  onClosed(watched: T): void;
  /** `next` continues on the connection of the stream, and is watched from now on. */
  onReplaced?(watched: T, next: unknown): void;
  /** Bytes have left that were not sent at once. */
  onProgress?(watched: T): void;
}

/** A watcher, and its argument. */
export interface Watch {
  readonly watcher: Watcher<unknown>;
  readonly watched: unknown;
}

/** The part of a stream that continues in another one on the same connection. */
export interface Moved {
  readonly transport: Transport;
  /** Received and not read. */
  readonly unread: Buffer;
  readonly allowHalfOpen: boolean;
  readonly limits: StreamLimits;
  readonly callback: CloseCallback | null;
  readonly watch: Watch | null;
}

/** The sides of a connection that goes on in another object, in the middle of its writes. */
export interface Sides {
  /** Received and not read. */
  readonly unread: Buffer;
  /** EOF was found. The transport gives it again. */
  readonly ended: boolean;
  /** With its unsent bytes; `null` if nothing was written. */
  readonly writer: Writer | null;
}

/** The owner of a connection that was moved out. */
export interface Move {
  /** The stream that continues on the connection, an `IOStream`; `null` until there is one. */
  readonly successor: unknown;
  /** Gives up, if there is no {@link successor} yet. `reason` is the argument of `close()`. */
  abandon(reason: Error | null): void;
}

/** The object that has taken over a stream for the program: a duplex, or web streams. */
export interface Adapter {
  /** The program has closed the stream. */
  destroy(error?: Error): unknown;
}
