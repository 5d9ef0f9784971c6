/** A stream of the loop as Node's own streams know one. */
import { Duplex } from 'node:stream';
import type { Address } from '../address.js';
import { invalidArgType, StreamClosedError } from '../errors.js';
import type { IOStream } from './iostream.js';

/**
 * A `Duplex` over an {@link IOStream}, with what servers expect of a connection: addresses,
 * `setTimeout`, `setNoDelay`, `setKeepAlive`. Backpressure, half-close and `destroy()` go through.
 */
export class IOStreamDuplex extends Duplex {
  readonly #stream: IOStream;
  /** The peer's address stays known after the close, as it does on `net.Socket`. */
  readonly #remote: Address | null;
  readonly #local: Address | null;
  #timer: NodeJS.Timeout | null = null;
  /** Milliseconds of silence before `'timeout'`; 0 for never. */
  timeout = 0;

  /** @internal */
  constructor(stream: IOStream) {
    super({ allowHalfOpen: true, autoDestroy: true, emitClose: true, decodeStrings: true });
    this.#stream = stream;
    this.#remote = stream.closed ? null : (stream.socket?.remoteAddress ?? null);
    this.#local = stream.closed ? null : (stream.socket?.localAddress ?? null);
  }

  /** The stream below. Do not read or write it beside this one. */
  get stream(): IOStream {
    return this.#stream;
  }

  get remoteAddress(): string | undefined {
    return hostOf(this.#remote);
  }

  get remotePort(): number | undefined {
    return portOf(this.#remote);
  }

  get remoteFamily(): string | undefined {
    return familyOf(this.#remote);
  }

  get localAddress(): string | undefined {
    return hostOf(this.#local);
  }

  get localPort(): number | undefined {
    return portOf(this.#local);
  }

  get localFamily(): string | undefined {
    return familyOf(this.#local);
  }

  /** As of `net.Socket`: `'timeout'` after so many milliseconds of silence; 0 turns it off. */
  setTimeout(milliseconds: number, callback?: () => void): this {
    if (typeof milliseconds !== 'number') throw invalidArgType('msecs', milliseconds, 'a number');
    this.timeout = milliseconds;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (milliseconds > 0 && !this.destroyed) {
      this.#timer = setTimeout(() => this.emit('timeout'), milliseconds).unref();
    }
    if (callback === undefined) return this;
    if (milliseconds > 0) this.once('timeout', callback);
    else this.removeListener('timeout', callback);
    return this;
  }

  setNoDelay(value = true): this {
    this.#stream.setNodelay(value);
    return this;
  }

  setKeepAlive(value = false, initialDelay = 0): this {
    const seconds = Math.floor(initialDelay / 1e3);
    this.#stream.setKeepalive(value, seconds > 0 ? seconds : undefined);
    return this;
  }

  /** The loop keeps the process alive, not its streams: does nothing. */
  ref(): this {
    return this;
  }

  /** The loop keeps the process alive, not its streams: does nothing. */
  unref(): this {
    return this;
  }

  override _read(size: number): void {
    if (this.#stream.reading) return;
    this.#stream.readBytes(Math.max(size, CHUNK), PARTIAL).then(this.#onChunk, this.#onReadFailure);
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#noteActivity();
    this.#stream.write(chunk).then(() => {
      done();
    }, this.#failing(done));
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: string }[],
    done: (error?: Error | null) => void,
  ): void {
    this.#noteActivity();
    const list = chunks.map(({ chunk }) => chunk);
    this.#stream.write(list).then(() => {
      done();
    }, this.#failing(done));
  }

  override _final(done: (error?: Error | null) => void): void {
    // The peer may have closed first: nothing is left to end.
    if (this.#stream.closed) done();
    else {
      this.#stream.shutdownWrite().then(() => {
        done();
      }, this.#failing(done));
    }
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#stream.close(error);
    done(error);
  }

  readonly #onChunk = (chunk: Buffer): void => {
    this.#noteActivity();
    this.push(chunk);
  };

  readonly #onReadFailure = (error: Error): void => {
    const { error: reason, ended } = this.#stream;
    if (ended && reason === null) this.push(null);
    else this.destroy(realErrorOf(error));
  };

  #failing(done: (error?: Error | null) => void): (error: Error) => void {
    return (error) => {
      done(realErrorOf(error));
    };
  }

  #noteActivity(): void {
    this.#timer?.refresh();
  }
}

const CHUNK = 64 * 1024;
const PARTIAL = { partial: true };

/** `ECONNRESET` and its like, which users of Node's streams look for. */
function realErrorOf(error: Error): Error {
  return error instanceof StreamClosedError ? (error.realError ?? error) : error;
}

function hostOf(address: Address | null): string | undefined {
  return address !== null && 'host' in address ? address.host : undefined;
}

function portOf(address: Address | null): number | undefined {
  return address !== null && 'port' in address ? address.port : undefined;
}

function familyOf(address: Address | null): string | undefined {
  const host = hostOf(address);
  if (host === undefined) return undefined;
  return host.includes(':') ? 'IPv6' : 'IPv4';
}
