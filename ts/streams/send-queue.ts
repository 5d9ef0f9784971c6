/** The bytes of one stream that the kernel has no room for. */
import { bufferDetached } from '../support/errors.js';
import { native } from '../boundary/native.js';
import type { Pipe } from '../boundary/pipes.js';
import type { Deferred } from '../support/deferred.js';
import { Fifo } from '../support/fifo.js';

/**
 * The cost in bytes of each small write that waits, for `maxWriteBufferSize`, beside its data: about
 * the memory of its promise and of the reactions to it.
 */
export const SMALL_WRITE_COST = 128;

const { MODE_FILE, SEND_ALL_BUFFERS } = native;

/** Consecutive bytes: a chunk of the queue, with room at its end, the caller's memory, or a pipe. */
interface Piece {
  bytes: Uint8Array;
  /** Bytes in use. The caller's memory may have become shorter since. */
  length: number;
  readonly isChunk: boolean;
  /** The bytes are in a pipe, and {@link bytes} is empty. */
  readonly pipe: Pipe | null;
}

/** Writes that share a promise, which resolves when everything before `end` is sent. */
export interface Mark {
  /** A position in the stream of bytes. */
  end: number;
  /** The number of small writes, for {@link SMALL_WRITE_COST}. */
  writes: number;
  /** `null` until a program wants it. */
  done: Deferred | null;
}

/**
 * Pieces in their order, and the promises of their writes. Small pieces are copied to shared chunks,
 * and the small writes of one tick share a promise: 10^6 writes of one byte take about 1 MB.
 *
 * Sending ({@link send}, {@link advance}) and resolving ({@link settle}) are separate steps, because
 * each may be more work than fits into a turn. Positions count the bytes since the queue was made.
 */
export class SendQueue {
  /** Bytes that the last {@link send} offered to the kernel. */
  offered = 0;
  readonly #pieces = new Fifo<Piece>();
  readonly #marks = new Fifo<Mark>();
  /** Bytes of the first piece that are sent. */
  #offset = 0;
  /** The positions up to which bytes are sent, and were written. */
  #sent = 0;
  #end = 0;
  #writes = 0;
  /** The next small write shares the last mark. */
  #shared = false;

  /** Bytes that are not sent. */
  get bytes(): number {
    return this.#end - this.#sent;
  }

