/** One stream and what has to be true of it: what was sent, what was read, what was written. */
import assert from 'node:assert/strict';
import { IOLoopError, TimeoutError, UnsatisfiableReadError, type IOStream } from 'ioloop';
import { ENDED, type Read } from './reads.js';
import type { Link } from './link.js';

/** How a read may be given up. */
export interface Limits {
  /** Seconds of the loop's clock. */
  readonly timeout: number | null;
  readonly hasSignal: boolean;
}

interface Waiting {
  readonly read: Read;
  readonly controller: AbortController;
  readonly deadline: number;
  /** Whether the stream has taken it: another read was waiting otherwise. */
  readonly isSecond: boolean;
}

/** Runs steps on a {@link Link} and checks each result when it comes. */
export class Line {
  readonly stream: IOStream;
  readonly #name: string;
  readonly #link: Link;
  readonly #whole: Buffer;
  readonly #now: () => number;
  #sent = 0;
  /** Bytes that results have had. */
  #read = 0;
  #waiting: Waiting | null = null;
  #hasEnded = false;
  /** By the test; a stream that closes itself at EOF keeps what it has. */
  #isClosed = false;
  #written = '';
  #received = '';
  #isWriteEnded = false;
  /** The results, for a look at the end: nothing writes to them any more. */
  readonly #results: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  #failure: unknown = null;

  constructor(name: string, link: Link, whole: Buffer, now: () => number) {
    this.stream = link.input;
    this.#name = name;
    this.#link = link;
    this.#whole = whole;
    this.#now = now;
  }

  get isWaiting(): boolean {
    return this.#waiting !== null;
  }

  /** Whether all was sent, and EOF. */
  get isSent(): boolean {
    return this.#hasEnded;
  }

