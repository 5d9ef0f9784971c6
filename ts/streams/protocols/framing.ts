/**
 * Framing: functions that make the `data` of a protocol from a function for whole messages.
 *
 * Each is without state. What is not a whole frame stays unread in the connection, which gives it again
 * with the bytes that follow; frames are views of the chunk. So a protocol may change between two frames,
 * and a stream goes on with the next one.
 */
import { viewOf } from '../../boundary/receive-blocks.js';
import { checkBoolean, checkFunction, checkInteger, checkOptions } from '../../support/checks.js';
import { invalidArgType, invalidArgValue, unsatisfiableRead } from '../../support/errors.js';
import type { Connection } from './connection.js';

/** The function of a program for one frame: as `data`, with a frame in place of a chunk. */
export type FrameHandler<State> = (connection: Connection<State>, frame: Buffer) => unknown;

/** The `data` function of a protocol, as framing functions make it. */
export type DataHandler<State> = (connection: Connection<State>, chunk: Buffer) => void;

/** Options of {@link lines}. */
export interface LinesOptions {
  /** The end of a line: a string or bytes; by default `'\n'`. */
  readonly delimiter?: string | Uint8Array | undefined;
  /**
   * Whether the function gets a line with its delimiter, as `readUntil()` returns it; by default false. A
   * line that is passed on is one piece then.
   */
  readonly keepDelimiter?: boolean | undefined;
  /** Most bytes of a line, without its delimiter; by default 65,536. */
  readonly maxLength?: number | undefined;
}

/** Options of {@link lengthPrefixed}. */
export interface LengthPrefixedOptions {
  /** Bytes of the length: 1, 2 or 4; by default 4. */
  readonly bytes?: 1 | 2 | 4 | undefined;
  /** Whether the lowest byte of the length comes first; by default false: network order. */
  readonly littleEndian?: boolean | undefined;
  /** Most bytes of a frame, without its length; by default 1,048,576. */
  readonly maxLength?: number | undefined;
}

/**
 * Calls `onLine` with each line, by default without its delimiter. A line that is longer than `maxLength`
 * closes its connection with an {@link UnsatisfiableReadError}.
 *
 * ```js
 * const protocol = { data: lines((c, line) => c.write(`you said ${line}\n`)) };
 * ```
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`.
 */
export function lines<State>(
  onLine: FrameHandler<State>,
  options: LinesOptions = {},
): DataHandler<State> {
  checkFunction('onLine', onLine);
  checkOptions(options);
  const delimiter = delimiterOf(options.delimiter ?? '\n');
  const size = delimiter.length;
  const kept = checkBoolean('keepDelimiter', options.keepDelimiter, false) ? size : 0;
  const maxLength = checkInteger('maxLength', options.maxLength ?? LONGEST_LINE, 1, LARGEST);
  return (connection, chunk) => {
    const { calls } = connection;
    const { length } = chunk;
    let start = 0;
    // No delimiter begins in what was searched before.
    let from = Math.max(connection.seen - size + 1, 0);
    for (;;) {
      const at =
        size === 1 ? indexOf(chunk, delimiter[0] as number, from) : chunk.indexOf(delimiter, from);
      const end = at < 0 ? length : at;
      // A part of the delimiter may be there already.
      if (end - start > maxLength + (at < 0 ? size - 1 : 0)) {
        connection.close(unsatisfiableRead('delimiter', delimiter.toString('latin1'), maxLength));
        return;
      }
      if (at < 0) break;
      const next = at + size;
      connection.leave(length - next);
      const result = onLine(connection, viewOf(chunk, start, at + kept));
      if (result !== undefined) connection.follow(result);
      start = from = next;
      if (start === length || !connection.isReading(calls)) return;
    }
    connection.leave(length - start);
  };
}

/**
 * Calls `onFrame` with each frame, which has its length in front, without the length. A frame that is
 * longer than `maxLength` closes its connection with an {@link UnsatisfiableReadError}.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`.
 */
export function lengthPrefixed<State>(
  onFrame: FrameHandler<State>,
  options: LengthPrefixedOptions = {},
): DataHandler<State> {
  checkFunction('onFrame', onFrame);
  checkOptions(options);
  const { bytes = 4, maxLength = LONGEST_FRAME } = options;
  if (bytes !== 1 && bytes !== 2 && bytes !== 4) throw invalidArgValue('bytes', bytes, '1, 2 or 4');
  checkInteger('maxLength', maxLength, 1, LARGEST);
  const littleEndian = checkBoolean('littleEndian', options.littleEndian, false);
  const lengthAt = (chunk: Buffer, at: number): number =>
    littleEndian ? chunk.readUIntLE(at, bytes) : chunk.readUIntBE(at, bytes);
  return (connection, chunk) => {
    const { calls } = connection;
    const { length } = chunk;
    let start = 0;
    while (length - start >= bytes) {
      const size = lengthAt(chunk, start);
      if (size > maxLength) {
        connection.close(unsatisfiableRead('frame of', `${size} bytes`, maxLength));
        return;
      }
      const next = start + bytes + size;
      if (next > length) break;
      connection.leave(length - next);
      const result = onFrame(connection, viewOf(chunk, start + bytes, next));
      if (result !== undefined) connection.follow(result);
      start = next;
      if (start === length || !connection.isReading(calls)) return;
    }
    connection.leave(length - start);
  };
}

/**
 * Calls `onRecord` with each `size` bytes.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`.
 */
export function fixed<State>(size: number, onRecord: FrameHandler<State>): DataHandler<State> {
  checkInteger('size', size, 1, LARGEST);
  checkFunction('onRecord', onRecord);
  return (connection, chunk) => {
    const { calls } = connection;
    const { length } = chunk;
    let start = 0;
    while (length - start >= size) {
      const next = start + size;
      connection.leave(length - next);
      const result = onRecord(connection, viewOf(chunk, start, next));
      if (result !== undefined) connection.follow(result);
      start = next;
      if (start === length || !connection.isReading(calls)) return;
    }
    connection.leave(length - start);
  };
}

/** `chunk.indexOf(byte, from)`: most lines are short, and a call of V8 costs more than looking. */
function indexOf(chunk: Buffer, byte: number, from: number): number {
  const near = Math.min(chunk.length, from + NEAR);
  for (let at = from; at < near; at += 1) if (chunk[at] === byte) return at;
  return near === chunk.length ? -1 : chunk.indexOf(byte, near);
}

function delimiterOf(delimiter: unknown): Buffer {
  if (typeof delimiter !== 'string' && !(delimiter instanceof Uint8Array)) {
    throw invalidArgType('delimiter', delimiter, 'a string or a Uint8Array');
  }
  if (delimiter.length === 0) throw invalidArgValue('delimiter', delimiter, 'at least one byte');
  return Buffer.from(delimiter as string);
}

const NEAR = 96;
const LONGEST_LINE = 65_536;
const LONGEST_FRAME = 1_048_576;
const LARGEST = 2 ** 31 - 1;
