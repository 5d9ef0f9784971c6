/**
 * The ownership of a file descriptor.
 *
 * A number names the file that has it at the moment. Only this package can close a descriptor that
 * it has opened and whose number the program has never seen: its use costs no check. Once the number
 * is *exposed*, other code can close it (`fs.closeSync`, an addon), and the kernel reuses it: each use
 * then compares the file with the one that was opened.
 *
 * | State | Number | Next |
 * | --- | --- | --- |
 * | private | used as it is | exposed: {@link Descriptor.expose}; gone; detached |
 * | exposed | verified by each {@link Descriptor.use} | gone: closed here, or found to be another file's; detached |
 * | gone | {@link Descriptor.NONE} | |
 * | detached | {@link Descriptor.NONE} | its file belongs to the table of `detached.ts` |
 *
 * The descriptor also keeps what its operations have proven: whether it is drained of what handlers
 * were called for. That is a fact about the file, and the same for every loop that watches it.
 */
import { constants } from 'node:os';
import { detachedError, invalidArgType, outOfRange, systemError } from '../support/errors.js';
import { queueMicrotask } from '../support/host.js';
import { native } from '../boundary/native.js';
import { PRI, READ, READ_CLOSED, WRITE } from '../boundary/readiness.js';
import { Outbox, type OutboxFile } from './outbox.js';

/** A registration of a descriptor in a loop. */
export interface DescriptorWatcher {
  /** The descriptor is about to be closed, or was found to be another file's. */
  onDescriptorGone(): void;
  /** Other code can close the number from now on: reports have to be verified. */
  onDescriptorExposed(): void;
  /** {@link Descriptor.outbox} waits for room, or has failed. Runs no user code. */
  onOutbox?(): void;
}

/** An open file descriptor that belongs to this package. */
export class Descriptor implements OutboxFile {
  /** The number of a descriptor that is gone: a system call fails with `EBADF`. */
  static readonly NONE = -1;

  /** Negative if it is gone: {@link NONE}, {@link DETACHED}. */
  #number: number;
  readonly #serial: number;
  /**
   * READ and WRITE: a handler was called for it, and no operation has proven the file drained since.
   * READ_CLOSED and PRI: seen once, so that a short read proves nothing.
   */
  #undrained = 0;
  /** The file when the number was exposed; `null` while it is private. */
  #identity: Int32Array | null = null;
  #watcher: DescriptorWatcher | null = null;
  /** Further watchers: a socket with handlers in several loops. */
  #watchers: Set<DescriptorWatcher> | null = null;
  #outbox: Outbox | null = null;