  /** Whether what waits has what it waits for: turns of the loop are all that it needs. */
  get isDue(): boolean {
    if (this.#waiting === null) return false;
    return this.#hasEnded || this.#waiting.read.lengths(this.#rest()) !== null;
  }

  /** Bytes. */
  get longestResult(): number {
    return Math.max(0, ...this.#results.map(({ bytes }) => bytes.length));
  }

  send(count: number): void {
    const end = Math.min(this.#sent + count, this.#whole.length);
    if (!this.#hasEnded) this.#sent += this.#link.send(this.#whole.subarray(this.#sent, end));
  }

  /** EOF, wherever it comes. */
  end(): void {
    this.#hasEnded = true;
    this.#link.end();
  }

  /** Sends what is left, and EOF after it. */
  sendRest(): void {
    this.send(Infinity);
    if (this.#isClosed || this.#sent === this.#whole.length) this.end();
  }

  read(read: Read, { timeout, hasSignal }: Limits): void {
    const controller = new AbortController();
    const isSecond = this.stream.reading;
    const options = {
      ...(hasSignal ? { signal: controller.signal } : {}),
      ...(timeout === null ? {} : { timeout }),
    };
    const deadline = timeout === null ? Infinity : this.#now() + timeout;
    const waiting = { read, controller, deadline, isSecond };
    if (!isSecond) this.#waiting = waiting;
    read.start(this.stream, options).then(
      (bytes) => this.#check(() => this.#onResult(waiting, bytes)),
      (error: unknown) => this.#check(() => this.#onFailure(waiting, error)),
    );
  }

  abort(): void {
    this.#waiting?.controller.abort();
  }

  write(sizes: readonly number[]): void {
    const stream = this.#link.output;
    if (stream.closed || this.#isWriteEnded) return;
    const from = this.#written.length;
    let length = 0;
    const pieces = sizes.map((size) => {
      const piece = Buffer.from(lettersFrom(from + length, size));
      length += size;
      return piece;
    });
    stream.write(pieces).catch(() => {});
    this.#written += lettersFrom(from, length);
    // What is small was copied.
    for (const piece of pieces) piece.fill('!');
  }

  close(): void {
    this.#isClosed = true;
    this.stream.close();
  }

  receive(): void {
    this.#received += this.#link.receive();
  }

  /** Ends the writing side: what was written arrives. */
  endWriting(): void {
    if (this.#isWriteEnded || this.#link.output.closed) return;
    this.#isWriteEnded = true;
    this.#link.output.shutdownWrite().catch(() => {});
  }

  /** Throws what a result had wrong. */
  rethrow(): void {
    if (this.#failure !== null) throw this.#failure;
  }

  /** Whether everything has come out at both ends. */
  get isComplete(): boolean {
    const isRead = this.#isClosed || this.#read === this.#sent;
    const isWritten = this.#link.output.closed || this.#received.length === this.#written.length;
    return !this.isWaiting && isRead && isWritten;
  }

  /** What the stream still has can be read when it is closed; the results are as they were. */
  finish(): void {
    this.receive();
    assert.ok(this.#written.startsWith(this.#received), `${this.#name}: wrong bytes were sent`);
    if (!this.#link.output.closed) assert.equal(this.#received.length, this.#written.length);
    if (!this.#isClosed) assert.equal(this.#read, this.#sent, `${this.#name}: bytes are lost`);
    for (const { at, bytes } of this.#results) this.#compare(bytes, at, 'later');
    this.#link.close();
  }

  describe(): string {
    const read = this.#waiting?.read ?? 'nothing';
    return `${this.#name}: ${String(read)} waits, ${this.#read} of ${this.#sent} bytes are read, ${this.#received.length} of ${this.#written.length} written ones have come`;
  }

  #rest(): string {
    return this.#whole.toString('latin1', this.#read, this.#sent);
  }

  #check(body: () => void): void {
    try {
      body();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #onResult(waiting: Waiting, bytes: Uint8Array): void {
    const { read, isSecond } = waiting;
    assert.ok(!isSecond, `${String(read)} beside another read`);
    this.#waiting = null;
    this.#compare(bytes, this.#read, String(read));
    const lengths = this.#lengthsOf(read);
    assert.ok(Array.isArray(lengths), `${String(read)} has a result, and not enough was sent`);
    const [least, most] = lengths as readonly [number, number];
    assert.ok(
      bytes.length >= least && bytes.length <= most,
      `${String(read)}: ${bytes.length} bytes`,
    );
    this.#results.push({ at: this.#read, bytes });
    if (read.peeks !== true) this.#read += bytes.length;
  }

  #lengthsOf(read: Read): ReturnType<Read['lengths']> {
    const left = this.#sent - this.#read;
    // A closed stream does not read what the kernel has.
    if (read.untilEnd === true) return this.#hasEnded ? [this.#isClosed ? 0 : left, left] : null;
    return read.lengths(this.#rest());
  }

  #compare(bytes: Uint8Array, at: number, what: string): void {
    const same = this.#whole.subarray(at, at + bytes.length);
    assert.ok(same.equals(bytes), `${this.#name}, ${what}: wrong bytes at ${at}`);
  }

  /** Each failure has a reason that the test has given. */
  #onFailure(waiting: Waiting, error: unknown): void {
    const { read, controller, deadline, isSecond } = waiting;
    const code = error instanceof IOLoopError ? error.code : '';
    if (isSecond) {
      assert.equal(code, 'ERR_IOLOOP_READING', String(error));
      return;
    }
    this.#waiting = null;
    if (error instanceof TimeoutError) {
      assert.ok(this.#now() >= deadline, `${String(read)} timed out early`);
    } else if (error instanceof UnsatisfiableReadError) {
      assert.equal(read.lengths(this.#rest()), 'never', String(error));
    } else if (error === ENDED || code.startsWith('ERR_IOLOOP_STREAM_')) {
      const isNever = this.#hasEnded && !Array.isArray(this.#lengthsOf(read));
      assert.ok(this.#isClosed || isNever, `${String(read)}: ${String(error)}`);
      this.#takePartial((error as { partial?: Buffer }).partial);
    } else {
      assert.ok(error === controller.signal.reason, `${String(read)}: ${String(error)}`);
    }
  }

  #takePartial(bytes: Buffer | undefined): void {
    if (bytes === undefined) return;
    this.#compare(bytes, this.#read, 'partial');
    this.#read += bytes.length;
  }
}

/** What a stream writes: each place has its letter. */
function lettersFrom(offset: number, length: number): string {
  let text = '';
  for (let at = offset; at < offset + length; at += 1) {
    text += String.fromCharCode(0x30 + ((at * 7 + Math.floor(at / 61)) % 61));
  }
  return text;
}
