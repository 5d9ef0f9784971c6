/** The bytes of an `IOStreamDuplex`: from its stream to its readable side, and from its writes. */
import type { Duplex } from 'node:stream';
import { nextTick, setImmediate } from '../../support/host.js';
import type { IOStream } from '../iostream.js';
import { guard, reasonOf, type WriteCallback } from './duplex-endings.js';
import type { IdleTimer } from './idle-timer.js';

/** One read and one write of the stream at a time, as `Duplex` asks for them. */
export class DuplexFlow {
  /** Restarts with each chunk; `null` without an idle timeout. */
  timer: IdleTimer | null = null;
  readonly #duplex: Duplex & { bytesRead: number };
  readonly #stream: IOStream;
  /** The most bytes of one read. */
  readonly #chunkSize: number;
  /** Bytes given to the stream, and those of them whose callback was not called yet. */
  #dispatched = 0;
  #inFlight = 0;

  /** `maxBufferSize` is that of the stream. */
  constructor(duplex: Duplex & { bytesRead: number }, stream: IOStream, maxBufferSize: number) {
    this.#duplex = duplex;
    this.#stream = stream;
    this.#chunkSize = Math.min(CHUNK, maxBufferSize);
  }

  get bytesWritten(): number {
    return this.#dispatched + this.#duplex.writableLength - this.#inFlight;
  }

  /** Reads a chunk, for `_read()`. */
  readonly receive = (): void => {
    if (this.#stream.reading) return;
    this.#stream.readBytes(this.#chunkSize, PARTIAL).then(this.#onChunk, this.#onReadFailure);
  };

  /** Writes `length` bytes, for `_write()` and `_writev()`. */
  send(data: Buffer | Buffer[], length: number, done: WriteCallback): void {
    this.noteActivity();
    this.#dispatched += length;
    this.#inFlight = length;
    this.#stream.write(data).then(
      () => this.#afterCork(done),
      (error: Error) => this.#fail(done, error),
    );
  }

  /** Ends the writing side, for `_final()`. */
  end(done: WriteCallback): void {
    // The peer may have closed first, with both sides.
    if (this.#stream.closed) done();
    else {
      this.#stream.shutdownWrite().then(
        () => guard(done),
        (error: Error) => this.#fail(done, error),
      );
    }
  }

  noteActivity(): void {
    this.timer?.restart();
  }

  readonly #onChunk = (chunk: Buffer): void => {
    const duplex = this.#duplex;
    this.noteActivity();
    duplex.bytesRead += chunk.length;
    guard(() => duplex.push(chunk));
  };

  readonly #onReadFailure = (error: Error): void => {
    const duplex = this.#duplex;
    const { error: closedBy, ended } = this.#stream;
    guard(() => {
      if (!ended || closedBy !== null) duplex.destroy(reasonOf(error) ?? undefined);
      else {
        duplex.push(null);
        // Emits 'end' although nothing reads.
        duplex.read(0);
      }
    });
  };

  /**
   * Calls `done` when no tick is queued that uncorks. `node:http` corks in `write()` and uncorks in
   * the next tick; if a write has ended by then, Node 26 waits for a `'drain'` that does not come. A
   * `net.Socket` never ends a write there: libuv calls back when no tick is left.
   */
  #afterCork(done: WriteCallback): void {
    if (this.#duplex.writableCorked === 0) this.#written(done);
    // The tick that uncorks was queued before. A cork that outlasts it does not wait for a tick.
    else nextTick(this.#afterTick, done);
  }

  readonly #afterTick = (done: WriteCallback): void => {
    if (this.#duplex.writableCorked === 0) this.#written(done);
    else setImmediate(() => this.#written(done));
  };

  #written(done: WriteCallback): void {
    this.noteActivity();
    this.#inFlight = 0;
    guard(done);
  }

  #fail(done: WriteCallback, error: Error): void {
    const reason = reasonOf(error);
    // Closed by the program: as destroy() without an error.
    if (reason === null) this.#duplex.destroy();
    guard(done, reason ?? error);
  }
}

const CHUNK = 64 * 1024;
const PARTIAL = { partial: true };
