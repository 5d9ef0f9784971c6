/** One registered handler: the entry that `addHandler` makes in the table of sources. */
import type { Context } from './async-context.js';
import type { Callback } from './callback-queue.js';
import type { Guard } from './guard.js';
import type { DeferredWork } from './io.js';
import { HANDLERS, type Source, type SourcePhase, type SourceTable } from './sources.js';
import { native } from '../boundary/native.js';
import { ERROR, ERROR_OR_HANG_UP, NONE, PRI, VERIFY, WRITE } from '../boundary/readiness.js';
import type { Submissions } from '../boundary/submissions.js';
import type { Descriptor, DescriptorWatcher } from '../sockets/descriptor.js';
import { descriptorBehind, type FdLike, type ReadAhead } from '../sockets/fd.js';

/** The parts of a loop that its handlers share. */
export interface HandlerLoop {
  readonly sources: SourceTable;
  readonly submissions: Submissions;
  readonly run: Guard['runHandler'];
  /** The handler was called and has not proven its source drained. */
  onUndrained(handler: Handler): void;
  /** Calls {@link Handler.onContinue} in the next turn. */
  continueLater(handler: Handler): void;
  /** Calls {@link Handler.onContinue} in some milliseconds. */
  retryLater(handler: Handler): void;
  /** The registration has ended. */
  onEnd(handler: Handler): void;
}

/** The arguments of `addHandler`, checked, and the context of its call. */
export interface RegisteredHandler {
  /** As the user passed it. */
  readonly file: FdLike;
  readonly callback: Callback;
  readonly interest: number;
  readonly context: Context;
}

/** Why bytes of `socket.sendLater()` are unsent. The handler sends them. */
const enum Sending {
  None,
  /** The socket has no room: the source is watched for WRITE as well. */
  Waiting,
  /** The kernel has no memory (`ENOBUFS`). No event reports memory: a timer tries again. */
  Retrying,
}

/**
 * A handler, level-triggered: it is called in each turn until its source is drained of what was
 * reported, or its interest no longer has it.
 *
 * | State | index | Ends by |
 * | --- | --- | --- |
 * | new | -1 | {@link register} |
 * | active | the core's | {@link remove}, {@link onStale}, {@link onDescriptorGone}, {@link onLoopClosed} |
 * | ended | -1 | stays: a report that was collected before does nothing |
 *
 * While bytes of `socket.sendLater()` wait ({@link Sending}), the handler sends them before it is
 * called, and is called for WRITE when none is left.
 */
export class Handler implements Source, DescriptorWatcher, DeferredWork {
  readonly fd: number;
  /** As the user passed it; the callback gets it back. */
  readonly file: FdLike;
  readonly callback: Callback;
  /** The handler runs in it. */
  readonly context: Context;
  readonly #loop: HandlerLoop;
  /** The descriptor, if it belongs to this package. */
  readonly #descriptor: Descriptor | null;
  /** Which file the number was, if the descriptor does not belong to this package. */
  readonly #identity: Int32Array | null;
  /** Node's own reading of the file, which is stopped for this handler. */
  #readAhead: ReadAhead | null = null;
  #index = NO_INDEX;
  #interest: number;
  /** The bits of the last call. */
  #reported = NONE;
  #sending = Sending.None;

  constructor(loop: HandlerLoop, fd: number, registered: RegisteredHandler) {
    const { file, callback, interest, context } = registered;
    this.#loop = loop;
    this.fd = fd;
    this.file = file;
    this.callback = callback;
    this.context = context;
    this.#interest = interest;
    this.#descriptor = descriptorBehind(file, fd);
    this.#identity = this.#descriptor === null ? identityOf(fd) : null;
  }

  get phase(): SourcePhase {
    return HANDLERS;
  }

  /** Nothing is received for it. */
  get mode(): number {
    return 0;
  }

  get isActive(): boolean {
    return this.#index !== NO_INDEX;
  }

  /** Whether the number still is the file that was registered, as the core sees it. */
  get isRegistered(): boolean {
    return this.isActive && this.#loop.sources.isRegistered(this.#index);
  }

  /** Starts to watch: 0, or a negative errno. */
  register(): number {
    const descriptor = this.#descriptor;
    // Other code may close a descriptor that is not ours, or whose number it has.
    const verify = descriptor === null || descriptor.isExposed ? VERIFY : 0;
    const index = this.#loop.sources.add(this, this.fd, this.#interest | verify);
    if (index < 0) return index;
    this.#index = index;
    descriptor?.watch(this);
    if (descriptor !== null && descriptor.outbox !== null) this.onOutbox();
    return 0;
  }

