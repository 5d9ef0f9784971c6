/**
 * The bytes of one socket that `sendLater()` has taken and the kernel has not.
 *
 * | State   | Bytes are in        | `add`              | Next                                               |
 * | ------- | ------------------- | ------------------ | -------------------------------------------------- |
 * | open    | the batch, or none  | to the batch       | waiting: the kernel took a part; failed: an error   |
 * | waiting | an array of its own | behind the others  | open: `flush` has sent all; failed: an error        |
 * | failed  | none                | throws the error   | open: `takeFailure`                                |
 *
 * The batch belongs to the thread, not to a loop: it is sent when the running code is done. In state
 * waiting a handler of the socket calls {@link Outbox.flush} when there is room.
 */
import { constants } from 'node:os';
import {
  isNoMemory,
  isNoRoom,
  SendBatch,
  type Chain,
  type Sender,
} from '../boundary/send-batch.js';
import { native } from '../boundary/native.js';
import { capacities } from '../support/capacities.js';
import { bufferFull, systemError } from '../support/errors.js';
import { nextTick } from '../support/host.js';

/** The descriptor of an outbox. */
export interface OutboxFile {
  /** The number for one system call, now; -1 when it is closed or another file's. */
  use(): number;
  /** The state is waiting or failed from now on. Runs no user code. */
  onOutbox(): void;
}

/** The unsent bytes of a socket, at most {@link MAX_UNSENT}. */
export class Outbox implements Sender {
  readonly mode = native.MODE_STREAM;
  readonly #file: OutboxFile;
  /** The bytes in the batch. */
  #chain: Chain | null = null;
  /** In state waiting the bytes from {@link #start} to {@link #end}; otherwise these are equal. */
  #rest: Uint8Array = NO_BYTES;
  #start = 0;
  #end = 0;
  #failure = 0;
  #isOutOfMemory = false;

  constructor(file: OutboxFile) {
    this.#file = file;
  }

  get fd(): number {
    return this.#file.use();
  }

