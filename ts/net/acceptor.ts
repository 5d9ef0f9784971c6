/** Accepting connections, in batches, and what to do when that fails. */
import { constants } from 'node:os';
import type { Address } from '../sockets/address.js';
import type { DescriptorWatcher } from '../sockets/descriptor.js';
import { invalidArgType, systemError } from '../support/errors.js';
import type { Entry } from '../loop/guard.js';
import { guardOf } from '../loop/internals.js';
import { IOLoop } from '../loop/ioloop.js';
import { descriptorOf, type Socket } from '../sockets/socket.js';
import { checkInteger } from '../support/checks.js';

/** Called with each connection, non-blocking, and where it comes from. */
export type AcceptCallback = (connection: Socket, address: Address) => unknown;

/** Options of {@link addAcceptHandler}. */
export interface AcceptOptions {
  /** By default the current loop. */
  readonly loop?: IOLoop | undefined;
  /** Most connections that one turn accepts from the socket, by default 128. */
  readonly batch?: number | undefined;
}

/**
 * Calls `callback(connection, address)` for each connection that is made to a listening socket,
 * at most 128 of them in a turn, so that a storm of them leaves the rest of the program its share.
 * Gives what removes it again; the socket stays open. Closing the socket ends it, too.
 *
 * A callback that throws or rejects is reported, and its connection is closed with the stream on
 * it; the others go on. When the process runs out of descriptors (`EMFILE`, `ENFILE`) or the system out of memory (`ENOBUFS`,
 * `ENOMEM`), accepting pauses for 0.1 s and up to 1 s, with one warning (`IOLOOP_ACCEPT_PAUSED`),
 * and goes on by itself; the connections wait in the socket's backlog.
 *
 * @throws As `IOLoop.addHandler`.
 */
export function addAcceptHandler(
  socket: Socket,
  callback: AcceptCallback,
  options: AcceptOptions = {},
): () => void {
  if (typeof callback !== 'function') throw invalidArgType('callback', callback, 'a function');
  const loop = options.loop ?? IOLoop.current();
  const batch = checkInteger('batch', options.batch ?? DEFAULT_BATCH, 1, MAX_BATCH);
  const acceptor = new Acceptor(loop, socket, callback, batch);
  return () => {
    acceptor.close();
  };
}

/** One listening socket in a loop. */
export class Acceptor implements DescriptorWatcher, Entry<Socket, Address> {
  readonly socket: Socket;
  /** Called once, instead of accepting, when the first connection waits. */
  onWaiting: (() => void) | null = null;
  /** Called with why, when the socket was closed by someone else; by default it is reported. */
  onLost: ((error: Error) => void) | null = null;
  readonly #loop: IOLoop;
  readonly #callback: AcceptCallback;
  readonly #batch: number;
  #closed = false;
  /** No connections are wanted for now. */
  #held = false;
  /** Seconds of the pause after a failure; 0 while none. */
  #backOff = 0;
  #resume: ReturnType<IOLoop['callLater']> | null = null;

  constructor(loop: IOLoop, socket: Socket, callback: AcceptCallback, batch: number) {
    this.#loop = loop;
    this.socket = socket;
    this.#callback = callback;
    this.#batch = batch;
    loop.addHandler(socket, this.#accept, IOLoop.READ);
    descriptorOf(socket)?.watch(this);
  }

  /** Whether a failure has made it pause. */
  get paused(): boolean {
    return this.#resume !== null;
  }

  /** Accepts nothing while `held`: connections wait in the backlog. */
  hold(held: boolean): void {
    if (this.#held === held || this.#closed) return;
    this.#held = held;
    this.#listen();
  }

  /** Stops accepting; the socket stays open. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    descriptorOf(this.socket)?.unwatch(this);
    if (this.#resume !== null) this.#loop.removeTimeout(this.#resume);
    this.#loop.removeHandler(this.socket);
  }

  /** The owner of the socket has closed it, which ends the accepting. */
  onDescriptorGone(): void {
    if (this.#closed) return;
    this.close();
    this.onLost?.(systemError(-EBADF, 'accept'));
  }

  onDescriptorExposed(): void {
    // The handler of the loop verifies its descriptor.
  }

  readonly #accept = (): void => {
    const { onWaiting } = this;
    if (onWaiting !== null) {
      this.onWaiting = null;
      this.hold(true);
      onWaiting();
      return;
    }
    for (let count = 0; count < this.#batch && !this.#closed && !this.#held; count += 1) {
      let accepted: [Socket, Address] | null;
      try {
        accepted = this.socket.accept();
      } catch (error) {
        const { code } = error as { code?: unknown };
        if (TRANSIENT.has(code)) continue;
        if (LOST.has(code)) {
          this.#lose(error as Error);
          return;
        }
        this.#pause(error as Error, EXHAUSTED.has(code));
        return;
      }
      if (accepted === null) break;
      guardOf(this.#loop).enter(this, ...accepted);
    }
    // Accepting works again: the next failure is a new one.
    this.#backOff = 0;
  };

  call(connection: Socket, address: Address): unknown {
    const callback = this.#callback;
    return callback(connection, address);
  }

  onFailure(error: unknown, connection: Socket): void {
    // This closes a stream on the connection as well.
    connection.close();
    guardOf(this.#loop).fail(this.#callback, error);
  }

  #pause(error: Error, isExhausted: boolean): void {
    // Once, until one succeeds.
    if (this.#backOff === 0) {
      const message = `Accepting connections pauses: ${error.message}`;
      if (isExhausted) process.emitWarning(message, { code: 'IOLOOP_ACCEPT_PAUSED' });
      else guardOf(this.#loop).report(null, error);
    }
    this.#backOff = Math.min(Math.max(2 * this.#backOff, FIRST_PAUSE), LONGEST_PAUSE);
    this.#resume = this.#loop.callLater(this.#backOff, () => {
      this.#resume = null;
      this.#listen();
    });
    this.#listen();
  }

  /** Never throws: it is called while connections close, and while the loop is being closed. */
  #listen(): void {
    if (this.#closed || this.#loop.closed) return;
    const wanted = !this.#held && this.#resume === null;
    try {
      this.#loop.updateHandler(this.socket, wanted ? IOLoop.READ : IOLoop.NONE);
    } catch (error) {
      this.#lose(error as Error);
    }
  }

  #lose(error: Error): void {
    if (this.#closed) return;
    this.close();
    if (this.onLost === null) guardOf(this.#loop).report(null, error);
    else this.onLost(error);
  }
}

const { EBADF } = constants.errno;
export const DEFAULT_BATCH = 128;
export const MAX_BATCH = 65_536;

/** Seconds. */
const FIRST_PAUSE = 0.1;
const LONGEST_PAUSE = 1;

/** A connection that was gone before it was accepted; `accept(2)` says to try again. */
const TRANSIENT: ReadonlySet<unknown> = new Set([
  'ECONNABORTED',
  'EPROTO',
  'EINTR',
  'EPERM',
  'ENETDOWN',
  'ENOPROTOOPT',
  'EHOSTDOWN',
  'ENONET',
  'EHOSTUNREACH',
  'ENETUNREACH',
]);

/** The descriptor is not a listening socket any more. */
const LOST: ReadonlySet<unknown> = new Set(['EBADF', 'ENOTSOCK']);

/** Out of descriptors or memory. */
const EXHAUSTED: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
