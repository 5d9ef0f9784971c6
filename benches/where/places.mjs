// The code at an address of a process: its part of the program, and its name.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** @typedef {{ part: string, name: string, samples: number }} Place */
/** `offset` is that of the start in its file. @typedef {{ start: number, end: number, name: string, offset?: number }} Range */

const BUILT_INS = 'V8: built-ins';

/** By the beginning of a symbol of Node's binary. @type {readonly (readonly [RegExp, string])[]} */
const PARTS = [
  [/^Builtins_/, BUILT_INS],
  [
    /^v8::internal::(compiler|interpreter|baseline|maglev|wasm|Zone|.*(Compil|Turbofan|Parser|Scanner))/,
    'V8: compilers',
  ],
  [
    /^v8::internal::.*(Scaveng|MarkCompact|Marking|Sweep|Heap|GCTracer|Evacuat|Young|Weak|Allocat)/,
    'V8: memory',
  ],
  [/^(v8|icu)/, 'V8: the rest'],
  [/^uv_/, 'libuv'],
  [/^(napi_|v8impl|node_api)/, 'Node-API'],
  [/^node::/, 'Node'],
];

export class Places {
  /** @type {readonly Range[]} */
  #regions;
  /** @type {readonly Range[]} */
  #compiled;
  /** @type {readonly Range[]} */
  #symbols;
  /** @type {string} */
  #program;
  /** By file. @type {Map<string, readonly Range[]>} */
  #libraries = new Map();

  /** @param {number} pid Of a process that runs. */
  constructor(pid) {
    this.#regions = regionsOf(pid);
    const map = `/tmp/perf-${pid}.map`;
    this.#compiled = existsSync(map) ? compiledIn(readFileSync(map, 'utf8')) : [];
    this.#program = readlinkSync(`/proc/${pid}/exe`);
    this.#symbols = symbolsOf(this.#program);
  }

  /** Samples by place, most first. @param {readonly number[]} addresses @returns {Place[]} */
  of(addresses) {
    /** @type {Map<string, Place>} */
    const places = new Map();
    for (const address of addresses) {
      const [part, name] = this.#at(address);
      const key = `${part}\n${name}`;
      const place = places.get(key) ?? { part, name, samples: 0 };
      place.samples += 1;
      places.set(key, place);
    }
    return [...places.values()].toSorted((a, b) => b.samples - a.samples);
  }

  /** @param {number} address @returns {[part: string, name: string]} */
  #at(address) {
    const region = find(this.#regions, address);
    const compiled = find(this.#compiled, address);
    if (compiled !== undefined) {
      const part = /^(Builtin|BytecodeHandler|Stub)/.test(compiled.name) ? BUILT_INS : 'JavaScript';
      return [part, shortened(compiled.name)];
    }
    if (region === undefined || region.name === '') return ['JavaScript', 'code without a name'];
    const symbol = this.#symbolAt(region, address);
    if (symbol === undefined) return [basename(region.name), this.#inLibrary(region, address)];
    // A template has its result in front.
    const name = symbol.name.replace(/^[\w:]+ (?=v8::)/, '').replace(/\(.*/, '');
    const [, part = 'Node'] = PARTS.find(([pattern]) => pattern.test(name)) ?? [];
    return [part, name];
  }

  /** The exported function of a library at an address, or before it. @param {Range} region @param {number} address */
  #inLibrary({ name, start, offset = 0 }, address) {
    if (!existsSync(name)) return '';
    let symbols = this.#libraries.get(name);
    if (symbols === undefined) this.#libraries.set(name, (symbols = symbolsOf(name, '--dynamic')));
    return find(symbols, address - start + offset)?.name.replace(/@.*/, '') ?? '';
  }

  /**
   * The symbol of the program. V8 maps its built-ins once more, near the code that it compiles.
   * @param {Range} region @param {number} address
   */
  #symbolAt({ name, start, offset = 0 }, address) {
    const own = this.#regions.find((region) => region.name === this.#program);
    if (name !== this.#program || own === undefined) return undefined;
    return find(this.#symbols, address - start + offset + own.start - (own.offset ?? 0));
  }
}

/** The executable mappings of a process. @param {number} pid */
function regionsOf(pid) {
  const lines = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
  return lines.flatMap((line) => {
    const [, start = '', end = '', offset = '', name = ''] =
      /^(\w+)-(\w+) ..x. (\S+) \S+ \S+ *(.*)$/.exec(line) ?? [];
    if (start === '') return [];
    const region = range(start, Number.parseInt(end, 16), name);
    return [{ ...region, offset: Number.parseInt(offset, 16) }];
  });
}

/** Node's list of compiled functions. Where code was replaced, the last one counts. @param {string} text */
function compiledIn(text) {
  /** @type {Map<number, Range>} */
  const found = new Map();
  for (const line of text.split('\n')) {
    const [, start = '', size = '', name = ''] = /^(\w+) (\w+) (.*)$/.exec(line) ?? [];
    if (start === '') continue;
    const entry = range(start, Number.parseInt(start, 16) + Number.parseInt(size, 16), name);
    found.set(entry.start, entry);
  }
  return [...found.values()].toSorted((a, b) => a.start - b.start);
}

/** Of a program that is mapped where it is linked to. @param {string} program @param {string[]} flags */
function symbolsOf(program, ...flags) {
  const text = execFileSync('nm', ['--defined-only', '--demangle', ...flags, program], {
    encoding: 'utf8',
    maxBuffer: 256 << 20,
  });
  const found = text.split('\n').flatMap((line) => {
    const [, start = '', name = ''] = /^(\w+) [tTwWi] (.*)$/.exec(line) ?? [];
    return start === '' ? [] : [range(start, 0, name)];
  });
  const sorted = found.toSorted((a, b) => a.start - b.start);
  return sorted.map((each, at) => ({ ...each, end: sorted[at + 1]?.start ?? Infinity }));
}

/** @param {string} start @param {number} end @param {string} name @returns {Range} */
function range(start, end, name) {
  return { start: Number.parseInt(start, 16), end, name };
}

/** By bisection: ranges are in order. @param {readonly Range[]} ranges @param {number} address */
function find(ranges, address) {
  let [low, high] = [0, ranges.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((ranges[middle]?.start ?? 0) <= address) low = middle + 1;
    else high = middle;
  }
  const found = ranges[low - 1];
  return found !== undefined && address < found.end ? found : undefined;
}

/** `JS:*read file:///…/dist/ioloop.js:1:2` without the folders. @param {string} name */
function shortened(name) {
  return name.replace(/\S*\//, '');
}
