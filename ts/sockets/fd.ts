/** File descriptors and the objects that have one. */
import { fstatSync, type Stats } from 'node:fs';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { checkNumber, ownerOf, type Descriptor } from './descriptor.js';
import { fdBusy, systemError, type SystemError } from '../support/errors.js';
import { native } from '../boundary/native.js';
import { descriptorOf } from './socket.js';

/**
 * A file descriptor, or an object that has one: a method `fileno()` as in Python, a property `fd`
 * as on `FileHandle`, `tty.ReadStream` and `process.stdin`, or the handle inside of Node's own
 * sockets and pipes (`net.Socket`, a child's `stdout`).
 */
export type FdLike = number | FileLike;

/** An object with a file descriptor. */
export type FileLike =
  | {
      /** The file descriptor; -1 if it is closed. */
      fileno(): number;
      /** Called by {@link IOLoop.closeFd}. */
      close?(): unknown;
    }
  | {
      /** The file descriptor; -1 if it is closed. */
      readonly fd: number;
      /** Called by {@link IOLoop.closeFd}. */
      close?(): unknown;
    }
  | NodeStreamLike;

/** Node's sockets and pipes: the descriptor is a property of their handle. */
export interface NodeStreamLike {
  /** True after {@link destroy} or an error. */
  readonly destroyed: boolean;
  /** Closes the stream. Called by {@link IOLoop.closeFd}. */
  destroy(error?: Error): unknown;
}

/**
 * The number of an {@link FdLike}. Does not check that it is open.
 *
 * @throws `ERR_INVALID_ARG_TYPE` if `fd` has no number, `EBADF` if the object is closed (its number
 * is -1), `ERR_OUT_OF_RANGE` for a number that is negative or larger than a C `int`.
 */
export function fdOf(fd: FdLike): number {
  if (typeof fd !== 'object' || fd === null) return checkNumber(fd, fd);
  const number = fdInside(fd);
  if (number === -1) {
    throw descriptorOf(fd)?.goneError('fileno') ?? systemError(-EBADF, 'fileno', { fd: -1 });
  }
  return checkNumber(number, fd);
}

/** The `Descriptor` of `fd`, whose number is `number`; `null` if this package does not own it. */
export function descriptorBehind(fd: FdLike, number: number): Descriptor | null {
  return descriptorOf(fd) ?? ownerOf(number);
}

/** True for an object that had a descriptor and was closed. */
export function isClosedFile(fd: FdLike): boolean {
  if (typeof fd !== 'object' || fd === null) return false;
  const number = fdInside(fd);
  return number === -1 || number === null || number === undefined;
}

/**
 * Closes a file descriptor: an object by its `close()` (Node's streams by `destroy()`), a number by
 * `close(2)`. For `IOLoop.close({ allFds: true })` and subclasses. Errors of the operating system
 * are ignored, as in Tornado.
 *
 * @throws Errors of an object's `close()` that are not system errors (without `errno`).
 */
export function closeFd(fd: FdLike): void {
  try {
    if (typeof fd === 'number') closeNumber(fdOf(fd));
    else if (typeof fd === 'object' && fd !== null) closeObject(fd);
    else fdOf(fd);
  } catch (error) {
    if (!isSystemError(error)) throw error;
  }
}

/** Node's reading ahead on one of its own streams. */
export interface ReadAhead {
  /** Stops it: data stays in the kernel. */
  stop(): void;
  /** Lets Node read again, unless the stream was destroyed meanwhile. */
  resume(): void;
}

/**
 * The reading ahead of a stream of Node (a child's `stdout`, a connected `net.Socket`), which would
 * take the data before a handler runs; `null` for other objects.
 *
 * @throws `ERR_IOLOOP_FD_BUSY` if the stream is consumed, or has data already.
 */
export function readAheadOf(file: FdLike): ReadAhead | null {
  const { _handle: handle } = (file ?? {}) as { readonly _handle?: NodeHandle | null };
  if (typeof handle?.readStop !== 'function') return null;
  if (typeof (file as Partial<Readable>).listenerCount !== 'function') return null;
  const isReading = handle.reading === true;
  const { readableFlowing, readableLength } = file as Partial<Readable>;
  const isConsumed = readableFlowing === true || (file as Readable).listenerCount('readable') > 0;
  if (isConsumed || (isReading && readableLength !== 0)) throw fdBusy(fdOf(file));
  return {
    stop: () => {
      // Node starts to read if this is false, a net.Socket after its 'connect' event.
      handle.reading = true;
      if (isReading) handle.readStop();
    },
    resume: () => {
      const { _handle: current } = file as { readonly _handle?: unknown };
      if (current !== handle) return;
      handle.reading = isReading || hasAsked(file as Readable);
      if (handle.reading) handle.readStart();
    },
  };
}

/** True if the stream has requested data from its handle and waits for it. */
function hasAsked(stream: Readable): boolean {
  const { _readableState: state } = stream as { _readableState?: { readonly reading?: boolean } };
  return state?.reading === true;
}

/** The members that Node's handles of sockets and pipes have in all versions. */
interface NodeHandle {
  reading?: boolean;
  readStart(): unknown;
  readStop(): unknown;
}

/**
 * The error of a descriptor that the kernel cannot watch; the message names its kind if that is
 * why.
 */
export function cannotWatch(errno: number, fd: number): SystemError {
  const hint = errno === -EPERM ? `${kindOf(fd)} is always ready, use node:fs for it` : undefined;
  return systemError(errno, 'addHandler', { fd }, hint);
}

function kindOf(fd: number): string {
  let stats: Stats;
  try {
    stats = fstatSync(fd);
  } catch {
    return 'a file';
  }
  if (stats.isFile()) return 'a regular file';
  if (stats.isDirectory()) return 'a directory';
  if (stats.isCharacterDevice()) return 'a device without readiness, such as /dev/null,';
  return stats.isBlockDevice() ? 'a block device' : 'a file';
}

const { EBADF, EPERM } = constants.errno;

/** By its owner, if it has one here: with its registrations, and never again. */
function closeNumber(number: number): void {
  const owner = ownerOf(number);
  if (owner === null) native.fdClose(number);
  else owner.close();
}

function closeObject(file: FileLike): void {
  const { close, destroy } = file as { close?: unknown; destroy?: unknown };
  const method = typeof close === 'function' ? close : destroy;
  if (typeof method !== 'function') {
    closeNumber(fdOf(file));
    return;
  }
  const result: unknown = method.call(file);
  // FileHandle.close() gives a promise, which fails for a descriptor that is closed already.
  if (result instanceof Promise) result.catch(() => {});
}

function fdInside(file: object): unknown {
  const descriptor = descriptorOf(file);
  // Not by its properties, which are for the user.
  if (descriptor !== null) return descriptor.use();
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
