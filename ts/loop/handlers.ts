/** Registrations of file descriptors, and the dispatch of readiness to their handlers. */
import { constants } from 'node:os';
import { capture, type Context } from './async-context.js';
import type { Callback } from './callback-queue.js';
import type { Descriptor, DescriptorWatcher } from '../sockets/descriptor.js';
import { fdRegistered, fdUnknown, systemError } from '../support/errors.js';
import {
  descriptorBehind,
  cannotWatch,
  readAheadOf,
  type FdLike,
  type ReadAhead,
} from '../sockets/fd.js';
import type { Guard } from './guard.js';
import { native, type NativeHandle } from '../boundary/native.js';
import type { Submissions } from '../boundary/submissions.js';
import * as undrained from '../sockets/undrained.js';

export const NONE = 0;
export const READ = 0x001;
export const PRI = 0x002;
export const WRITE = 0x004;
export const ERROR = 0x018;

/** One registration. A removed one stays inactive for good: a stale event finds it so. */
export interface Registration extends DescriptorWatcher {
  readonly fd: number;
  /** As the user passed it; the handler gets it back. */
  readonly source: FdLike;
  /** The descriptor, if it belongs to this package. */
  readonly descriptor: Descriptor | null;
  /** Which file the number was, if the descriptor does not belong to this package. */
  readonly identity: Int32Array | null;
  readonly handler: Callback;
  readonly context: Context;
  readonly index: number;
  /** Node's own reading of the source, which is stopped for this handler. */
  readAhead: ReadAhead | null;
  interest: number;
  /** The bits of the last call. */
  reported: number;
  active: boolean;
}

/** The registrations of one loop, by number and by the core's index. */
export class HandlerTable {
  readonly #native: NativeHandle;
  readonly #submissions: Submissions;
  readonly #displaceStream: (index: number) => void;
  readonly #byFd = new Map<number, Registration>();
  readonly #byIndex: (Registration | undefined)[] = [];
  /**
   * Collected at the entry of a turn, the first {@link #count} of them: fixed before anything runs.
   * The arrays stay for the next turn, and what is behind the count is `undefined`.
   */
  readonly #ready: (Registration | undefined)[] = [];
  readonly #bits: number[] = [];
  #count = 0;
  /** Of these, how many were dispatched. */
  #delivered = 0;
  /** Handled in the last turn, and not proven drained by the end of it. */
  #left: Registration[] = [];

  /** `displace` gets the index of each new registration, which may have been a stream's. */
  constructor(handle: NativeHandle, submissions: Submissions, displace: (index: number) => void) {
    this.#native = handle;
    this.#submissions = submissions;
    this.#displaceStream = displace;
  }

  get size(): number {
    return this.#byFd.size;
  }

