/**
 * The passages of the core: bytes that go from one socket to another by the turns of a loop, and between
 * them, without JavaScript. Faces `crates/ioloop-napi/src/passages`.
 */
import { native, type NativeHandle } from './native.js';
import type { Capacities } from '../support/capacities.js';
import type { Pipe } from './pipes.js';

/** One passage. While it lasts, the core has the pipe, and the readiness of both sockets for it. */
export class CorePassage {
  /** Bytes that have left the source, and that the sink has taken, by the last {@link report}. */
  taken = 0;
  sent = 0;
  readonly #loop: NativeHandle;
  readonly #number: number;
  readonly #pipe: Pipe;

  private constructor(loop: NativeHandle, number: number, pipe: Pipe) {
    this.#loop = loop;
    this.#number = number;
    this.#pipe = pipe;
  }

  /**
   * Begins one between two registrations. If the pipe has bytes, the sink is full. If it is empty and the
   * source is readable, the next turn goes on. All passages share the budget of a turn. `null` if the core
   * refuses.
   */
  static begin(
    loop: NativeHandle,
    [source, sink]: readonly [source: number, sink: number],
    pipe: Pipe,
    isReadable: boolean,
    { spliceBudget, spliceShare }: Capacities,
  ): CorePassage | null {
    const { ends, held } = pipe;
    const number = native.passageBegin(
      loop,
      source,
      sink,
      ends,
      held,
      isReadable ? 1 : 0,
      spliceBudget,
      spliceShare,
    );
    return number < 0 ? null : new CorePassage(loop, number, pipe);
  }

  /** What has passed since the last report. */
  report(): void {
    this.#report(false);
  }

  /** Ends it, with a last report. The pipe is the caller's again. */
  end(): void {
    if (this.#report(true)) {
      this.#pipe.takeBack(words[2] as number, words[3] as number, words[4] as number);
    } else {
      // The core is closed, and with it both sockets: what the pipe has is lost with it.
      this.#pipe.takeBack(1, 0, 0);
    }
  }

  #report(isEnd: boolean): boolean {
    const result = native.passageReport(this.#loop, this.#number, isEnd ? 1 : 0, words);
    this.taken = result < 0 ? 0 : (words[0] as number);
    this.sent = result < 0 ? 0 : (words[1] as number);
    return result >= 0;
  }
}

/** The result of a report. */
const words = new Float64Array(5);
