// RESP, the protocol of Redis: https://redis.io/docs/latest/develop/reference/protocol-spec/
// Bytes are carried in strings of one character each (Latin-1), so that all bytes are preserved.

/** The peer sent something that is not RESP; the connection is closed. */
export class ProtocolError extends Error {}

/** Cuts a stream of bytes into commands. */
export class Parser {
  /** The bytes after the last complete command. @type {Buffer} */
  #rest = Buffer.alloc(0);

  /** The commands that `chunk` completes, each a list of its words. @param {Buffer} chunk */
  *push(chunk) {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const cursor = { bytes, at: 0 };
    for (;;) {
      const start = cursor.at;
      const words = start < bytes.length ? parseCommand(cursor) : null;
      if (words === null) {
        if (bytes.length - start > MAX_COMMAND) throw new ProtocolError('command too long');
        this.#rest = bytes.subarray(start);
        return;
      }
      if (words.length > 0) yield words;
    }
  }
}

const MAX_COMMAND = 64 * 1024 * 1024;
const MAX_WORDS = 1024 * 1024;
const MAX_LINE = 64 * 1024;
const CR = 0x0d;
const LF = 0x0a;
const STAR = 0x2a;
const DOLLAR = 0x24;
const MINUS = 0x2d;

/** A command, or `null` when it is not complete. @param {{ bytes: Buffer, at: number }} cursor */
function parseCommand(cursor) {
  if (cursor.bytes[cursor.at] !== STAR) return parseInline(cursor);
  const count = parseNumber(cursor, STAR);
  if (count === null) return null;
  if (count > MAX_WORDS) throw new ProtocolError('invalid multibulk length');
  const words = [];
  for (let word = 0; word < count; word += 1) {
    const length = parseNumber(cursor, DOLLAR);
    if (length === null) return null;
    if (length < 0 || length > MAX_COMMAND) throw new ProtocolError('invalid bulk length');
    const start = cursor.at;
    const end = start + length;
    if (cursor.bytes.length < end + 2) return null;
    words.push(cursor.bytes.toString('latin1', start, end));
    cursor.at = end + 2;
  }
  return words;
}

/** A line of words, as one types it. @param {{ bytes: Buffer, at: number }} cursor */
function parseInline(cursor) {
  const end = cursor.bytes.indexOf(LF, cursor.at);
  if (end < 0) {
    if (cursor.bytes.length - cursor.at > MAX_LINE)
      throw new ProtocolError('too big inline request');
    return null;
  }
  const line = cursor.bytes.toString('latin1', cursor.at, end).trim();
  cursor.at = end + 1;
  return line === '' ? [] : line.split(/\s+/);
}

/**
 * The number in a line that begins with `mark`; `null` when the line is not complete.
 * @param {{ bytes: Buffer, at: number }} cursor @param {number} mark
 */
function parseNumber(cursor, mark) {
  const { bytes } = cursor;
  let { at } = cursor;
  if (at >= bytes.length) return null;
  if (bytes[at] !== mark) {
    const found = String.fromCharCode(bytes[at]);
    throw new ProtocolError(`expected '${String.fromCharCode(mark)}', got '${found}'`);
  }
  at += 1;
  const sign = bytes[at] === MINUS ? -1 : 1;
  if (sign < 0) at += 1;
  let number = 0;
  for (; at < bytes.length && bytes[at] !== CR; at += 1) {
    const digit = bytes[at] - 0x30;
    if (digit < 0 || digit > 9 || number > MAX_COMMAND) throw new ProtocolError('invalid length');
    number = number * 10 + digit;
  }
  if (at + 1 >= bytes.length) return null;
  if (bytes[at + 1] !== LF) throw new ProtocolError('invalid length');
  cursor.at = at + 2;
  return sign * number;
}

export const OK = '+OK\r\n';
export const NIL = '$-1\r\n';

/** @param {string} text */
export const simple = (text) => `+${text}\r\n`;
/** @param {string} message */
export const failure = (message) => `-ERR ${message}\r\n`;
/** @param {number} number */
export const integer = (number) => `:${number}\r\n`;
/** @param {string | undefined} text */
export const bulk = (text) => (text === undefined ? NIL : `$${text.length}\r\n${text}\r\n`);
/** @param {readonly (string | undefined)[]} items */
export const array = (items) => `*${items.length}\r\n${items.map(bulk).join('')}`;
