/** The header of the PROXY protocol of a server's connections: read, believed, or refused. */
import { guardOf } from '../loop/internals.js';
import type { IOLoop } from '../loop/ioloop.js';
import { addressDetails, type Address } from '../sockets/address.js';
import type { IOStream } from '../streams/iostream.js';
import { limitedRead } from '../streams/limited-read.js';
import { setProxyHeader, type ProxyHeader } from '../streams/proxy-header.js';
import type { ReadBuffer } from '../streams/read-buffer.js';
import type { Read } from '../streams/reads.js';
import { coreOf } from '../streams/stream.js';
import { badProxyHeader } from '../support/errors.js';
import { ReportGate } from '../support/report-gate.js';
import { LONGEST_HEADER, mayBeHeader, parseProxyHeader } from './proxy-parser.js';
import type { ProxySettings } from './proxy-options.js';

/**
 * | Peer        | Begins with                    | `require`             | not `require`              |
 * | ----------- | ------------------------------ | --------------------- | -------------------------- |
 * | trusted     | a header                       | served                | served                     |
 * | trusted     | the start of a header, no end  | refused               | refused                    |
 * | trusted     | other bytes                    | refused               | served, with these bytes   |
 * | trusted     | nothing, until the timeout     | refused               | served                     |
 * | trusted     | nothing, until EOF or a reset  | refused, not reported | closed                     |
 * | not trusted | not read                       | refused               | served, without a wait     |
 *
 * A refused connection is closed, counted, and reported less and less often while others follow: peers
 * cause refusals at will. A health check that only connects is no news. A server that is stopped
 * closes connections without counting them.
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
    const { require: isRequired, timeout } = this.#settings;
    const read = new HeaderRead(isRequired);
    const { reader } = coreOf(stream);
    try {
      const header = await limitedRead(this.#loop, reader, read, { timeout, signal });
      if (header === null) return peer;
      if (stream.socket !== null) setProxyHeader(stream.socket, header);
      return header.source ?? peer;
    } catch (error) {
      const isSilent = !read.hasBytes;
      const isOver = stream.closed || stream.ended;
      if (signal.aborted) stream.close();
      else if (isSilent && isOver) this.#onSilentEnd(stream);
      else if (isSilent && !isRequired) return peer;
      else this.#refuse(stream, peer, this.#failureOf(stream, error, isOver));
      return null;
    }
  }

  #onSilentEnd(stream: IOStream): void {
    if (this.#settings.require) this.refusals += 1;
    stream.close();
  }

  #failureOf(stream: IOStream, error: unknown, isOver: boolean): Error {
    // The stream is closed with the error of the parser.
    if (isHeaderError(stream.error)) return stream.error;
    const why = isOver
      ? 'its peer has closed before the end of it'
      : `it has not come within ${this.#settings.timeout} s`;
    return Object.assign(badProxyHeader(why), { cause: error });
  }

  #refuse(stream: IOStream, peer: Address, error: Error): void {
    this.refusals += 1;
    stream.close(error);
    if (!this.#reports.opens()) return;
    guardOf(this.#loop).report(null, Object.assign(error, addressDetails(peer)));
  }
}

/**
 * The header at the start of the stream; `null` if there is none and none is required. The bytes
 * after it stay.
 */
class HeaderRead implements Read<ProxyHeader | null> {
  readonly name = 'PROXY header';
  readonly target = null;
  readonly keepsPartial = false;
  readonly sparesStream = false;
  /** Whether the peer has sent anything. */
  hasBytes = false;
  readonly #required: boolean;

  constructor(isRequired: boolean) {
    this.#required = isRequired;
  }

  take(buffer: ReadBuffer): ProxyHeader | null | undefined {
    if (buffer.length === 0) return undefined;
    this.hasBytes = true;
    const bytes = buffer.copy(Math.min(buffer.length, LONGEST_HEADER));
    if (!this.#required && !mayBeHeader(bytes)) return null;
    const parsed = parseProxyHeader(bytes);
    if (parsed === null) return undefined;
    buffer.take(parsed.length);
    return parsed.header;
  }
}

function isHeaderError(error: Error | null): error is Error {
  return (error as { code?: unknown } | null)?.code === 'ERR_IOLOOP_PROXY_HEADER';
}
