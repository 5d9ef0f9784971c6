/** File descriptors and the objects that have one. */
import { invalidArgType, outOfRange } from './errors.js';
import { native } from './native.js';

/**
 * A file descriptor, or an object that has one: a method `fileno()` as in Python, a property `fd`
 * as on `FileHandle`, `tty.ReadStream` and `process.stdin`, or the handle inside of Node's own
 * sockets and pipes (`net.Socket`, a child's `stdout`).
 */
export type FdLike = number | FileLike;

/** An object with a file descriptor. `close` is what {@link closeFd} calls. */
export type FileLike =
  | { fileno(): number; close?(): unknown }
  | { readonly fd: number; close?(): unknown }
  | NodeStreamLike;

/** Node's sockets and pipes: the descriptor is a property of their handle. */
export interface NodeStreamLike {
  readonly destroyed: boolean;
  destroy(error?: Error): unknown;
}

/**
 * The number behind an {@link FdLike}.
 *
 * @throws `ERR_INVALID_ARG_TYPE` when there is none, `ERR_OUT_OF_RANGE` when it is negative or
 * larger than a C `int`. Whether it is open, the kernel tells.
 */
export function fdOf(fd: FdLike): number {
  const number = typeof fd === 'object' && fd !== null ? fdInside(fd) : fd;
  if (typeof number !== 'number') {
    throw invalidArgType('fd', fd, 'a file descriptor, or an object with fileno() or .fd');
  }
  if (!Number.isInteger(number) || number < 0 || number > MAX_FD) {
    throw outOfRange('fd', number, `an integer from 0 to ${MAX_FD}`);
  }
  return number;
}

/** Whether an object had a descriptor and has lost it: it was closed. */
export function isClosedFile(fd: FdLike): boolean {
  if (typeof fd !== 'object' || fd === null) return false;
  const number = fdInside(fd);
  return number === -1 || number === null || number === undefined;
}

/**
 * Closes a file descriptor: an object by its `close()` (Node's streams by `destroy()`), a number
 * by `close(2)`. What the operating system says to it is ignored, as documented; it is for
 * `IOLoop.close({ allFds: true })` and subclasses.
 *
 * @throws What an object's `close()` throws, unless it is a system error (with an `errno`).
 */
export function closeFd(fd: FdLike): void {
  try {
    if (typeof fd === 'number') native.fdClose(fdOf(fd));
    else if (typeof fd === 'object' && fd !== null) closeObject(fd);
    else fdOf(fd);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

function closeObject(file: FileLike): void {
  const { close, destroy } = file as { close?: unknown; destroy?: unknown };
  const method = typeof close === 'function' ? close : destroy;
  if (typeof method !== 'function') {
    native.fdClose(fdOf(file));
    return;
  }
  const result: unknown = method.call(file);
  // FileHandle.close() gives a promise, which fails for a descriptor that is closed already.
  if (result instanceof Promise) result.catch(() => {});
}

function fdInside(file: object): unknown {
  const { fileno, fd, _handle } = file as {
    fileno?: unknown;
    fd?: unknown;
    _handle?: { fd?: unknown } | null;
  };
  if (typeof fileno === 'function') return fileno.call(file) as unknown;
  return typeof fd === 'number' ? fd : _handle?.fd;
}

function isSystemError(error: unknown): boolean {
  return error instanceof Error && typeof (error as { errno?: unknown }).errno === 'number';
}

const MAX_FD = 0x7fff_ffff;
