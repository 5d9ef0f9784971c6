/** The header of the PROXY protocol of a server's connections: read, believed, or refused. */
import { guardOf } from '../loop/internals.js';
import type { IOLoop } from '../loop/ioloop.js';
import { addressDetails, type Address } from '../sockets/address.js';
import type { IOStream } from '../streams/iostream.js';
import { limitedRead } from '../streams/limited-read.js';
import { setProxyHeader, type ProxyHeader } from '../streams/proxy-header.js';
import { coreOf } from '../streams/stream.js';
import { badProxyHeader, TimeoutError } from '../support/errors.js';
import { ReportGate } from '../support/report-gate.js';
import type { ProxySettings } from './proxy-options.js';
import { HeaderRead } from './proxy-read.js';

/**
 * | Peer        | Begins with                     | `require`             | not `require`               |
 * | ----------- | ------------------------------- | --------------------- | --------------------------- |
 * | trusted     | a header                        | served                | served                      |
 * | trusted     | the start of a header, no end   | refused               | refused                     |
 * | trusted     | other bytes                     | refused               | served, with these bytes    |
 * | trusted     | nothing, until the timeout      | refused               | served                      |
 * | trusted     | nothing, until EOF              | refused, not reported | served if `allowHalfOpen`   |
 * | trusted     | nothing, until EOF or a reset   | refused, not reported | closed                      |
 * | not trusted | not read                        | refused               | served, without a wait      |
 *
 * A refused connection is closed, counted, and reported less and less often while others follow: peers
 * cause refusals at will. A health check that only connects is not reported. Connections that the program
 * closes (it stops the server, or a subscriber of a channel closes the stream) are not counted.
 */
export class ProxyReceiver {
  /** The number of refused connections. */
  refusals = 0;
  readonly #loop: IOLoop;
  readonly #settings: ProxySettings;
  readonly #reports = new ReportGate();

  constructor(loop: IOLoop, settings: ProxySettings) {
    this.#loop = loop;
    this.#settings = settings;
  }

  /** Whether the connection of `peer` is served at once: its bytes are those of the client. */
  passes(peer: Address): boolean {
    return !this.#settings.require && !this.#settings.trusted.has(peer);
  }

  /**
   * Reads the header of a connection that does not pass. Resolves to the address of the client; to
   * `null` if the connection was closed. `signal` aborts when the server is stopped. Never rejects.
   */
  async receive(stream: IOStream, peer: Address, signal: AbortSignal): Promise<Address | null> {
    if (!this.#settings.trusted.has(peer)) {
      this.#refuse(stream, peer, badProxyHeader('its peer is not trusted'));
      return null;
    }
    const read = new HeaderRead(this.#settings.require);
    try {
      const header = await this.#read(stream, read, signal);
      if (header === null) return peer;
      if (stream.socket !== null) setProxyHeader(stream.socket, header);
      return header.source ?? peer;
    } catch (error) {
      if (signal.aborted) stream.close();
      else if (this.#mayBeSilent(stream, read, error)) return peer;
      else this.#onFailure(stream, peer, read, error);
      return null;
    }
  }

  async #read(
    stream: IOStream,
    read: HeaderRead,
    signal: AbortSignal,
  ): Promise<ProxyHeader | null> {
    const { reader } = coreOf(stream);
    const { timeout } = this.#settings;
    try {
      return await limitedRead(this.#loop, reader, read, { timeout, signal });
    } catch (error) {
      if (!(error instanceof TimeoutError)) throw error;
      // The timeouts of a turn run before its reads. After a turn that was long, the header may be
      // there: this read takes what has come, and does not wait.
      const late = reader.read(read);
      reader.cancel(error);
      return await late;
    }
  }

  /** Whether a connection without a byte is one of a client that lets the server speak first. */
  #mayBeSilent(stream: IOStream, read: HeaderRead, error: unknown): boolean {
    if (this.#settings.require || read.hasBytes || stream.closed) return false;
    return error instanceof TimeoutError || stream.ended;
  }

  #onFailure(stream: IOStream, peer: Address, read: HeaderRead, error: unknown): void {
    const isLocal = stream.closed && !stream.ended && !isCausedByPeer(stream.error);
    const isOver = stream.closed || stream.ended;
    if (isLocal) return;
    if (read.hasBytes || !isOver) this.#refuse(stream, peer, this.#failureOf(stream, error));
    else if (this.#settings.require) this.#close(stream, null);
    else stream.close();
  }

  #failureOf(stream: IOStream, error: unknown): Error {
    if (isHeaderError(error)) return error;
    // With a full buffer, the error of the parser has closed the stream.
    if (isHeaderError(stream.error)) return stream.error;
    const why = this.#reasonOf(stream, error);
    return Object.assign(badProxyHeader(why), { cause: error });
  }

  #reasonOf(stream: IOStream, error: unknown): string {
    if (error instanceof TimeoutError) return `it has not come within ${this.#settings.timeout} s`;
    if (stream.ended || isSystemError(stream.error)) {
      return 'its peer has closed before the end of it';
    }
    return `it cannot be read: ${String(stream.error ?? error)}`;
  }

  #refuse(stream: IOStream, peer: Address, error: Error): void {
    this.#close(stream, error);
    if (!this.#reports.opens()) return;
    guardOf(this.#loop).report(null, Object.assign(error, addressDetails(peer)));
  }

  /** Counts first: a subscriber of the channel sees the number with the close. */
  #close(stream: IOStream, error: Error | null): void {
    this.refusals += 1;
    stream.close(error);
  }
}

/** Whether a stream with this error was closed for its bytes, their number, or a reset. */
function isCausedByPeer(error: Error | null): boolean {
  return isHeaderError(error) || isSystemError(error) || codeOf(error) === 'ERR_IOLOOP_BUFFER_FULL';
}

function isHeaderError(error: unknown): error is Error {
  return codeOf(error) === 'ERR_IOLOOP_PROXY_HEADER';
}

function isSystemError(error: Error | null): boolean {
  return error !== null && 'syscall' in error;
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | null)?.code;
}
