/** The open connections of a server. */
import { Deferred } from '../support/deferred.js';
import type { IOStream } from '../streams/iostream.js';
import type { Watcher } from '../streams/ownership.js';
import { coreOf } from '../streams/stream.js';

/**
 * Counts connections from accept to close. `startTls()` replaces the stream of a connection, which
 * remains one connection.
 */
export class Connections implements Watcher<IOStream> {
  readonly #streams = new Set<IOStream>();
  readonly #onFewer: (stream: IOStream) => void;
  #drained: Deferred | null = null;

  /** `onFewer` is called after each close, with the stream. */
  constructor(onFewer: (stream: IOStream) => void) {
    this.#onFewer = onFewer;
  }

  get size(): number {
    return this.#streams.size;
  }

  add(stream: IOStream): void {
    this.#streams.add(stream);
    coreOf(stream).watch(this, stream);
  }

  /** Resolves when all connections are closed. */
  drained(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    this.#drained ??= new Deferred();
    return this.#drained.promise;
  }

  /** Closes all connections at once. */
  close(): void {
    for (const stream of this.#streams) stream.close();
  }

  /** Closes each connection after its bytes are sent, or after `timeout` seconds. */
  async end(timeout: number): Promise<void> {
    await Promise.allSettled(Array.from(this.#streams, (stream) => stream.end({ timeout })));
  }

  onClosed(stream: IOStream): void {
    this.#streams.delete(stream);
    this.#onFewer(stream);
    if (this.size > 0) return;
    this.#drained?.resolve();
    this.#drained = null;
  }

  onReplaced(stream: IOStream, next: unknown): void {
    this.#streams.delete(stream);
    this.#streams.add(next as IOStream);
  }
}
