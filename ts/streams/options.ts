/** Options of streams, and their checked form. */
import type { ConnectionOptions, Server, TlsOptions } from 'node:tls';
import { checkLoop } from '../loop/internals.js';
import { IOLoop } from '../loop/ioloop.js';
import type { WaitOptions } from '../loop/wait.js';
import { checkBoolean, checkInteger, checkOptions } from '../support/checks.js';
import { invalidArgValue } from '../support/errors.js';
import { SMALL_PIECE } from '../boundary/send-batch.js';
import type { WriterLimits } from './transport.js';

/** Options of {@link IOStream}. */
export interface IOStreamOptions {
  /** The loop of the stream; by default the current one. */
  readonly loop?: IOLoop | undefined;
  /** The most unread bytes, by default 104,857,600. A read that needs more fails. */
  readonly maxBufferSize?: number | undefined;
  /** The most bytes of one receive, by default 65,536; at most half of `maxBufferSize`. */
  readonly readChunkSize?: number | undefined;
  /**
   * The limit of {@link IOStream.writeBufferSize}: unsent bytes and the cost of waiting writes. A
   * write beyond it is refused. By default unlimited.
   */
  readonly maxWriteBufferSize?: number | undefined;
  /** The high watermark: unsent bytes above which `drain()` waits; by default 65,536. */
  readonly highWaterMark?: number | undefined;
  /**
   * The low watermark: unsent bytes at which `drain()` resolves; by default a quarter of the high
   * one.
   */
  readonly lowWaterMark?: number | undefined;
  /**
   * Keep the stream open for writing after EOF. By default false: EOF closes the stream once its
   * writes are sent.
   */
  readonly allowHalfOpen?: boolean | undefined;
}

/** Options of all reads. */
export interface ReadOptions extends WaitOptions {
  /**
   * Copy the result to memory of its own. By default false: a small result shares a block of 128
   * KiB with results of other connections. Each result keeps the whole block alive, and
   * `postMessage()` and `structuredClone()` copy all of it.
   */
  readonly copy?: boolean | undefined;
}

/** Called with each chunk of a read. The next one waits for a promise that it returns. */
export type StreamingCallback = (chunk: Buffer) => unknown;

/** Options of `readUntilClose`. */
export interface ReadUntilCloseOptions extends ReadOptions {
  /**
   * Gets the bytes in chunks of up to `readChunkSize`, as they arrive; the read resolves to an empty
   * buffer. If it throws, or its promise rejects, the stream is closed, and the read rejects with the
   * error.
   */
  readonly streamingCallback?: StreamingCallback | undefined;
}

/** Options of `readUntil` and `readUntilRegex`. */
export interface ReadUntilOptions extends ReadOptions {
  /**
   * The most bytes of the result, delimiter included. By default `maxBufferSize`; for
   * `readUntilRegex` at most 65,536.
   */
  readonly maxBytes?: number | undefined;
  /**
   * Close the stream if the delimiter is not found within `maxBytes`. By default true. If false,
   * only the read fails, and the bytes stay unread.
   */
  readonly closeOnLimit?: boolean | undefined;
}

/** Options of `readBytes` and `readInto`. */
export interface ReadBytesOptions extends ReadOptions {
  /** Resolve as soon as there is a byte. By default false: wait for all. */
  readonly partial?: boolean | undefined;
}

/** Options of `readBytes`. */
export interface ReadCountOptions extends ReadBytesOptions, ReadUntilCloseOptions {}

