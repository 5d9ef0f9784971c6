/** Streams that a server has accepted and its iterator has not taken. */
import { Deferred } from '../support/deferred.js';
import type { IOLoop } from '../loop/ioloop.js';
import { limited, type WaitOptions } from '../loop/wait.js';
import type { IOStream } from '../streams/iostream.js';

/** First in, first out, for one taker at a time. */
export class StreamQueue {
  readonly #loop: IOLoop;
  readonly #streams: IOStream[] = [];
  #taker: Deferred<IOStream | null> | null = null;
  #ended = false;

  constructor(loop: IOLoop) {
    this.#loop = loop;
  }

  get length(): number {
    return this.#streams.length;
  }

  /** Resolves the waiting take with a stream, or queues it. If the queue has ended, closes it. */
  offer(stream: IOStream): void {
    if (this.#ended) {
      stream.close();
      return;
    }
    if (this.#taker === null) this.#streams.push(stream);
    else this.#taker.resolve(stream);
    this.#taker = null;
  }

  /**
   * The next stream; `null` after the last one of a queue that has ended.
   *
   * @throws `TimeoutError`, or the reason of the signal.
   */
  async take(options: WaitOptions | undefined): Promise<IOStream | null> {
    const stream = this.#streams.shift();
    if (stream !== undefined) return stream;
    if (this.#ended) return null;
    const taker = new Deferred<IOStream | null>();
    try {
      return await limited(this.#loop, options, 'streams', () => {
        this.#taker = taker;
        return taker.promise;
      });
    } catch (error) {
      // A stream may have been offered in the same tick. The iteration is over.
      void taker.promise.then((late) => late?.close());
      throw error;
    }
  }

  /** Takes no more streams. Those that are queued can be taken. */
  end(): void {
    this.#ended = true;
    // A take waits only while nothing is queued.
    this.#taker?.resolve(null);
    this.#taker = null;
  }

  /** Ends, and closes the queued streams. */
  close(): void {
    this.end();
    for (const stream of this.#streams.splice(0)) stream.close();
  }
}
