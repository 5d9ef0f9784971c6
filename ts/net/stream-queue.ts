/** The streams that a server has accepted and its iterator has not taken. */
import type { IOLoop } from '../loop/ioloop.js';
import { Deferred } from '../support/deferred.js';
import type { IOStream } from '../streams/iostream.js';
import { limited, type WaitOptions } from '../loop/wait.js';

/** First in, first out, for one taker at a time. */
export class StreamQueue {
  readonly #loop: IOLoop;
  readonly #streams: IOStream[] = [];
  #taker: Deferred<IOStream | null> | null = null;
  #closed = false;

  constructor(loop: IOLoop) {
    this.#loop = loop;
  }

  get length(): number {
    return this.#streams.length;
  }

  /** Hands a stream to the taker that waits, or keeps it for the next; once closed, closes it. */
  offer(stream: IOStream): void {
    if (this.#closed) {
      stream.close();
      return;
    }
    if (this.#taker === null) this.#streams.push(stream);
    else this.#taker.resolve(stream);
    this.#taker = null;
  }

  /**
   * The next stream; `null` once closed.
   *
   * @throws `TimeoutError`, or the reason of the signal.
   */
  async take(options: WaitOptions | undefined): Promise<IOStream | null> {
    const stream = this.#streams.shift();
    if (stream !== undefined) return stream;
    if (this.#closed) return null;
    const taker = new Deferred<IOStream | null>();
    try {
      return await limited(this.#loop, options, 'streams', () => {
        this.#taker = taker;
        return taker.promise;
      });
    } catch (error) {
      // A stream that was offered in the same tick is for the iteration, which is over.
      void taker.promise.then((late) => late?.close());
      throw error;
    }
  }

  /** Closes the streams that were not taken, and ends the taker's wait. */
  close(): void {
    this.#closed = true;
    for (const stream of this.#streams.splice(0)) stream.close();
    this.#taker?.resolve(null);
    this.#taker = null;
  }
}
