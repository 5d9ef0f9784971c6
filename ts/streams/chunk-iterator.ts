/** `for await (const chunk of stream)`: one promise for each chunk. */
import type { ReadBuffer } from './read-buffer.js';
import type { Reader } from './reader.js';
import type { Read } from './reads.js';

/** The stream of an iteration. */
interface Iterated {
  readonly reader: Reader;
  /** The error that has closed the stream. */
  readonly error: Error | null;
  readonly limits: { readonly readChunkSize: number };
}

type Result = IteratorResult<Buffer, undefined>;

/**
 * An async generator of chunks, which is its own read: a generator function would cost three promises
 * for each chunk. As in one, calls of `next()` wait for each other.
 *
 * | State   | Next |
 * | ------- | ---- |
 * | idle    | reading: `next()`; done: `return()`, `throw()` |
 * | reading | idle: a chunk; done: EOF. After a failure the next call finds that nothing reads: done |
 * | done    | none |
 */
const enum State {
  Idle,
  Reading,
  Done,
}

/** The iteration over a stream, without limits. */
export class ChunkIterator implements Read<Result>, AsyncGenerator<Buffer, undefined, undefined> {
  readonly #stream: Iterated;
  #state = State.Idle;
  /** The result of the last call. */
  #last: Promise<unknown> | null = null;
  /** Calls that wait for the one before. */
  #waiting = 0;

  constructor(stream: Iterated) {
    this.#stream = stream;
  }

  // Getters: an iterator waits for each connection, and a field of it is 8 bytes.

  get name(): string {
    return 'readBytes';
  }

  get target(): null {
    return null;
  }

  get keepsPartial(): boolean {
    return false;
  }

  get sparesStream(): boolean {
    return false;
  }

  next(): Promise<Result> {
    if (this.#state !== State.Idle || this.#waiting > 0) return this.#queue(() => this.#read());
    const result = this.#read();
    this.#last = result;
    return result;
  }

  /** Ends the iteration. The stream stays open, and loses no bytes. */
  return(value?: PromiseLike<undefined> | undefined): Promise<Result> {
    return this.#queue(async () => {
      this.#state = State.Done;
      return { done: true, value: await value };
    });
  }

  throw(error: unknown): Promise<Result> {
    return this.#queue(() => {
      this.#state = State.Done;
      return Promise.reject(error as Error);
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  take(buffer: ReadBuffer, ended: boolean): Result | undefined {
    const { length } = buffer;
    if (length > 0) {
      this.#state = State.Idle;
      return {
        done: false,
        value: buffer.take(Math.min(length, this.#stream.limits.readChunkSize)),
      };
    }
    if (!ended || this.#stream.error !== null) return undefined;
    this.#state = State.Done;
    return { done: true, value: undefined };
  }

  #read(): Promise<Result> {
    if (this.#state === State.Idle) {
      this.#state = State.Reading;
      return this.#stream.reader.read(this);
    }
    // Reading, and nothing reads: it has failed.
    this.#state = State.Done;
    return Promise.resolve<Result>({ done: true, value: undefined });
  }

  /** Makes a call when the one before has its result. */
  #queue(call: () => Promise<Result>): Promise<Result> {
    const isReading = this.#state === State.Reading && this.#stream.reader.serves(this);
    const last = this.#last;
    if (last === null || (!isReading && this.#waiting === 0)) return call();
    this.#waiting += 1;
    const run = (): Promise<Result> => {
      this.#waiting -= 1;
      return call();
    };
    const result = last.then(run, run);
    this.#last = result;
    return result;
  }
}
