/** The read of the header of the PROXY protocol. */
import type { ProxyHeader } from '../streams/proxy-header.js';
import type { ReadBuffer } from '../streams/read-buffer.js';
import type { Read } from '../streams/reads.js';
import { LONGEST_HEADER, mayBeHeader, parseProxyHeader } from './proxy-parser.js';

/**
 * The header at the start of the stream; `null` if there is none and none is required. The bytes
 * after it stay.
 */
export class HeaderRead implements Read<ProxyHeader | null> {
  readonly name = 'PROXY header';
  readonly target = null;
  readonly keepsPartial = false;
  /** The receiver closes the stream, and counts it before. */
  readonly sparesStream = true;
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