  /** What was registered, as it was passed; without numbers that stand for other files now. */
  sources(): FdLike[] {
    return Array.from(this.#byFd.values())
      .filter(({ index }) => native.loopIsRegistered(this.#native, index))
      .map(({ source }) => source);
  }

  /**
   * @throws `ERR_IOLOOP_FD_REGISTERED`, `ERR_IOLOOP_FD_BUSY`, `EPERM` for files, `EBADF` and other
   * system errors; nothing is registered then, and what was registered stays.
   */
  add(fd: number, source: FdLike, handler: Callback, interest: number): void {
    const readAhead = (interest & READ) === 0 ? null : readAheadOf(source);
    const descriptor = descriptorBehind(source, fd);
    // Other code may close a descriptor that is not ours, or whose number it has.
    const verify = descriptor === null || descriptor.isExposed ? INTEREST_VERIFY : 0;
    const index = native.loopRegister(this.#native, fd, interest | verify);
    const previous = this.#byFd.get(fd);
    if (index < 0) {
      if (previous !== undefined && index === -EEXIST) throw fdRegistered(fd, previous.handler);
      throw cannotWatch(index, fd);
    }
    // The core has found that the number was closed and is another file now.
    if (previous !== undefined) this.#forget(previous);
    this.displace(index);
    this.#displaceStream(index);
    const context = capture();
    const state = { interest, reported: NONE, active: true };
    const registration: Registration = {
      fd,
      source,
      descriptor,
      identity: descriptor === null ? identityOf(fd) : null,
      handler,
      context,
      index,
      readAhead,
      ...state,
      onDescriptorGone: () => {
        if (registration.active) this.#drop(registration);
      },
      onDescriptorExposed: () => {
        native.loopVerify(this.#native, index);
      },
    };
    descriptor?.watch(registration);
    this.#byFd.set(fd, registration);
    this.#byIndex[index] = registration;
    try {
      readAhead?.stop();
    } catch (error) {
      this.#drop(registration);
      throw error;
    }
  }

  /** @throws `ERR_IOLOOP_FD_UNKNOWN` when there is no live registration. */
  update(fd: number, interest: number): void {
    const registration = this.#byFd.get(fd);
    if (registration === undefined) throw fdUnknown(fd);
    const readAhead = (interest & READ) === 0 ? null : readAheadOf(registration.source);
    const result = native.loopReregister(this.#native, registration.index, interest);
    if (result === -ENOENT) {
      this.#forget(registration);
      throw fdUnknown(fd);
    }
    if (result < 0) throw systemError(result, 'updateHandler', { fd });
    registration.interest = interest;
    // What was stopped already is given back as it was before.
    registration.readAhead ??= readAhead;
    readAhead?.stop();
  }

  /** No-op when there is none. */
  remove(fd: number): void {
    const registration = this.#byFd.get(fd);
    if (registration !== undefined) this.#drop(registration);
  }

  /** {@link remove} for an object that has lost its number. Looks at every registration. */
  removeSource(source: FdLike): void {
    for (const registration of this.#byFd.values()) {
      if (registration.source === source) this.remove(registration.fd);
    }
  }

  /** The core has dropped a registration whose number was closed, or is another file's. */
  displace(index: number): void {
    const dropped = this.#byIndex[index];
    if (dropped !== undefined) this.#forget(dropped);
  }

  /** Takes a ready source out of the completions. */
  collect(index: number, bits: number): void {
    if ((bits & READY_LOST) !== 0) {
      this.displace(index);
      return;
    }
    const registration = this.#byIndex[index];
    if (registration === undefined) return;
    this.#ready[this.#count] = registration;
    this.#bits[this.#count] = bits;
    this.#count += 1;
  }

  /**
   * Calls the handlers of what was collected, unless they were removed meanwhile. True when one
   * of them left its source undrained: the next turn has to come soon. After a failure the next
   * call goes on after the source that failed.
   */
  dispatch(run: Guard['runHandler']): boolean {
    const ready = this.#ready;
    while (this.#delivered < this.#count) {
      const at = this.#delivered;
      this.#delivered = at + 1;
      const registration = ready[at] as Registration;
      ready[at] = undefined;
      this.#deliver(registration, this.#bits[at] as number, run);
    }
    this.#count = this.#delivered = 0;
    return this.#left.length > 0;
  }

  /**
   * Looks again at what the last turn left: a handler that awaits something drains its source
   * after the turn. True when the core has to ask the kernel about one of them.
   */
  settle(): boolean {
    if (this.#left.length === 0) return false;
    const left = this.#left;
    this.#left = [];
    let asks = false;
    for (const registration of left) {
      if (registration.active && !this.#isDrained(registration)) asks = true;
    }
    return asks;
  }

  clear(): void {
    const registrations = Array.from(this.#byFd.values());
    this.#byFd.clear();
    this.#byIndex.length = 0;
    this.#ready.length = 0;
    this.#count = this.#delivered = 0;
    this.#left = [];
    for (const registration of registrations) {
      registration.active = false;
      registration.descriptor?.unwatch(registration);
    }
    for (const { readAhead } of registrations) readAhead?.resume();
  }

  #deliver(registration: Registration, collected: number, run: Guard['runHandler']): void {
    if (!registration.active) return;
    const bits = collected & (registration.interest | ERROR);
    // Its interest was changed meanwhile; the core will ask for the new one.
    if (bits === 0) return;
    // Code that ran before in this turn may have closed the number, and opened it anew.
    if (!isCurrent(registration)) {
      this.#drop(registration);
      return;
    }
    const { fd, source, handler, context } = registration;
    registration.reported = bits;
    undrained.mark(fd, collected);
    run(handler, source, bits, context);
    if (registration.active && !this.#isDrained(registration)) this.#left.push(registration);
  }

  /** Whether the source proved itself drained of what was reported; tells the core if so. */
  #isDrained({ fd, index, reported }: Registration): boolean {
    // An error or a hang-up stays until the handler is removed. Whether an exceptional condition has
    // passed, only the kernel knows.
    if ((reported & (ERROR | PRI)) !== 0 || undrained.isUndrained(fd, reported)) return false;
    this.#submissions.drained(index, reported);
    return true;
  }

  #drop(registration: Registration): void {
    native.loopDeregister(this.#native, registration.index);
    this.#forget(registration);
  }

  #forget(registration: Registration): void {
    const { fd, index, descriptor } = registration;
    registration.active = false;
    descriptor?.unwatch(registration);
    if (this.#byFd.get(fd) === registration) this.#byFd.delete(fd);
    if (this.#byIndex[index] === registration) this.#byIndex[index] = undefined;
    // Last: the handle may be another's, and throw.
    registration.readAhead?.resume();
  }
}

const { INTEREST_VERIFY, READY_LOST } = native;
const { EEXIST, ENOENT } = constants.errno;

function identityOf(fd: number): Int32Array | null {
  const identity = new Int32Array(native.IDENTITY_WORDS);
  return native.fdIdentify(fd, identity) < 0 ? null : identity;
}

/** Whether the number still is the file that was registered. */
function isCurrent({ fd, descriptor, identity }: Registration): boolean {
  if (descriptor !== null) return descriptor.use() === fd;
  return identity === null || native.fdIs(fd, identity);
}
