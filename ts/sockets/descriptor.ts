/**
 * The ownership of a file descriptor.
 *
 * A number names whatever file has it at the moment. A descriptor that was opened here and whose
 * number the user never saw can be closed by nothing else in the program, and costs no check. One
 * whose number is known outside, an *exposed* one, can be closed by anybody (`fs.closeSync`, an
 * addon) and its number reused: what the number stands for is compared before each use.
 */
import { invalidArgType, outOfRange } from '../support/errors.js';
import { queueMicrotask } from '../support/host.js';
import { native } from '../boundary/native.js';
import { PRI, READ, READ_CLOSED, WRITE } from '../boundary/readiness.js';

/** A registration of a descriptor in a loop. */
export interface DescriptorWatcher {
  /** The owner closes the descriptor (which is open still), or has lost it. */
  onDescriptorGone(): void;
  /** The number is known outside from now on: reports have to be verified. */
  onDescriptorExposed(): void;
}

/** An open file descriptor that belongs to this package. */
export class Descriptor {
  /** Where an operation of a descriptor that is gone goes: `EBADF`. */
  static readonly NONE = -1;

  #number: number;
  readonly #serial: number;
  /** Reported to a handler, and not proven drained since; doubts about short reads beside. */
  #undrained = 0;
  /** Which file it was when it was exposed. */
  #identity: Int32Array | null = null;
  #watcher: DescriptorWatcher | null = null;
  /** Further ones: a socket with handlers in several loops. */
  #watchers: Set<DescriptorWatcher> | null = null;

  /** Owns `number`, which was just opened, or is `adopted` from elsewhere and thereby exposed. */
  constructor(number: number, adopted: boolean) {
    const owner = exposed.size === 0 ? undefined : exposed.get(number)?.deref();
    // What is adopted may have an owner here already: the one that closes it first closes it.
    const isShared = adopted && owner?.use() === number;
    if (owner !== undefined && !isShared) owner.#end();
    this.#number = number;
    this.#serial = isShared ? owner.#serial : claim(number);
    if (adopted || this.#serial === UNKNOWN) this.expose();
  }

  /** Whether it was closed, or is known to be lost. */
  get isGone(): boolean {
    return this.#current() < 0;
  }

  get isExposed(): boolean {
    return this.#identity !== null;
  }

  /** The number for one system call, now; {@link NONE} when it is closed or another file's. */
  use(): number {
    const number = this.#current();
    const identity = this.#identity;
    if (identity === null || number < 0 || native.fdIs(number, identity) === 1) return number;
    this.lose();
    return Descriptor.NONE;
  }

  /** {@link use}, for the user: from now on others may close it. */
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

  /** A handler is about to be called for these bits of a report. */
  markReady(bits: number): void {
    this.#undrained |= bits & TRACKED;
  }

  /** An operation would block: nothing to read is left, or no room to write. */
  drained(bits: number): void {
    this.#undrained &= ~bits;
  }

  /**
   * A read gave less than was asked for, of a kind for which that means that nothing is left (see
   * `SHORT_IS_ALL`): unless EOF follows without an event, or an urgent mark has stopped the read. A
   * mark that comes later comes with an event of its own.
   */
  readShort(): void {
    if ((this.#undrained & (READ_CLOSED | PRI)) === 0) this.#undrained &= ~READ;
  }

  /** Whether one of READ and WRITE in `bits` was reported, and not proven drained since. */
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

  /** Closes it, unless it is closed or another file's. Its registrations end before. */
  close(): void {
    const number = this.release();
    if (number >= 0) native.fdClose(number);
  }

  /** Gives it up, for another to close: its number, {@link NONE} when there is nothing to close. */
  release(): number {
    const number = this.use();
    this.#end();
    return number;
  }

  /** The number is known to be another file's. The registrations are notified in a microtask. */
  lose(): void {
    this.#forget();
    if (this.#watcher !== null || this.#watchers !== null) {
      queueMicrotask(() => {
        this.#tell();
      });
    }
  }

  #end(): void {
    this.#forget();
    this.#tell();
  }

  #tell(): void {
    const watcher = this.#watcher;
    const watchers = this.#watchers;
    this.#watcher = this.#watchers = null;
    watcher?.onDescriptorGone();
    for (const other of watchers ?? []) other.onDescriptorGone();
  }

  #forget(): void {
    const number = this.#number;
    if (this.#identity !== null && exposed.get(number)?.deref() === this) exposed.delete(number);
    this.#number = Descriptor.NONE;
  }

  /** The number, unless this package itself was given it for another file since. */
  #current(): number {
    const number = this.#number;
    if (number < serials.length && serials[number] !== this.#serial) return Descriptor.NONE;
    return number;
  }
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

/** By number, those that others may close. Weak: a loop that is dropped takes its streams along. */
const exposed = new Map<number, WeakRef<Descriptor>>();

/** How often this thread has opened each number; a descriptor is of one of these times. */
let serials = new Uint32Array(1024);
/** Numbers above are not counted, and always verified. */
const MAX_COUNTED = 2 ** 20;
const UNKNOWN = -1;
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
