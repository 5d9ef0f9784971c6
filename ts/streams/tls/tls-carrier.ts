/** What `node:tls` encrypts onto: a plain stream as a `Duplex`, which keeps EOF and errors apart. */
import { Duplex } from 'node:stream';
import { StreamClosedError } from '../../support/errors.js';
import { coreOf, type IOStream } from '../iostream.js';
import type { Watcher } from '../stream.js';

/** How the connection below has ended, which `node:tls` has no events for. */
export interface CarrierOwner {
  /** EOF, after TLS has had every byte before it, and before TLS gets EOF itself. */
  onCarrierEnd(): void;
  /** The connection has broken. TLS has had every byte that arrived before. */
  onCarrierError(error: Error): void;
}

/** A plain stream below TLS. Its failures go to its owner, never to an `'error'` event. */
export class TlsCarrier extends Duplex {
  owner: CarrierOwner | null = null;
  readonly #below: IOStream;

  /** `unread` are bytes that arrived before TLS was started: its beginning. */
  constructor(below: IOStream, unread: Buffer) {
    super({ allowHalfOpen: true, autoDestroy: false });
    this.#below = below;
    // The first listener: the one of TLS comes later.
    this.on('end', () => this.owner?.onCarrierEnd());
    // A write that fails has closed the stream below, which is reported from there.
    this.on('error', () => {});
    if (unread.length > 0) this.push(unread);
    coreOf(below).watch(CLOSING, this);
  }

  /** Offers the kernel what was written. */
  flush(): void {
    coreOf(this.#below).writer.flush();
  }

  override _read(): void {
    if (this.#below.reading) return;
    this.#below.readBytes(CHUNK, PARTIAL).then(
      (chunk) => {
        this.push(chunk);
      },
      (error: unknown) => {
        const { ended, error: reason } = this.#below;
        if (ended && reason === null) this.push(null);
        else this.owner?.onCarrierError(realErrorOf(error));
      },
    );
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    settle(this.#below.write(chunk), done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    settle(this.#below.write(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#below.closed) done();
    else settle(this.#below.shutdownWrite(), done);
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.#below.close();
    done();
  }

  /** The stream below is closed. */
  onBelowClosed(): void {
    const below = this.#below;
    if (below.error === null || this.owner === null || this.destroyed) return;
    const unread = coreOf(below).reader.takeUnread();
    if (unread.length > 0) this.push(unread);
    // Reading emits 'data' at once, even to a listener that has paused the stream.
    while (this.read() !== null);
    this.owner.onCarrierError(below.error);
  }
}

const CLOSING: Watcher<TlsCarrier> = {
  onClosed(carrier) {
    carrier.onBelowClosed();
  },
};

const CHUNK = 64 * 1024;
const PARTIAL = { partial: true };

function settle(promise: Promise<void>, done: (error?: Error | null) => void): void {
  promise.then(
    () => {
      done();
    },
    (error: unknown) => {
      done(realErrorOf(error));
    },
  );
}

function realErrorOf(error: unknown): Error {
  const real = error instanceof StreamClosedError ? error.realError : null;
  return real ?? (error as Error);
}