  /** The cost of the small writes, beside their bytes. The first one is free. */
  get cost(): number {
    return SMALL_WRITE_COST * Math.max(0, this.#writes - 1);
  }

  /** Everything is sent, and every promise is settled. */
  get isEmpty(): boolean {
    return this.#marks.length === 0;
  }

  /** Copies a small piece. */
  copy(bytes: Uint8Array): void {
    const { length } = bytes;
    if (length === 0) return;
    let last = this.#pieces.last();
    if (last === undefined || !last.isChunk || last.bytes.length - last.length < length) {
      // Grows with the queue: at most half of the memory is unused.
      const room = Math.max(length, Math.min(LARGEST_CHUNK, Math.max(SMALLEST_CHUNK, this.bytes)));
      last = { bytes: Buffer.allocUnsafeSlow(room), length: 0, isChunk: true, pipe: null };
      this.#pieces.push(last);
    }
    last.bytes.set(bytes, last.length);
    last.length += length;
    this.#end += length;
  }

  /** Adds a large piece, which is sent from the caller's memory. */
  refer(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#pieces.push({ bytes, length: bytes.length, isChunk: false, pipe: null });
    this.#end += bytes.length;
  }

  /** Copies what is unsent of the pieces for which `isLent` is true: their memory is used again. */
  keep(isLent: (bytes: Uint8Array) => boolean): void {
    for (let at = 0; at < this.#pieces.length; at += 1) {
      const piece = this.#pieces.at(at) as Piece;
      if (!isLent(piece.bytes)) continue;
      const sent = at === 0 ? this.#offset : 0;
      piece.bytes = Buffer.from(piece.bytes.subarray(sent, piece.length));
      piece.length -= sent;
      if (at === 0) this.#offset = 0;
    }
  }

  /** Adds the bytes of a pipe, which is released when they are sent, or dropped. */
  move(pipe: Pipe): void {
    this.#pieces.push({ bytes: NOTHING, length: pipe.held, isChunk: false, pipe });
    this.#end += pipe.held;
  }

  /** Puts a piece in front, whose write came before everything in the queue. */
  prepend(bytes: Uint8Array, done: Deferred | null): void {
    this.#pieces.unshift({ bytes, length: bytes.length, isChunk: false, pipe: null });
    this.#marks.unshift({ end: this.#sent, writes: 1, done });
    this.#sent -= bytes.length;
    this.#writes += 1;
  }

  /**
   * Marks the end of the write whose pieces were just added. Small writes share a mark until
   * {@link endTick}: its promise resolves with the last of them.
   */
  mark(isSmall: boolean): Mark {
    let last = this.#marks.last();
    const isShared =
      last !== undefined &&
      (last.end === this.#end || (isSmall && this.#shared && last.writes < MOST_SHARING));
    if (last === undefined || !isShared) {
      last = { end: this.#end, writes: 0, done: null };
      this.#marks.push(last);
      this.#shared = isSmall;
    }
    last.end = this.#end;
    if (isSmall) {
      last.writes += 1;
      this.#writes += 1;
    }
    return last;
  }

  /** The error of the socket, a negative errno that the next {@link send} reports; 0 without one. */
  get failure(): number {
    return this.#pieces.at(0)?.pipe?.sinkFailure ?? 0;
  }

  /** Later writes get another promise. */
  endTick(): void {
    this.#shared = false;
  }

  /**
   * Offers the next bytes to the kernel, at most `most`: {@link offered}. Returns the number of bytes
   * that it took, for {@link advance}, or a negative errno.
   *
   * @throws `ERR_IOLOOP_BUFFER_DETACHED` when the caller's memory has become shorter.
   */
  send(fd: number, mode: number, most: number): number {
    const offset = this.#offset;
    const first = this.#pieces.at(0) as Piece;
    if (!isWhole(first)) throw bufferDetached('write', 0);
    const { bytes, length, pipe } = first;
    const size = Math.min(length - offset, most);
    if (pipe === null && size < most && this.#pieces.length > 1)
      return this.#sendSeveral(fd, mode, most);
    this.offered = size;
    if (pipe !== null) return pipe.drain(fd, size);
    const send = (mode & MODE_FILE) === 0 ? native.socketSend : native.fdWrite;
    return send(fd, bytes, offset, size);
  }

  #sendSeveral(fd: number, mode: number, most: number): number {
    const parts: Uint8Array[] = [];
    let offset = this.#offset;
    let left = most;
    const count = Math.min(this.#pieces.length, SEND_ALL_BUFFERS);
    for (let at = 0; at < count && left > 0; at += 1) {
      const piece = this.#pieces.at(at) as Piece;
      // The pieces before it are sent.
      if (!isWhole(piece) || piece.pipe !== null) break;
      const { bytes, length } = piece;
      const part = bytes.subarray(offset, Math.min(length, offset + left));
      parts.push(part);
      left -= part.length;
      offset = 0;
    }
    this.offered = most - left;
    return native.sendAll(fd, mode, parts);
  }

  /** The kernel has taken the first `count` bytes. */
  advance(count: number): void {
    this.#sent += count;
    this.#offset += count;
    for (;;) {
      const first = this.#pieces.at(0);
      if (first === undefined || this.#offset < first.length) return;
      this.#offset -= first.length;
      this.#pieces.shift();
      first.pipe?.release();
    }
  }

  /** Resolves about `most` writes that are sent. Returns false if there are more of them. */
  settle(most: number): boolean {
    let left = most;
    for (;;) {
      const first = this.#marks.at(0);
      if (first === undefined || first.end > this.#sent) return true;
      if (left <= 0) return false;
      this.#marks.shift();
      this.#writes -= first.writes;
      left -= Math.max(1, first.writes);
      first.done?.resolve();
    }
  }

  /** Drops the unsent bytes. Returns the promises to reject; writes that are sent resolve. */
  abandon(): Deferred[] {
    this.settle(Infinity);
    const waiting: Deferred[] = [];
    for (let at = 0; at < this.#marks.length; at += 1) {
      const { done } = this.#marks.at(at) as Mark;
      if (done !== null) waiting.push(done);
    }
    for (let at = 0; at < this.#pieces.length; at += 1) this.#pieces.at(at)?.pipe?.release();
    this.#marks.clear();
    this.#pieces.clear();
    this.#sent = this.#end;
    this.#offset = this.#writes = 0;
    return waiting;
  }
}

/** False for a view whose buffer was detached or has shrunk. */
function isWhole({ bytes, length, pipe }: Piece): boolean {
  return pipe !== null || bytes.length >= length;
}

const NOTHING = Buffer.alloc(0);

const SMALLEST_CHUNK = 256;
const LARGEST_CHUNK = 16 * 1024;

/** Most small writes that share a promise: its reactions run in one go. */
const MOST_SHARING = 1024;
