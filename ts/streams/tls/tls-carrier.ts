/** The stream below TLS as a `Duplex`, which `node:tls` encrypts onto. EOF and errors stay apart. */
import { Duplex } from 'node:stream';
import type { Socket } from '../../sockets/socket.js';
import { StreamClosedError } from '../../support/errors.js';
import { readBytes } from '../reads.js';
import type { Watcher } from '../ownership.js';
import type { Stream } from '../stream.js';

/** The two ends of the connection below, which are one for `node:tls`. */
export interface CarrierOwner {
  /** EOF, after TLS was given every byte before it, and before TLS is given EOF itself. */
  onCarrierEnd(): void;
  /** The connection has failed. TLS was given every byte that arrived before. */
  onCarrierError(error: Error): void;
  /** Encrypted bytes have left that were not sent at once. */
  onCarrierProgress?(): void;
}

/** Reports errors of the stream below to its owner, and never emits `'error'`. */
export class TlsCarrier extends Duplex {
  owner: CarrierOwner | null = null;
  readonly #below: Stream;

  /** `unread` are bytes that arrived before TLS was started, the first of the handshake. */
  constructor(below: Stream, unread: Buffer) {
    super({ allowHalfOpen: true, autoDestroy: false });
    this.#below = below;
    // Before the listener of TLS, which is added later.
    this.on('end', () => this.owner?.onCarrierEnd());
    // A write that fails closes the stream below, which reports it.
    this.on('error', () => {});
    if (unread.length > 0) this.push(unread);
    below.watch(BELOW, this);
  }

  /** The socket of the connection. */
  get socket(): Socket | null {
    return this.#below.transport.socket;
  }

  /** Offers all unsent bytes to the kernel. */
  flush(): void {
    this.#below.flush();
  }

  override _read(): void {
    const { reader } = this.#below;
    if (reader.reading) return;
    reader.read(readBytes(CHUNK, true)).then(
      (chunk) => {
        this.push(chunk);
      },
      (error: unknown) => {
        if (reader.ended && this.#below.error === null) this.push(null);
        // After `close_notify` of both sides `node:tls` destroys it: the read is not needed.
        else if (!this.destroyed) this.owner?.onCarrierError(realErrorOf(error));
      },
    );
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    settle(this.#below.writer.write(chunk), done);
  }

  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    settle(this.#below.writer.write(chunks.map(({ chunk }) => chunk)), done);
  }

  override _final(done: (error?: Error | null) => void): void {
    if (this.#below.closed) done();
    else settle(this.#below.writer.shutdown(), done);
  }

  override _destroy(_error: Error | null, done: (error?: Error | null) => void): void {
    this.#below.flush();
    this.#below.close(null);
    done();
  }

  /** The stream below is closed. */
  onBelowClosed(): void {
    const below = this.#below;
    if (below.error === null || this.owner === null || this.destroyed) return;
    const unread = below.reader.takeUnread();
    if (unread.length > 0) this.push(unread);
    // read() emits 'data' at once, also while TLS has paused the stream.
    while (this.read() !== null);
    this.owner.onCarrierError(below.error);
  }
}

const BELOW: Watcher<TlsCarrier> = {
  onClosed(carrier) {
    carrier.onBelowClosed();
  },
  onProgress(carrier) {
    carrier.owner?.onCarrierProgress?.();
  },
};

const CHUNK = 64 * 1024;

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
