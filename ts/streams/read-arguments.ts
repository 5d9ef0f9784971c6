/** The reads of `IOStream`'s methods, made of their arguments, which are checked here. */
import { checkBoolean, checkInteger } from '../support/checks.js';
import { invalidArgType, invalidArgValue } from '../support/errors.js';
import type {
  ReadBytesOptions,
  ReadUntilCloseOptions,
  ReadUntilOptions,
  StreamLimits,
} from './options.js';
import { Peek, ReadInto, ReadUntil, ReadUntilRegex, readBytes, type Read } from './reads.js';

// Each throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE` or `ERR_OUT_OF_RANGE`.

export function bytesRead(
  count: number,
  options: ReadBytesOptions | undefined,
  { maxBufferSize }: StreamLimits,
): Read<Buffer> {
  const partial = isPartial(options);
  checkInteger('count', count, 0, partial ? Number.MAX_SAFE_INTEGER : maxBufferSize);
  return readBytes(Math.min(count, maxBufferSize), partial);
}

export function intoRead(
  buffer: NodeJS.ArrayBufferView,
  options: ReadBytesOptions | undefined,
): Read<number> {
  if (!ArrayBuffer.isView(buffer)) {
    throw invalidArgType('buffer', buffer, 'a Buffer, a typed array or a DataView');
  }
  return new ReadInto(buffer, isPartial(options));
}

export function untilRead(
  delimiter: string | Uint8Array,
  options: ReadUntilOptions | undefined,
  limits: StreamLimits,
): Read<Buffer> {
  const bytes = delimiterBytes(delimiter);
  return new ReadUntil(bytes, maxBytesOf(options, limits, Infinity), sparesStream(options));
}

export function regexRead(
  regex: RegExp,
  options: ReadUntilOptions | undefined,
  limits: StreamLimits,
): Read<Buffer> {
  if (!(regex instanceof RegExp)) throw invalidArgType('regex', regex, 'a RegExp');
  return new ReadUntilRegex(regex, maxBytesOf(options, limits, REGEX_BYTES), sparesStream(options));
}

export function peekRead(count: number, { maxBufferSize }: StreamLimits): Read<Buffer> {
  checkInteger('count', count, 0, maxBufferSize);
  return new Peek(count);
}

/** Whether `options` has nothing that needs a wait or a copy. The rest is not checked here. */
export function isPlain(options: unknown): options is ReadBytesOptions {
  if (typeof options !== 'object' || options === null) return false;
  const { timeout, signal, copy, streamingCallback } = options as ReadUntilCloseOptions;
  if (streamingCallback !== undefined) return false;
  return timeout === undefined && signal === undefined && copy === undefined;
}

function isPartial(options: ReadBytesOptions | undefined): boolean {
  return options !== undefined && checkBoolean('partial', options.partial, false);
}

function sparesStream(options: ReadUntilOptions | undefined): boolean {
  return options !== undefined && !checkBoolean('closeOnLimit', options.closeOnLimit, true);
}

function maxBytesOf(
  options: ReadUntilOptions | undefined,
  { maxBufferSize }: StreamLimits,
  otherwise: number,
): number {
  if (options?.maxBytes === undefined) return Math.min(otherwise, maxBufferSize);
  return checkInteger('maxBytes', options.maxBytes, 1, maxBufferSize);
}

function delimiterBytes(delimiter: string | Uint8Array): Buffer {
  if (typeof delimiter === 'string') return delimiters.get(delimiter) ?? encoded(delimiter);
  if (!(delimiter instanceof Uint8Array)) {
    throw invalidArgType('delimiter', delimiter, 'a string or Uint8Array');
  }
  if (delimiter.length === 0) throw invalidArgValue('delimiter', delimiter, 'at least one byte');
  return Buffer.isBuffer(delimiter) ? delimiter : Buffer.from(delimiter);
}

function encoded(delimiter: string): Buffer {
  if (delimiter === '') throw invalidArgValue('delimiter', delimiter, 'at least one byte long');
  const bytes = Buffer.from(delimiter);
  if (delimiters.size === MOST_DELIMITERS) delimiters.clear();
  delimiters.set(delimiter, bytes);
  return bytes;
}

/** The bytes of delimiters: protocols use the same few for every message. */
const delimiters = new Map<string, Buffer>();
const MOST_DELIMITERS = 64;

/** The default of `maxBytes` for a regular expression, which searches from the start each time. */
const REGEX_BYTES = 65_536;
