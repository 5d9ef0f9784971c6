/** The options of streams, checked. */
import { checkInteger } from '../support/checks.js';
import type { IOLoop } from '../loop/ioloop.js';
import type { WaitOptions } from '../loop/wait.js';

/** How to make an {@link IOStream}. */
export interface IOStreamOptions {
  /** The loop of the stream; by default the current one. */
  readonly loop?: IOLoop | undefined;
  /** Bytes that may wait to be read, by default 104,857,600. A read that needs more fails. */
  readonly maxBufferSize?: number | undefined;
  /** Bytes that are read at a time, by default 65,536; at most half of `maxBufferSize`. */
  readonly readChunkSize?: number | undefined;
  /**
   * How large {@link IOStream.writeBufferSize} may become: bytes that wait to be sent, and what
   * many small writes count beside. By default unlimited. A write beyond is refused.
   */
  readonly maxWriteBufferSize?: number | undefined;
  /** Above so many bytes waiting to be sent `drain()` waits; by default 65,536. */
  readonly highWaterMark?: number | undefined;
  /** Until so many are left; by default a quarter of the high one. */
  readonly lowWaterMark?: number | undefined;
  /**
   * Whether the stream stays open for writing when the peer has ended its side. By default it is
   * closed then, after what was written is sent.
   */
  readonly allowHalfOpen?: boolean | undefined;
}

/** Options of all reads. */
export interface ReadOptions extends WaitOptions {
  /**
   * Whether the result is to have memory of its own, by default false: a small one shares a block of
   * 128 KiB with what other connections have received. The block lives as long as one of its
   * results, and `postMessage()` and `structuredClone()` copy all of it.
   */
  readonly copy?: boolean | undefined;
}

/** Options of `readUntil` and `readUntilRegex`. */
export interface ReadUntilOptions extends ReadOptions {
  /**
   * Bytes, the delimiter included, in which it has to come. By default `maxBufferSize`; for
   * `readUntilRegex` 65,536, if `maxBufferSize` is not smaller.
   */
  readonly maxBytes?: number | undefined;
  /**
   * Whether the stream is closed when it does not, as documented; by default true. Otherwise only
   * this read fails, and its bytes stay.
   */
  readonly closeOnLimit?: boolean | undefined;
}

/** Options of `readBytes` and `readInto`. */
export interface ReadBytesOptions extends ReadOptions {
  /** Whether any bytes, at least one, will do. */
  readonly partial?: boolean | undefined;
}

/** The numbers of a stream, with their defaults. */
export interface StreamLimits {
  readonly maxBufferSize: number;
  readonly readChunkSize: number;
  readonly writer: {
    readonly maxBufferSize: number;
    readonly highWaterMark: number;
    readonly lowWaterMark: number;
  };
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. */
export function streamLimits(options: IOStreamOptions): StreamLimits {
  // Most streams of a program have the defaults.
  if (options === NO_OPTIONS) return DEFAULTS;
  const maxBufferSize = size('maxBufferSize', options.maxBufferSize, DEFAULT_MAX_BUFFER);
  const chunk = size('readChunkSize', options.readChunkSize, DEFAULT_CHUNK);
  const highWaterMark = size('highWaterMark', options.highWaterMark, DEFAULT_HIGH_WATER);
  const low = options.lowWaterMark ?? Math.floor(highWaterMark / 4);
  const { maxWriteBufferSize = Infinity } = options;
  return {
    maxBufferSize,
    readChunkSize: Math.max(1, Math.min(chunk, Math.floor(maxBufferSize / 2))),
    writer: {
      maxBufferSize:
        maxWriteBufferSize === Infinity
          ? Infinity
          : size('maxWriteBufferSize', maxWriteBufferSize, Infinity),
      highWaterMark,
      lowWaterMark: checkInteger('lowWaterMark', low, 0, highWaterMark),
    },
  };
}

function size(name: string, value: number | undefined, otherwise: number): number {
  return value === undefined ? otherwise : checkInteger(name, value, 1, LARGEST);
}

/** No options, for comparison by identity. */
export const NO_OPTIONS: IOStreamOptions = Object.freeze({});

const DEFAULT_MAX_BUFFER = 104_857_600;
const DEFAULT_CHUNK = 65_536;
const DEFAULT_HIGH_WATER = 65_536;
/** What a buffer of Node can hold on every platform. */
const LARGEST = 2 ** 31 - 1;
const DEFAULTS = streamLimits({});