  /** Changes the interest: 0, or a negative errno. */
  update(interest: number): number {
    const watched = this.#sending === Sending.Waiting ? interest | WRITE : interest;
    const result = this.#loop.sources.update(this.#index, watched);
    if (result === 0) this.#interest = interest;
    return result;
  }

  /** Ends the registration; does nothing when it has ended. */
  remove(): void {
    if (!this.isActive) return;
    this.#loop.sources.remove(this.#index);
    this.#end();
  }

  /** Stops Node's own reading until the registration ends. */
  stopReadAhead(readAhead: ReadAhead): void {
    // After a second stop, the state before the first one is restored.
    this.#readAhead ??= readAhead;
    readAhead.stop();
  }

  /** A report changes no state of a handler. */
  collect(): void {}

  dispatch(collected: number): void {
    if (!this.isActive) return;
    const allowed = this.#sending === Sending.None ? collected : this.#send(collected);
    const bits = allowed & (this.#interest | ERROR_OR_HANG_UP);
    // The interest was changed meanwhile; the core reports the events of the new one.
    if (bits === 0) return;
    // Code that ran before in this turn may have closed the number, and opened it anew.
    if (!this.#isCurrent()) {
      this.remove();
      return;
    }
    this.#reported = bits;
    this.#descriptor?.markReady(collected);
    this.#loop.run(this.callback, this.file, bits, this.context);
    if (this.isActive && !this.submitDrained()) this.#loop.onUndrained(this);
  }

  /** Submits that the source is drained of the reported bits, if that is proven. Returns whether it is. */
  submitDrained(): boolean {
    const descriptor = this.#descriptor;
    // An error or a hang-up stays until the handler is removed. The end of an exceptional condition
    // is known to the kernel only.
    if (descriptor === null || (this.#reported & (ERROR_OR_HANG_UP | PRI)) !== 0) return false;
    if (descriptor.isUndrained(this.#reported)) return false;
    this.#loop.submissions.drained(this.#index, this.#reported);
    return true;
  }

  onStale(): void {
    this.#end();
  }

  onLoopClosed(): void {
    this.#end();
  }

  onDescriptorGone(): void {
    this.remove();
  }

  onDescriptorExposed(): void {
    this.#loop.sources.verify(this.#index);
  }

  /** Bytes of `sendLater()` wait for room, or their error is to be reported. */
  onOutbox(): void {
    const outbox = this.#descriptor?.outbox ?? null;
    if (!this.isActive || outbox === null) return;
    if (outbox.failure !== 0) this.#loop.continueLater(this);
    else if (outbox.isOutOfMemory) {
      this.#become(Sending.Retrying);
      this.#loop.retryLater(this);
    } else if (outbox.isWaiting) this.#become(Sending.Waiting);
  }

  onContinue(): void {
    const outbox = this.#descriptor?.outbox ?? null;
    if (!this.isActive || outbox === null) return;
    if (outbox.failure !== 0) this.dispatch(ERROR);
    // Room after a lack of memory has no report.
    else if (outbox.flush()) this.dispatch(WRITE);
  }

  onTickEnd(): void {}

  #become(sending: Sending): void {
    const isWatched = sending === Sending.Waiting;
    const wasWatched = this.#sending === Sending.Waiting;
    this.#sending = sending;
    if (isWatched === wasWatched) return;
    const watched = isWatched ? this.#interest | WRITE : this.#interest;
    // It fails when the number was closed elsewhere: the next report is stale.
    this.#loop.sources.update(this.#index, watched);
  }

  /** Sends the bytes that wait, if there is room. The bits of the report that the handler may have. */
  #send(collected: number): number {
    const outbox = this.#descriptor?.outbox ?? null;
    const hasRoom = this.#sending === Sending.Waiting && (collected & WRITE) !== 0;
    if (outbox !== null && hasRoom) outbox.flush();
    if (outbox !== null && outbox.isWaiting) {
      // Edge-triggered below: it is reported again when there is room.
      this.#loop.submissions.drained(this.#index, WRITE);
      return collected & ~WRITE;
    }
    if (this.isActive) this.#become(Sending.None);
    return collected;
  }

  #isCurrent(): boolean {
    if (this.#descriptor !== null) return this.#descriptor.use() === this.fd;
    return this.#identity === null || native.fdIs(this.fd, this.#identity) === 1;
  }

  #end(): void {
    this.#index = NO_INDEX;
    this.#descriptor?.unwatch(this);
    this.#loop.onEnd(this);
    // Last: the handle may be another's, and throw.
    this.#readAhead?.resume();
  }
}

const NO_INDEX = -1;

function identityOf(fd: number): Int32Array | null {
  const identity = new Int32Array(native.IDENTITY_WORDS);
  return native.fdIdentify(fd, identity) < 0 ? null : identity;
}
