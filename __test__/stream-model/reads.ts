/** The kinds of reads, each with what it may give for the bytes that have not been read. */
import type { IOStream, ReadOptions } from 'ioloop';

/** The bytes of the model that were sent and not read. */
export interface Read {
  /** For reports of failures. */
  toString(): string;
  start(stream: IOStream, options: ReadOptions): Promise<Uint8Array>;
  /**
   * How many bytes the result may have when so much is there: `[least, most]`; `null` when it has
   * to wait, `'never'` when it can only fail.
   */
  lengths(rest: string): readonly [least: number, most: number] | null | 'never';
  /** The bytes stay. */
  readonly peeks?: boolean;
  /** Waits for EOF, and takes everything. */
  readonly untilEnd?: boolean;
}

export const exact = (count: number): Read => ({
  toString: () => `readBytes(${count})`,
  start: (stream, options) => stream.readBytes(count, options),
  lengths: ({ length }) => (length >= count ? [count, count] : null),
});

export const partial = (count: number): Read => ({
  toString: () => `readBytes(${count}, partial)`,
  start: (stream, options) => stream.readBytes(count, { ...options, partial: true }),
  lengths: ({ length }) => (length > 0 ? [1, Math.min(count, length)] : null),
});

export const into = (count: number, isPartial: boolean): Read => ({
  toString: () => `readInto(${count}, partial: ${isPartial})`,
  start: async (stream, options) => {
    const memory = Buffer.alloc(count, UNTOUCHED);
    let size = 0;
    try {
      size = await stream.readInto(memory, { ...options, partial: isPartial });
      return memory.subarray(0, size);
    } finally {
      // The memory is the user's again: whatever is received now goes elsewhere.
      watched.push(memory.subarray(size).fill(UNTOUCHED));
    }
  },
  lengths: ({ length }) => {
    const least = isPartial ? 1 : count;
    return length >= least ? [least, Math.min(count, length)] : null;
  },
});

export const until = (delimiter: string, maxBytes: number): Read => ({
  toString: () => `readUntil(${JSON.stringify(delimiter)}, ${maxBytes})`,
  start: (stream, options) =>
    stream.readUntil(delimiter, { ...options, maxBytes, closeOnLimit: false }),
  lengths: (rest) => {
    const at = rest.indexOf(delimiter);
    return limited(at < 0 ? -1 : at + delimiter.length, rest, maxBytes);
  },
});

/** Of patterns whose match cannot grow when more arrives. */
export const regex = (source: string, maxBytes: number): Read => ({
  toString: () => `readUntilRegex(/${source}/, ${maxBytes})`,
  start: (stream, options) =>
    stream.readUntilRegex(new RegExp(source), { ...options, maxBytes, closeOnLimit: false }),
  lengths: (rest) => {
    const found = new RegExp(source).exec(rest);
    return limited(found === null ? -1 : found.index + found[0].length, rest, maxBytes);
  },
});

function limited(end: number, rest: string, maxBytes: number): [number, number] | null | 'never' {
  if (end >= 0 && end <= maxBytes) return [end, end];
  return end >= 0 || rest.length >= maxBytes ? 'never' : null;
}

export const peek = (count: number): Read => ({
  toString: () => `peek(${count})`,
  start: (stream, options) => stream.peek(count, options),
  lengths: ({ length }) => (length >= count ? [count, count] : null),
  peeks: true,
});

/** One step of an iteration, which is left then. */
export const chunk: Read = {
  toString: () => 'chunks()',
  start: async (stream, options) => {
    for await (const bytes of stream.chunks(options)) return bytes;
    throw ENDED;
  },
  lengths: ({ length }) => (length > 0 ? [1, length] : null),
};

export const untilClose: Read = {
  toString: () => 'readUntilClose()',
  start: (stream, options) => stream.readUntilClose(options),
  lengths: () => null,
  untilEnd: true,
};

/** What {@link chunk} fails with when the iteration was over. */
export const ENDED = new Error('the iteration is over');

/** Whether memory of reads that are over was written to since. */
export function takeWatched(): boolean {
  return watched.splice(0).some((memory) => memory.some((byte) => byte !== UNTOUCHED));
}

const watched: Buffer[] = [];
/** In no message. */
const UNTOUCHED = 0xee;