  /** The number of unsent bytes. */
  get unsent(): number {
    return (this.#chain?.bytes ?? 0) + this.#end - this.#start;
  }

  /** Whether bytes wait until the kernel has room. */
  get isWaiting(): boolean {
    return this.#end > this.#start;
  }

  /** The kernel has no memory, and reports no event when it has some again. */
  get isOutOfMemory(): boolean {
    return this.#isOutOfMemory;
  }

  /** The errno of state failed, negative; otherwise 0. */
  get failure(): number {
    return this.#failure;
  }

  /** {@link failure}, which ends the state failed. */
  takeFailure(): number {
    const failure = this.#failure;
    this.#failure = 0;
    return failure;
  }

  /**
   * Takes bytes. True if there is room for more: false from {@link HIGH_WATER_MARK} on, and in state
   * waiting.
   *
   * @throws The error of state failed; `ERR_IOLOOP_BUFFER_FULL`. Nothing is taken then.
   */
  add(bytes: Uint8Array): boolean {
    if (this.#failure !== 0) throw systemError(this.#failure, 'send');
    const { length } = bytes;
    if (length === 0) return !this.isWaiting;
    if (this.unsent + length > MAX_UNSENT) throw bufferFull('send', MAX_UNSENT);
    if (!this.isWaiting && length <= batch().smallPiece && this.#stage(bytes)) {
      return (this.#chain as Chain).bytes < HIGH_WATER_MARK;
    }
    this.#append(bytes);
    return !this.isWaiting;
  }

  /** Offers all bytes to the kernel. True if none is left. */
  flush(): boolean {
    if (this.#chain !== null) batch().flush();
    if (this.isWaiting) this.#send(this.#rest, this.#start, this.#end - this.#start);
    return this.unsent === 0;
  }

  /** Drops all bytes: the descriptor is closed. */
  drop(): void {
    if (this.#chain !== null) batch().cancel(this.#chain);
    this.#chain = null;
    this.#keep(NO_BYTES);
  }

  // `Sender`: the batch calls these while it is flushing, but for `onSendError`.

  onSent(rest: Uint8Array | null, result: number): void {
    this.#chain = null;
    if (rest === null) return;
    this.#keep(rest);
    this.#wait(result);
  }

  onSendFailed(): this {
    this.#chain = null;
    return this;
  }

  onSendError(error: unknown): void {
    // Another one is a fault of this package: the bytes are lost all the same.
    this.#fail(typeof error === 'number' ? error : -EIO);
    if (typeof error !== 'number') throw error;
  }

  /** Copies bytes to the batch. False if that has no room, as its flush has left bytes of this socket. */
  #stage(bytes: Uint8Array): boolean {
    const all = batch();
    if (!all.hasRoom(bytes.length)) all.flush();
    if (this.isWaiting || this.#failure !== 0 || !all.hasRoom(bytes.length)) return false;
    if (this.#chain === null) queueFlush();
    this.#chain = all.write(this, this.#chain, bytes);
    return true;
  }

  /** Bytes that do not go to the batch: sent at once, unless others are before them. */
  #append(bytes: Uint8Array): void {
    if (this.#chain !== null) batch().flush();
    if (this.isWaiting) this.#enqueue(bytes);
    else if (this.#failure === 0) this.#send(bytes, 0, bytes.length);
  }

  /** Sends `length` bytes; keeps those that the kernel does not take. */
  #send(bytes: Uint8Array, start: number, length: number): void {
    const count = length === 0 ? 0 : native.socketSend(this.fd, bytes, start, length);
    if (count < 0 && !isNoRoom(count)) {
      this.#fail(count);
      return;
    }
    const sent = Math.max(count, 0);
    this.#isOutOfMemory = false;
    if (bytes === this.#rest) this.#start += sent;
    else if (sent < length) this.#keep(Uint8Array.prototype.slice.call(bytes, sent));
    if (this.isWaiting) this.#wait(count);
    else this.#keep(NO_BYTES);
  }

  /** Puts bytes behind those that wait. */
  #enqueue(bytes: Uint8Array): void {
    const { length } = bytes;
    if (this.#rest.length - this.#end < length) {
      const waiting = this.#rest.subarray(this.#start, this.#end);
      // Twice as large: appending stays linear in the number of pieces.
      const larger = new Uint8Array(2 * (waiting.length + length));
      larger.set(waiting);
      this.#rest = larger;
      this.#start = 0;
      this.#end = waiting.length;
    }
    this.#rest.set(bytes, this.#end);
    this.#end += length;
  }

  #keep(bytes: Uint8Array): void {
    this.#rest = bytes;
    this.#start = 0;
    this.#end = bytes.length;
  }

  #wait(result: number): void {
    this.#isOutOfMemory = isNoMemory(result);
    this.#file.onOutbox();
  }

  #fail(errno: number): void {
    this.#keep(NO_BYTES);
    this.#failure = errno;
    this.#file.onOutbox();
  }
}

/** Bytes that one socket keeps. */
export const MAX_UNSENT = 1024 * 1024;
/** Bytes of one socket in the batch from which on `add` returns false. */
const HIGH_WATER_MARK = 64 * 1024;
const NO_BYTES = new Uint8Array(0);

/** The batch of this thread; `null` before the first `sendLater()`. */
let shared: SendBatch | null = null;
let isFlushQueued = false;

function batch(): SendBatch {
  return (shared ??= new SendBatch(capacities.sendBytes, capacities.sendRecords, throwLater));
}

/** Before the first piece goes to the batch. */
function queueFlush(): void {
  if (isFlushQueued) return;
  // First the effect, then the state: at the end of the stack either may throw.
  nextTick(flushBatch);
  isFlushQueued = true;
}

function flushBatch(): void {
  isFlushQueued = false;
  batch().flush();
}

function throwLater(error: unknown): void {
  nextTick(() => {
    throw error;
  });
}

const { EIO } = constants.errno;
