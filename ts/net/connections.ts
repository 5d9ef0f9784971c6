/** The open connections of a server. */
import { limited } from '../loop/wait.js';
import { Deferred } from '../support/deferred.js';
import { IOStream } from '../streams/iostream.js';
import type { Watcher } from '../streams/ownership.js';
import type { Connection } from '../streams/protocols/connection.js';
import { coreOf } from '../streams/stream.js';

/** A connection of a server. */
export type Served = IOStream | Connection<unknown>;

/**
 * Counts connections from accept to close. `startTls()` replaces the stream of a connection, which
 * remains one connection.
 */
export class Connections implements Watcher<Served> {
  readonly #open = new Set<Served>();
  readonly #onFewer: (connection: Served) => void;
  #drained: Deferred | null = null;

  /** `onFewer` is called after each close, with the connection. */
  constructor(onFewer: (connection: Served) => void) {
    this.#onFewer = onFewer;
  }

  get size(): number {
    return this.#open.size;
  }

  add(connection: Served): void {
    this.#open.add(connection);
    if (connection instanceof IOStream) coreOf(connection).watch(this, connection);
    else connection.watch(this as Watcher<unknown>);
  }

  /** Resolves when all connections are closed. */
  drained(): Promise<void> {
    if (this.size === 0) return Promise.resolve();
    this.#drained ??= new Deferred();
    return this.#drained.promise;
  }

  /** Closes all connections at once. */
  close(): void {
    for (const connection of this.#open) connection.close();
  }

  /** Closes each connection after its bytes are sent, or after `timeout` seconds. */
  async end(timeout: number): Promise<void> {
    const ends: Promise<void>[] = [];
    const pushed: Connection<unknown>[] = [];
    for (const connection of this.#open) {
      if (connection instanceof IOStream) ends.push(connection.end({ timeout }));
      else pushed.push(connection);
    }
    if (pushed.length > 0) ends.push(this.#endAll(pushed, timeout));
    await Promise.allSettled(ends);
  }

  async #endAll(connections: readonly Connection<unknown>[], timeout: number): Promise<void> {
    const [{ loop }] = connections as [Connection<unknown>];
    for (const connection of connections) connection.end();
    try {
      await limited(loop, { timeout }, 'end', () => this.drained());
    } finally {
      for (const connection of connections) connection.close();
    }
  }

  onClosed(connection: Served): void {
    this.#open.delete(connection);
    this.#onFewer(connection);
    if (this.size > 0) return;
    this.#drained?.resolve();
    this.#drained = null;
  }

  onReplaced(connection: Served, next: unknown): void {
    this.#open.delete(connection);
    this.#open.add(next as Served);
  }
}
