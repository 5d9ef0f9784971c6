// A small part of Redis: strings, counters and lists.
import { array, bulk, failure, integer, OK, own, simple } from './resp.mjs';

/** The data of a server. */
export class Store {
  /** @type {Values} */
  #values = new Map();
  /** The last command, which pipelines repeat. */
  #name = '';
  /** @type {Command | undefined} */
  #command;

  /** The reply to a command. @param {string[]} words */
  execute(words) {
    const [name = ''] = words;
    if (name !== this.#name) {
      this.#command = COMMANDS.get(name) ?? COMMANDS.get(name.toUpperCase());
      this.#name = name;
    }
    const command = this.#command;
    if (command === undefined) return failure(`unknown command '${name.slice(0, 128)}'`);
    const [least, most, run] = command;
    if (words.length <= least || words.length > most + 1) {
      return failure(`wrong number of arguments for '${name.toLowerCase()}' command`);
    }
    try {
      return run(this.#values, words);
    } catch (error) {
      if (error instanceof CommandError) return error.reply;
      throw error;
    }
  }
}

/** A command that does not fit the data. */
class CommandError extends Error {
  /** @param {string} reply */
  constructor(reply) {
    super(reply);
    this.reply = reply;
  }
}

/** A key that is there is looked up once, and stays the string that it is. @typedef {{ value: string | string[] }} Entry */
/** @typedef {Map<string, Entry>} Values */
/** `words` begin with the name of the command. @typedef {(values: Values, words: string[]) => string} Run */
/** @typedef {[least: number, most: number, run: Run]} Command */

/**
 * By name: how many arguments at least and at most, and what to do. `{ 1: key }` is `[, key]` without an
 * iterator.
 * @type {Map<string, Command>}
 */
const COMMANDS = new Map(
  /** @type {[string, Command][]} */ ([
    ['PING', [0, 1, (_, [, text]) => (text === undefined ? simple('PONG') : bulk(text))]],
    ['ECHO', [1, 1, (_, [, text]) => bulk(text)]],
    ['SET', [2, 2, (values, { 1: key, 2: value }) => set(values, key, value)]],
    ['GET', [1, 1, (values, { 1: key }) => bulk(stringAt(values, key))]],
    ['INCR', [1, 1, (values, { 1: key }) => increase(values, key)]],
    ['MSET', [2, Infinity, (values, [, ...pairs]) => setAll(values, pairs)]],
    [
      'MGET',
      [1, Infinity, (values, [, ...keys]) => array(keys.map((key) => stringOrNone(values, key)))],
    ],
    [
      'DEL',
      [
        1,
        Infinity,
        (values, [, ...keys]) => integer(keys.filter((key) => values.delete(key)).length),
      ],
    ],
    [
      'EXISTS',
      [1, Infinity, (values, [, ...keys]) => integer(keys.filter((key) => values.has(key)).length)],
    ],
    ['LPUSH', [2, Infinity, (values, [, key, ...items]) => push(values, key, items)]],
    ['LLEN', [1, 1, (values, { 1: key }) => integer(listAt(values, key).length)]],
    ['LRANGE', [3, 3, (values, [, key, from, to]) => array(range(listAt(values, key), from, to))]],
    ['DBSIZE', [0, 0, (values) => integer(values.size)]],
    ['FLUSHALL', [0, 1, (values) => (values.clear(), OK)]],
    ['SELECT', [1, 1, () => OK]],
    // redis-cli and redis-benchmark send these first.
    ['COMMAND', [0, Infinity, () => array([])]],
    ['CONFIG', [1, Infinity, (_, [, , name]) => array(name === undefined ? [] : [name, ''])]],
  ]),
);

const WRONG_TYPE = '-WRONGTYPE Operation against a key holding the wrong kind of value\r\n';

/** @param {Values} values @param {string} key */
function stringAt(values, key) {
  const value = values.get(key)?.value;
  if (Array.isArray(value)) throw new CommandError(WRONG_TYPE);
  return value;
}

/** @param {Values} values @param {string} key */
function stringOrNone(values, key) {
  const value = values.get(key)?.value;
  return Array.isArray(value) ? undefined : value;
}

/**
 * A list is stored with its head at the end, where pushing is cheap.
 * @param {Values} values @param {string} key
 */
function listAt(values, key) {
  const value = values.get(key)?.value ?? [];
  if (!Array.isArray(value)) throw new CommandError(WRONG_TYPE);
  return value;
}

/** @param {Values} values @param {string} key */
function increase(values, key) {
  const text = stringAt(values, key) ?? '0';
  const number = Number(text);
  if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(number + 1)) {
    throw new CommandError(failure('value is not an integer or out of range'));
  }
  put(values, key, String(number + 1));
  return integer(number + 1);
}

/** @param {Values} values @param {string} key @param {string} value */
function set(values, key, value) {
  put(values, key, own(value));
  return OK;
}

/** @param {Values} values @param {string} key @param {string | string[]} value */
function put(values, key, value) {
  const entry = values.get(key);
  if (entry === undefined) values.set(own(key), { value });
  else entry.value = value;
}

/** @param {Values} values @param {string[]} pairs */
function setAll(values, pairs) {
  if (pairs.length % 2 !== 0) return failure("wrong number of arguments for 'mset' command");
  for (let at = 0; at < pairs.length; at += 2) set(values, pairs[at], pairs[at + 1]);
  return OK;
}

/** @param {Values} values @param {string} key @param {string[]} items */
function push(values, key, items) {
  const list = listAt(values, key);
  list.push(...items.map(own));
  put(values, key, list);
  return integer(list.length);
}

/** @param {string[]} list @param {string} from @param {string} to */
function range(list, from, to) {
  const [first, last] = [from, to].map((text) => {
    if (!/^-?\d+$/.test(text)) {
      throw new CommandError(failure('value is not an integer or out of range'));
    }
    const number = Number(text);
    return number < 0 ? Math.max(list.length + number, 0) : number;
  });
  if (Number(to) < -list.length) return [];
  const items = [];
  for (let at = first; at <= Math.min(last, list.length - 1); at += 1) {
    items.push(list[list.length - 1 - at]);
  }
  return items;
}
