/** Accepting connections, in batches, with pauses when the system runs out of resources. */
import { constants } from 'node:os';
import { acceptPause } from '../support/channels.js';
import { debug } from '../support/debug-log.js';
import { checkFunction, checkInteger, checkOptions } from '../support/checks.js';
import { systemError } from '../support/errors.js';
import type { Address } from '../sockets/address.js';
import type { DescriptorWatcher } from '../sockets/descriptor.js';
import { descriptorOf, type Socket } from '../sockets/socket.js';
import type { Callback } from '../loop/callback-queue.js';
import type { GuardedCall } from '../loop/guard.js';
import { checkLoop, countersOf, guardOf } from '../loop/internals.js';
import { IOLoop } from '../loop/ioloop.js';
import type { CallKind } from '../loop/origins.js';
import { acceptEvents, type AcceptEvents } from './accept-events.js';

/** Called with each connection, a non-blocking socket, and the address of its peer. */
export type AcceptCallback = (connection: Socket, address: Address) => unknown;

/** Options of {@link addAcceptHandler}. */
export interface AcceptOptions {
  /** The loop; by default the current one. */
  readonly loop?: IOLoop | undefined;
  /** Most connections that one turn accepts from the socket, from 1 to 65,536; by default 128. */
  readonly batch?: number | undefined;
}

/**
 * Calls `callback(connection, address)` for each connection to a listening socket, in the order of
 * the backlog; at most 128 in a turn, so that many connections do not starve the rest of the program.
 * Returns a function that stops accepting; the socket stays open. Closing the socket stops it as well.
 *
 * If the callback throws or rejects, its connection is closed, with the stream on it, and the error
 * goes to {@link IOLoop.handleCallbackException}. Further connections are accepted.
 *
 * If the process is out of descriptors (`EMFILE`, `ENFILE`) or the system out of memory (`ENOBUFS`,
 * `ENOMEM`), accepting pauses for 0.1 s, up to 1 s while it fails, with one warning
 * (`IOLOOP_ACCEPT_PAUSED`). Connections wait in the backlog meanwhile.
 *
 * Differs from Tornado: the callback may return a promise, and accepting pauses instead of failing in
 * each turn when resources run out.
 *
 * @throws As {@link IOLoop.addHandler}; `ERR_OUT_OF_RANGE` for `batch`.
 */
export function addAcceptHandler(
  socket: Socket,
  callback: AcceptCallback,
  options: AcceptOptions = {},
): () => void {
  checkFunction('callback', callback);
  checkOptions(options);
  const loop = checkLoop(options.loop ?? IOLoop.current());
  const batch = checkInteger('batch', options.batch ?? DEFAULT_BATCH, 1, MAX_BATCH);
  const acceptor = new Acceptor(loop, socket, callback, batch);
  return () => {
    acceptor.close();
  };
}

/**
 * One listening socket in a loop. It accepts unless it is held (its owner wants no connections), or
 * paused (accepting has failed, and the pause is not over), or closed, which is final.
 */
export class Acceptor implements DescriptorWatcher, GuardedCall<Socket, Address> {
  readonly socket: Socket;
  /** Called once, instead of accepting, when the first connection waits. */
  onWaiting: (() => void) | null = null;
  /** Called when other code has closed the socket. If `null`, the error is reported. */
  onLost: ((error: Error) => void) | null = null;
  readonly #loop: IOLoop;
  readonly #callback: AcceptCallback;
  readonly #batch: number;
  readonly #events: AcceptEvents;
  #closed = false;
  #held = false;
  /** Length of the last pause in seconds; 0 if accepting has not failed since. */
  #backOff = 0;
  #resume: ReturnType<IOLoop['callLater']> | null = null;

  constructor(loop: IOLoop, socket: Socket, callback: AcceptCallback, batch: number) {
    this.#loop = loop;
    this.socket = socket;
    this.#callback = callback;
    this.#batch = batch;
    this.#events = acceptEvents(loop, socket, this.#accept);
    descriptorOf(socket)?.watch(this);
  }

  /** Whether accepting pauses after a failure. */
  get paused(): boolean {
    return this.#resume !== null;
  }

  /** While true, connections wait in the backlog. */
  set held(held: boolean) {
    if (this.#held === held || this.#closed) return;
    this.#held = held;
    this.#listen();
  }

  /**
   * Accepts what is in the backlog, unless it is held: closing the socket resets it. Before
   * {@link close}.
   */
  acceptAll(): void {
    this.#acceptSome(MAX_BATCH);
  }

  /** Stops accepting; the socket stays open. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    descriptorOf(this.socket)?.unwatch(this);
    if (this.#resume !== null) this.#loop.removeTimeout(this.#resume);
    this.#events.close();
  }

  /** The socket was closed. */
  onDescriptorGone(): void {
    if (this.#closed) return;
    this.close();
    this.onLost?.(systemError(-EBADF, 'accept'));
  }

  onDescriptorExposed(): void {
    // The handler in the loop verifies the descriptor.
  }

  readonly #accept = (): void => {
    const { onWaiting } = this;
    if (onWaiting !== null) {
      this.onWaiting = null;
      this.held = true;
      onWaiting();
      return;
    }
    this.#acceptSome(this.#batch);
  };

  #acceptSome(most: number): void {
    for (let count = 0; count < most && !this.#closed && !this.#held; count += 1) {
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
        this.#pause(error as NodeJS.ErrnoException);
        return;
      }
      if (accepted === null) break;
      countersOf(this.#loop).accepted += 1;
      guardOf(this.#loop).enter(this, accepted[0], accepted[1]);
    }
    // Accepting works: the next failure is a new one, with its own warning.
    this.#backOff = 0;
  }

  subject(): { kind: CallKind; func: Callback } {
    return { kind: 'accept handler', func: this.#callback };
  }

  call(connection: Socket, address: Address): unknown {
    const callback = this.#callback;
    return callback(connection, address);
  }

  onFailure(error: unknown, connection: Socket): void {
    // This closes a stream on the connection as well.
    connection.close();
    guardOf(this.#loop).fail(this.#callback, error);
  }

  #pause(error: NodeJS.ErrnoException): void {
    countersOf(this.#loop).acceptPauses += 1;
    // One report for a series of failures.
    if (this.#backOff === 0) {
      const message = `Accepting connections pauses: ${error.message}`;
      if (EXHAUSTED.has(error.code)) process.emitWarning(message, { code: 'IOLOOP_ACCEPT_PAUSED' });
      else guardOf(this.#loop).report(null, error);
    }
    this.#backOff = Math.min(Math.max(2 * this.#backOff, FIRST_PAUSE), LONGEST_PAUSE);
    this.#resume = this.#loop.callLater(this.#backOff, () => {
      this.#resume = null;
      this.#listen();
    });
    this.#listen();
    if (debug.enabled) debug('accepting pauses for %d s: %s', this.#backOff, error.message);
    // Last: a subscriber may stop the server, which ends the pause.
    if (acceptPause.hasSubscribers) {
      const { socket } = this;
      acceptPause.publish({ loop: this.#loop, socket, error, seconds: this.#backOff });
    }
  }

  /** Never throws: it is called while connections or the loop are closed. */
  #listen(): void {
    if (this.#closed || this.#loop.closed) return;
    const wanted = !this.#held && this.#resume === null;
    try {
      this.#events.want(wanted);
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

/** The connection has failed before it was accepted: `accept(2)` says to try again. */
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

/** The descriptor is not a listening socket. */
const LOST: ReadonlySet<unknown> = new Set(['EBADF', 'ENOTSOCK']);

/** Out of descriptors or memory. */
const EXHAUSTED: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);
