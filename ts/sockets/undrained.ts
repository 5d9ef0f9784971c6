/**
 * What the sources of this thread were reported ready for and have not been drained of, by number.
 *
 * The kernel reports a change once. A handler that reads less than everything has to be called
 * again; one that has read everything has not. Whoever reads or writes through this package leaves
 * the proof here, and the loop looks it up after the handler.
 */

/** Bytes to read, or an end of file. */
export const READ = 0x01;

/**
 * Beside {@link READ}: there is an urgent mark, at which a read stops short with more behind it. The
 * loop watches it for every source that is watched for reading (Linux).
 */
export const URGENT = 0x02;

/** Room to write. */
export const WRITE = 0x04;

/**
 * The event said that the peer has closed: an end of file waits behind the data, for which no
 * further event comes. A short read proves nothing then.
 */
export const READ_CLOSED = 0x20;

/** A source was reported ready for `bits`. */
export function mark(fd: number, bits: number): void {
  if (fd >= table.length) {
    if (fd >= MAX_FDS) return;
    grow(fd);
  }
  table[fd] = (table[fd] as number) | (bits & TRACKED);
}

/** The source has nothing more to read, or no more room: the system said so. */
export function drained(fd: number, bits: number): void {
  if (fd < table.length) table[fd] = (table[fd] as number) & ~bits;
}

/**
 * A read gave less than was asked for. Only for sources where that means that nothing is left: TCP
 * sockets (see `Socket.provesByShortRead`), unless the peer has closed or an urgent mark was seen. A
 * mark that comes later comes with an event of its own.
 */
export function readShort(fd: number): void {
  if (fd < table.length && ((table[fd] as number) & (READ_CLOSED | URGENT)) === 0) {
    drained(fd, READ);
  }
}

/** Whether the source was reported ready for one of `bits` and not drained of it since. */
export function isUndrained(fd: number, bits: number): boolean {
  if (fd >= MAX_FDS) return true;
  return fd < table.length && ((table[fd] as number) & bits & (READ | WRITE)) !== 0;
}

/** The number is closed, or open anew: nothing is known of it. */
export function forget(fd: number): void {
  if (fd < table.length) table[fd] = 0;
}

/** Larger numbers, beyond the usual limit of open files, always count as undrained. */
const MAX_FDS = 2 ** 20;
const FIRST_SIZE = 1024;
const TRACKED = READ | WRITE | READ_CLOSED | URGENT;

let table = new Uint8Array(FIRST_SIZE);

/** To the next power of two above `fd`. */
function grow(fd: number): void {
  const larger = new Uint8Array(2 ** (32 - Math.clz32(fd)));
  larger.set(table);
  table = larger;
}
