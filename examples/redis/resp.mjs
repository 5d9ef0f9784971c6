// RESP, the protocol of Redis: https://redis.io/docs/latest/develop/reference/protocol-spec/
// Bytes are carried in strings of one character each (Latin-1), so that all bytes are preserved.

/** The peer sent something that is not RESP; the connection is closed. */
export class ProtocolError extends Error {}

/**
 * Cuts a stream of bytes into commands. Each chunk becomes one string, of which words are parts: a string
 * from bytes costs more than the rest of a command. A word keeps the chunk in memory; see {@link own}.
 */
export class Parser {
  /** What has arrived. It is put together when it is looked at. */
  #text = '';
  /** Where the next command begins. */
  #at = 0;
  /** The next command has at least so many bytes. */
  #least = 1;

  /** Adds a chunk, for {@link next}. @param {Buffer} chunk */
  push(chunk) {
    const rest = this.#at === this.#text.length ? '' : this.#text.slice(this.#at);
    this.#text = rest + chunk.toString('latin1');
    this.#at = 0;
  }

  /** The next command, a list of its words; `null` when it is not complete. */
  next() {
    for (;;) {
      if (this.#text.length - this.#at < this.#least) return null;
      const words = this.#text.charCodeAt(this.#at) === STAR ? this.#command() : this.#inline();
      if (words === null) return null;
      this.#least = 1;
      if (words.length > 0) return words;
    }
  }

  #command() {
    const text = this.#text;
    const cursor = { at: this.#at };
    const count = parseNumber(text, cursor, STAR);
    if (count === null) return this.#wait(text.length + 1);
    if (count > MAX_WORDS) throw new ProtocolError('invalid multibulk length');
    /** Of its size: V8 makes room for 17 words in an empty one. @type {string[]} */
    // oxlint-disable-next-line unicorn/no-new-array -- a length
    const words = count > 0 && count <= FEW ? new Array(count) : [];
    for (let word = 0; word < count; word += 1) {
      const length = parseNumber(text, cursor, DOLLAR);
      if (length === null) return this.#wait(text.length + 1);
      if (length < 0 || length > MAX_COMMAND) throw new ProtocolError('invalid bulk length');
      const end = cursor.at + length;
      if (text.length < end + 2) return this.#wait(end + 2);
      words[word] = text.slice(cursor.at, end);
      cursor.at = end + 2;
    }
    this.#at = cursor.at;
    return words;
  }

  /** A line of words, as one types it. */
  #inline() {
    const text = this.#text;
    const end = text.indexOf('\n', this.#at);
    if (end < 0) {
      if (text.length - this.#at > MAX_LINE) throw new ProtocolError('too big inline request');
      return this.#wait(text.length + 1);
    }
    const line = text.slice(this.#at, end).trim();
    this.#at = end + 1;
    return line === '' ? [] : line.split(/\s+/);
  }

  /** The command ends at `end` or later. @param {number} end */
  #wait(end) {
    this.#least = end - this.#at;
    if (this.#least > MAX_COMMAND + MAX_LINE) throw new ProtocolError('command too long');
    return null;
  }
}

const MAX_COMMAND = 64 * 1024 * 1024;
const MAX_WORDS = 1024 * 1024;
/** A longer list grows with the words that arrive. */
const FEW = 16;
const MAX_LINE = 64 * 1024;
const CR = 0x0d;
const LF = 0x0a;
const STAR = 0x2a;
const DOLLAR = 0x24;
const MINUS = 0x2d;

/**
 * The number in a line that begins with `mark`; `null` when the line is not complete.
 * @param {string} text @param {{ at: number }} cursor @param {number} mark
 */
function parseNumber(text, cursor, mark) {
  let { at } = cursor;
  if (at >= text.length) return null;
  if (text.charCodeAt(at) !== mark) {
    throw new ProtocolError(`expected '${String.fromCharCode(mark)}', got '${text[at]}'`);
  }
  at += 1;
  const sign = text.charCodeAt(at) === MINUS ? -1 : 1;
  if (sign < 0) at += 1;
  let number = 0;
  for (; at < text.length && text.charCodeAt(at) !== CR; at += 1) {
    const digit = text.charCodeAt(at) - 0x30;
    if (digit < 0 || digit > 9 || number > MAX_COMMAND) throw new ProtocolError('invalid length');
    number = number * 10 + digit;
  }
  if (at + 1 >= text.length) return null;
  if (text.charCodeAt(at + 1) !== LF) throw new ProtocolError('invalid length');
  cursor.at = at + 2;
  return sign * number;
}

/** A word to keep: a long one would keep the whole chunk. @param {string} word */
export function own(word) {
  // Shorter parts of a string are copies in V8.
  return word.length < 13 ? word : Buffer.from(word, 'latin1').toString('latin1');
}

/** The client takes its leave. @param {readonly string[]} words */
export function isQuit([name = '']) {
  return name.length === 4 && name.toUpperCase() === 'QUIT';
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
