/** The handlers of one loop, by descriptor number: `addHandler` and its siblings. */
import { constants } from 'node:os';
import { Handler, type HandlerLoop, type RegisteredHandler } from './handler.js';
import type { Guard } from './guard.js';
import type { DeferredWork } from './io.js';
import { originIn } from './origins.js';
import type { SourceTable } from './sources.js';
import { capabilities } from '../boundary/capabilities.js';
import { ERROR_OR_HANG_UP, PRI, READ, WRITE } from '../boundary/readiness.js';
import type { Submissions } from '../boundary/submissions.js';
import { cannotWatch, readAheadOf, type FdLike } from '../sockets/fd.js';
import {
  fdRegistered,
  fdUnknown,
  invalidArgValue,
  systemError,
  unsupported,
} from '../support/errors.js';

/** The work of handlers in later turns. */
export interface LaterTurns {
  /** Calls {@link DeferredWork.onContinue} in the next turn. */
  continueLater(work: DeferredWork): void;
  /** The same in some milliseconds: the kernel is out of memory, and has no event for its end. */
  retryLater(work: DeferredWork): void;
}

/**
 * One handler for each number. The sources of streams are not in it.
 *
 * A handler is level-triggered, and the core edge-triggered with a ready list: after the call of a
 * handler its source is rechecked in each turn, until it is submitted as drained. {@link
 * Handlers.hasUndrained} keeps the loop from sleeping meanwhile.
 */
export class Handlers implements HandlerLoop {
  readonly sources: SourceTable;
  readonly submissions: Submissions;
  readonly run: Guard['runHandler'];
  readonly #later: LaterTurns;
  readonly #byFd = new Map<number, Handler>();
  /** Called in the last turn, and not proven drained by the end of their call. */
  #undrained: Handler[] = [];

  constructor(
    sources: SourceTable,
    submissions: Submissions,
    run: Guard['runHandler'],
    later: LaterTurns,
  ) {
    this.sources = sources;
    this.submissions = submissions;
    this.run = run;
    this.#later = later;
  }

  /** Whether the core has to recheck a source in the next turn. */
  get hasUndrained(): boolean {
    return this.#undrained.length > 0;
  }

  /** The number of handlers. */
  get size(): number {
    return this.#byFd.size;
  }

  /** The handlers, without those whose numbers are other files now. */
  registered(): Handler[] {
    return Array.from(this.#byFd.values()).filter(({ isRegistered }) => isRegistered);
  }

  /** The registered files, as they were passed. */
  files(): FdLike[] {
    return this.registered().map(({ file }) => file);
  }

  /**
   * @throws `ERR_IOLOOP_FD_REGISTERED`, `ERR_IOLOOP_FD_BUSY`, `EPERM` for files, `EBADF` and other
   * system errors; nothing is registered then, and what was registered stays.
   */
  add(fd: number, registered: RegisteredHandler): void {
    const { file, interest } = registered;
    // Refused before anything is registered.
    const readAhead = (interest & READ) === 0 ? null : readAheadOf(file);
    const previous = this.#byFd.get(fd);
    const handler = new Handler(this, fd, registered);
    const result = handler.register();
    if (result < 0) {
      if (previous !== undefined && result === -EEXIST) {
        throw fdRegistered(fd, previous.callback, originIn(previous.context)?.site ?? null);
      }
      throw cannotWatch(result, fd);
    }
    // The core has found that the number was closed and is another file now.
    previous?.remove();
    this.#byFd.set(fd, handler);
    try {
      if (readAhead !== null) handler.stopReadAhead(readAhead);
    } catch (error) {
      handler.remove();
      throw error;
    }
  }

  /** @throws `ERR_IOLOOP_FD_UNKNOWN` when there is no live registration. */
  update(fd: number, interest: number): void {
    const handler = this.#byFd.get(fd);
    if (handler === undefined) throw fdUnknown(fd);
    const readAhead = (interest & READ) === 0 ? null : readAheadOf(handler.file);
    const result = handler.update(interest);
    if (result === -ENOENT) {
      handler.remove();
      throw fdUnknown(fd);
    }
    if (result < 0) throw systemError(result, 'updateHandler', { fd });
    if (readAhead !== null) handler.stopReadAhead(readAhead);
  }

  /** No-op when there is none. */
  remove(fd: number): void {
    this.#byFd.get(fd)?.remove();
  }

  /** {@link remove} for an object that has lost its number. Looks at every handler. */
  removeFile(file: FdLike): void {
    for (const handler of this.#byFd.values()) {
      if (handler.file === file) handler.remove();
    }
  }

  /**
   * Submits the sources that were drained after the call of their handler, which may be asynchronous.
   * True if one is left, which the core has to recheck.
   */
  submitDrained(): boolean {
    if (this.#undrained.length === 0) return false;
    const undrained = this.#undrained;
    this.#undrained = [];
    let isAnyLeft = false;
    for (const handler of undrained) {
      // It may have been removed since.
      if (handler.isActive && !handler.submitDrained()) isAnyLeft = true;
    }
    return isAnyLeft;
  }

  onUndrained(handler: Handler): void {
    this.#undrained.push(handler);
  }

  continueLater(handler: Handler): void {
    this.#later.continueLater(handler);
  }

  retryLater(handler: Handler): void {
    this.#later.retryLater(handler);
  }

  onEnd(handler: Handler): void {
    if (this.#byFd.get(handler.fd) === handler) this.#byFd.delete(handler.fd);
  }
}

/**
 * The events of a handler, as a program passes them.
 *
 * @throws `ERR_INVALID_ARG_VALUE`; `ERR_IOLOOP_UNSUPPORTED` for PRI where there is none.
 */
export function checkEvents(events: number): number {
  if (!Number.isInteger(events) || (events & ~ALL) !== 0) {
    throw invalidArgValue('events', events, 'a union of IOLoop.READ, WRITE, PRI and ERROR');
  }
  if ((events & PRI) !== 0 && !capabilities.priority) {
    throw unsupported('IOLoop.PRI', 'Leave it out: only Linux reports exceptional conditions');
  }
  return events;
}

const ALL = READ | PRI | WRITE | ERROR_OR_HANG_UP;
const { EEXIST, ENOENT } = constants.errno;