/** Options of {@link IOStream.startTls}. */
export interface StartTlsOptions extends WaitOptions {
  /** Be the server in the handshake. By default false. */
  readonly serverSide?: boolean | undefined;
  /**
   * The name that the certificate of the server must have, which is also sent (SNI). Required in a
   * client unless `rejectUnauthorized` is false.
   */
  readonly hostname?: string | undefined;
  /**
   * Options of `tls.connect()`, or on the server's side of `tls.createServer()`: `cert`, `key`,
   * `ca`, `requestCert`, `rejectUnauthorized`, `SNICallback`, `ALPNProtocols`, `secureContext` and
   * so on. On the server's side connections that are given the same object share session tickets.
   */
  readonly tls?: ConnectionOptions | TlsOptions | undefined;
  /**
   * The server of `node:tls` that checks and serves this connection, instead of `tls`. It need not
   * listen; its `'secureConnection'` is not emitted for connections of streams.
   */
  readonly server?: Server | undefined;
  /**
   * The use of bytes that the stream has received and that were not read. By default
   * (`'handshake'`) they are the beginning of the handshake: a ClientHello that came early, or
   * after a PROXY line. Other bytes fail the handshake, and cannot be read any more. `'refuse'`
   * rejects with `ERR_IOLOOP_STREAM_BUSY`.
   */
  readonly buffered?: 'handshake' | 'refuse' | undefined;
}

/** The sizes of a stream, in bytes, with their defaults. */
export interface StreamLimits {
  readonly maxBufferSize: number;
  readonly readChunkSize: number;
  readonly writer: WriterLimits;
}

/** Checked options. Any number of streams may share them, as the connections of a server do. */
export interface StreamSettings {
  readonly loop: IOLoop;
  readonly limits: StreamLimits;
  readonly allowHalfOpen: boolean;
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. */
export function streamSettings(options: IOStreamOptions): StreamSettings {
  checkOptions(options);
  return {
    limits: streamLimits(options),
    allowHalfOpen: checkBoolean('allowHalfOpen', options.allowHalfOpen, false),
    loop: checkLoop(options.loop ?? IOLoop.current()),
  };
}

/**
 * Whether {@link StartTlsOptions.buffered} refuses bytes that were received.
 *
 * @throws `ERR_INVALID_ARG_VALUE`.
 */
export function refusesBuffered({ buffered = 'handshake' }: StartTlsOptions): boolean {
  if (buffered === 'handshake' || buffered === 'refuse') return buffered === 'refuse';
  throw invalidArgValue('buffered', buffered, "'handshake' or 'refuse'");
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. */
export function streamLimits(options: IOStreamOptions): StreamLimits {
  // Most streams of a program have the defaults.
  if (options === NO_OPTIONS) return DEFAULT_LIMITS;
  const maxBufferSize = size('maxBufferSize', options.maxBufferSize, MAX_BUFFER);
  const chunk = size('readChunkSize', options.readChunkSize, READ_CHUNK);
  return {
    maxBufferSize,
    readChunkSize: Math.max(1, Math.min(chunk, Math.floor(maxBufferSize / 2))),
    writer: writerLimits(options),
  };
}

function writerLimits(options: IOStreamOptions): WriterLimits {
  const highWaterMark = size('highWaterMark', options.highWaterMark, HIGH_WATER);
  const low = options.lowWaterMark ?? Math.floor(highWaterMark / 4);
  const { maxWriteBufferSize = Infinity } = options;
  const isLimited = maxWriteBufferSize !== Infinity;
  const maxBufferSize = isLimited ? size('maxWriteBufferSize', maxWriteBufferSize, 0) : Infinity;
  return {
    maxBufferSize,
    highWaterMark,
    lowWaterMark: checkInteger('lowWaterMark', low, 0, highWaterMark),
    staged: Math.min(highWaterMark, maxBufferSize, SMALL_PIECE),
  };
}

function size(name: string, value: number | undefined, otherwise: number): number {
  return value === undefined ? otherwise : checkInteger(name, value, 1, LARGEST);
}

/** No options, for comparison by identity. */
export const NO_OPTIONS: IOStreamOptions = Object.freeze({});

const MAX_BUFFER = 104_857_600;
const READ_CHUNK = 65_536;
const HIGH_WATER = 65_536;
/** The largest buffer of Node on every platform. */
const LARGEST = 2 ** 31 - 1;

/** The limits of streams without options. */
export const DEFAULT_LIMITS = streamLimits({});