  /**
   * Owns `number`, which was just opened, or is `adopted` from other code and thereby exposed. `serial`
   * is that of {@link giveAway}.
   */
  constructor(number: number, adopted: boolean, serial = UNKNOWN) {
    if (serial !== UNKNOWN) {
      this.#number = number;
      this.#serial = serial;
      return;
    }
    const owner = exposed.size === 0 ? undefined : exposed.get(number)?.deref();
    // An adopted number may have an owner here already. Both own it; the first one closes it.
    const isShared = adopted && owner?.use() === number;
    if (owner !== undefined && !isShared) owner.#end();
    this.#number = number;
    this.#serial = isShared ? owner.#serial : claim(number);
    if (adopted || this.#serial === UNKNOWN) this.expose();
  }

  /** Whether it was closed, or was found to be another file's. */
  get isGone(): boolean {
    return this.#current() < 0;
  }

  get isExposed(): boolean {
    return this.#identity !== null;
  }

  /** The bytes of `sendLater()`; `null` before its first call, and once the descriptor is gone. */
  get outbox(): Outbox | null {
    return this.#outbox;
  }

  /** {@link outbox}, made when it is first needed. */
  get ownOutbox(): Outbox {
    return (this.#outbox ??= new Outbox(this));
  }

  onOutbox(): void {
    this.drained(WRITE);
    this.#watcher?.onOutbox?.();
    for (const watcher of this.#watchers ?? []) watcher.onOutbox?.();
  }

  /**
   * Gives the file to code that keeps its number and the result, a serial: two numbers in the place of
   * an object. {@link isCurrent} compares them, and a new `Descriptor` continues with them. The result
   * is negative, and nothing has changed, if the number is exposed or watched.
   */
  giveAway(): number {
    const isShared = this.isExposed || this.#watcher !== null || this.#outbox !== null;
    if (isShared || this.#serial === UNKNOWN) return UNKNOWN;
    this.#number = Descriptor.NONE;
    return this.#serial;
  }

  /** The error of `syscall` on a descriptor that is gone. */
  goneError(syscall: string): Error {
    return this.#number === DETACHED ? detachedError('socket') : systemError(-EBADF, syscall);
  }

  /** Whether a loop watches it, for another watcher than `besides`. */
  isWatched(besides: DescriptorWatcher | null): boolean {
    const watchers = [this.#watcher, ...(this.#watchers ?? [])];
    return watchers.some((watcher) => watcher !== null && watcher !== besides);
  }

  /** Whether a stream has it: a watcher that sends nothing of an {@link outbox}. */
  get hasStream(): boolean {
    if (this.#watcher !== null && this.#watcher.onOutbox === undefined) return true;
    for (const watcher of this.#watchers ?? []) if (watcher.onOutbox === undefined) return true;
    return false;
  }

  /** The number for one system call, now; {@link NONE} when it is closed or another file's. */
  use(): number {
    const number = this.#current();
    const identity = this.#identity;
    if (identity === null || number < 0 || native.fdIs(number, identity) === 1) return number;
    this.lose();
    return Descriptor.NONE;
  }

  /** {@link use}, for the program: other code can close the number from now on. */
  expose(): number {
    if (this.#identity !== null) return this.use();
    const number = this.#current();
    if (number < 0) return number;
    const identity = new Int32Array(native.IDENTITY_WORDS);
    if (native.fdIdentify(number, identity) < 0) {
      this.lose();
      return Descriptor.NONE;
    }
    this.#identity = identity;
    exposed.set(number, new WeakRef(this));
    this.#watcher?.onDescriptorExposed();
    for (const watcher of this.#watchers ?? []) watcher.onDescriptorExposed();
    return number;
  }

  /** {@link use} without its consequences: the state of a lost descriptor does not change. */
  peek(): number {
    const number = this.#current();
    const identity = this.#identity;
    const isLost = identity !== null && number >= 0 && native.fdIs(number, identity) !== 1;
    return isLost ? Descriptor.NONE : number;
  }

  /** A handler is called for these bits of a report. */
  markReady(bits: number): void {
    this.#undrained |= bits & TRACKED;
  }

  /** An operation would block: there is nothing to read (READ), or no room to write (WRITE). */
  drained(bits: number): void {
    this.#undrained &= ~bits;
  }

  /**
   * A read of a file of kind `SHORT_IS_ALL` gave less than was asked for. That proves it drained,
   * unless EOF follows, for which there is no further event, or an urgent mark may have stopped the
   * read. A later mark has an event of its own.
   */
  readShort(): void {
    if ((this.#undrained & (READ_CLOSED | PRI)) === 0) this.#undrained &= ~READ;
  }

  /** Whether READ or WRITE, if it is in `bits`, is not proven drained. */
  isUndrained(bits: number): boolean {
    return (this.#undrained & bits & (READ | WRITE)) !== 0;
  }

  /** Notifies `watcher` when the descriptor is exposed, closed or lost. */
  watch(watcher: DescriptorWatcher): void {
    if (this.#watcher === null) this.#watcher = watcher;
    else (this.#watchers ??= new Set()).add(watcher);
  }

  unwatch(watcher: DescriptorWatcher): void {
    if (this.#watcher === watcher) this.#watcher = null;
    else this.#watchers?.delete(watcher);
  }

  /**
   * Closes it, unless it is closed or another file's. Its registrations end before. The bytes of
   * `sendLater()` are offered to the kernel once more.
   */
  close(): void {
    this.#outbox?.flush();
    const number = this.use();
    try {
      this.#end();
    } finally {
      if (number >= 0) native.fdClose(number);
    }
  }

  /** Gives up the ownership: the number to close, or {@link NONE}. Its registrations end before. */
  release(): number {
    const number = this.use();
    this.#end();
    return number;
  }

  /**
   * The file belongs to the table of detached files, as this number, or if that is exposed as a
   * duplicate: this number is closed then. Its registrations end before.
   */
  endDetached(): void {
    if (this.isExposed) this.close();
    else this.#end();
    this.#number = DETACHED;
  }

  /** The number is another file's. The registrations end in a microtask. */
  lose(): void {
    this.#forget();
    if (this.#watcher !== null || this.#watchers !== null) {
      queueMicrotask(() => {
        this.#notify();
      });
    }
  }

  #end(): void {
    this.#forget();
    this.#notify();
  }

  #notify(): void {
    const watcher = this.#watcher;
    const watchers = this.#watchers;
    this.#watcher = this.#watchers = null;
    try {
      // A handler resumes the reading ahead of its file, which may be another's, and throw.
      watcher?.onDescriptorGone();
    } finally {
      for (const other of watchers ?? []) other.onDescriptorGone();
    }
  }

  #forget(): void {
    const number = this.#number;
    if (this.#identity !== null && exposed.get(number)?.deref() === this) exposed.delete(number);
    if (number >= 0) this.#number = Descriptor.NONE;
    this.#outbox?.drop();
    this.#outbox = null;
  }

  #current(): number {
    return current(this.#number, this.#serial);
  }
}

/**
 * The number of a descriptor with this serial, which only this package has; {@link Descriptor.NONE} if
 * the kernel has given it to a later descriptor of this package.
 */
export function current(number: number, serial: number): number {
  return number < serials.length && serials[number] !== serial ? Descriptor.NONE : number;
}

/** The exposed descriptor of this package that has the number now, or `null`. */
export function ownerOf(number: number): Descriptor | null {
  const owner = exposed.get(number)?.deref();
  return owner?.use() === number ? owner : null;
}

/**
 * @throws `ERR_INVALID_ARG_TYPE`, and `ERR_OUT_OF_RANGE` for a number that is negative or larger
 * than a C `int`.
 */
export function checkNumber(number: unknown, given: unknown): number {
  if (typeof number !== 'number') {
    throw invalidArgType('fd', given, 'a file descriptor, or an object with fileno() or .fd');
  }
  if (!Number.isInteger(number) || number < 0 || number > MAX_FD) {
    throw outOfRange('fd', number, `an integer from 0 to ${MAX_FD}`);
  }
  return number;
}

/** The exposed descriptors by number. Weak: streams are collected as garbage with their loop. */
const exposed = new Map<number, WeakRef<Descriptor>>();

/** How often this thread has owned each number: the serial of its present owner. */
let serials = new Uint32Array(1024);
/** Larger numbers are not counted: their descriptors are exposed from the start. */
const MAX_COUNTED = 2 ** 20;
const UNKNOWN = -1;
/** The number of a descriptor whose file was detached; {@link Descriptor.use} gives `NONE`. */
const DETACHED = -2;
const { EBADF } = constants.errno;
const TRACKED = READ | WRITE | READ_CLOSED | PRI;
const MAX_FD = 0x7fff_ffff;

function claim(number: number): number {
  if (number >= serials.length) {
    if (number >= MAX_COUNTED) return UNKNOWN;
    const larger = new Uint32Array(2 ** (32 - Math.clz32(number)));
    larger.set(serials);
    serials = larger;
  }
  const serial = ((serials[number] as number) + 1) >>> 0;
  serials[number] = serial;
  return serial;
}
