/** `stream.sendFile()`: the bytes of a file, in the place of a write. */
import type { FileHandle } from 'node:fs/promises';
import { Wait, type WaitOptions } from '../loop/wait.js';
import { checkInteger, checkOptions } from '../support/checks.js';
import { Deferred, quiet } from '../support/deferred.js';
import {
  fileShrank,
  invalidArgType,
  invalidArgValue,
  outOfRange,
  toError,
} from '../support/errors.js';
import type { HeldWriter } from './held-writer.js';
import type { Stream } from './stream.js';

/** Options of {@link IOStream.sendFile}. */
export interface SendFileOptions extends WaitOptions {
  /** The first byte; by default 0. */
  readonly offset?: number | undefined;
  /** The number of bytes; by default up to the end of the file at the time of the call. */
  readonly length?: number | undefined;
}

/** A path, or a file that is open for reading. */
export type FileSource = string | URL | Buffer | FileHandle;

/** See `IOStream.sendFile`. @throws Wrong arguments, and the error of a closed stream. */
export function sendFile(
  core: Stream,
  file: FileSource,
  options: SendFileOptions = {},
): Promise<number> {
  checkOptions(options);
  const { offset, length, timeout, signal } = options;
  checkInteger('offset', offset ?? 0, 0, Number.MAX_SAFE_INTEGER);
  if (length !== undefined) checkInteger('length', length, 0, Number.MAX_SAFE_INTEGER);
  if (!isPath(file) && !isHandle(file)) {
    throw invalidArgType('file', file, 'a path or a FileHandle');
  }
  if (core.closed || core.isEnding || core.isWriteEnded) throw core.closedError();
  return new FileSending(core, { offset, length }, { timeout, signal }).run(file);
}

/** One file on its way. It has the place of a write from the call on, before the file is open. */
class FileSending {
  readonly #core: Stream;
  readonly #range: Pick<SendFileOptions, 'offset' | 'length'>;
  readonly #wait: Wait;
  readonly #writer: HeldWriter;
  readonly #result = new Deferred<number>();
  /** Bytes that were written. */
  #written = 0;
  /** The reason of a timeout or an abort. */
  #expired: { readonly error: unknown } | null = null;

  constructor(
    core: Stream,
    range: Pick<SendFileOptions, 'offset' | 'length'>,
    limits: WaitOptions,
  ) {
    this.#core = core;
    this.#range = range;
    this.#wait = new Wait(core.loop, limits, 'sendFile()', (error) => {
      this.#expire(error);
    });
    this.#writer = core.holdWriter();
  }

  /** The number of bytes. */
  run(file: FileSource): Promise<number> {
    this.#job(file).then(this.#result.resolve, this.#result.reject);
    return this.#result.promise;
  }

  async #job(file: FileSource): Promise<number> {
    let opened: FileHandle | null = null;
    try {
      if (isPath(file)) opened = await opening(file);
      const handle = opened ?? (file as FileHandle);
      const [start, count] = await rangeOf(handle, this.#range);
      this.#check();
      await this.#send(handle, start, count);
      return count;
    } catch (error) {
      // A part of a file cannot be taken back.
      if (this.#written > 0) this.#core.cut(toError(error));
      throw error;
    } finally {
      this.#wait.done();
      this.#core.releaseWriter(this.#writer);
      await opened?.close();
    }
  }

  /** Reads a chunk while the one before is sent. */
  async #send(file: FileHandle, start: number, count: number): Promise<void> {
    const { below } = this.#writer;
    this.#writer.left = count + 1;
    // What was written before may leave no room for a chunk.
    if (count > 0) await below.write(NOTHING);
    const { maxBufferSize } = this.#core.limits.writer;
    const size = Math.min(CHUNK, maxBufferSize, count);
    let [spare, busy] = [Buffer.allocUnsafeSlow(size), NOTHING];
    let sent = Promise.resolve();
    for (let at = 0; at < count;) {
      const most = Math.min(size, count - at);
      const { bytesRead } = await file.read(spare, 0, most, start + at);
      await sent;
      this.#check();
      if (bytesRead === 0) throw fileShrank(start + at, start + count);
      at += bytesRead;
      this.#written = at;
      this.#writer.left = count - at + 1;
      // It is awaited after the next read, which may fail first.
      sent = quiet(below.write(spare.subarray(0, bytesRead)));
      if (busy === NOTHING) busy = Buffer.allocUnsafeSlow(size);
      [spare, busy] = [busy, spare];
    }
    await sent;
    this.#check();
  }

  #check(): void {
    if (this.#expired !== null) throw this.#expired.error;
  }

  /** Rejects at once. The peer may never take the rest of a part: that stream is closed. */
  #expire(error: unknown): void {
    this.#expired = { error };
    this.#result.reject(error);
    if (this.#written > 0) this.#core.cut(toError(error));
  }
}

async function opening(path: string | URL | Buffer): Promise<FileHandle> {
  // Where there are no files, other streams work.
  const { constants, open } = await import('node:fs/promises');
  // Otherwise a FIFO would occupy a thread until it has a writer.
  return open(path, constants.O_RDONLY | ((constants.O_NONBLOCK as number | undefined) ?? 0));
}

/**
 * The first byte, and the number of bytes.
 *
 * @throws `ERR_INVALID_ARG_VALUE` unless it is a regular file, `ERR_OUT_OF_RANGE`.
 */
async function rangeOf(
  file: FileHandle,
  { offset = 0, length }: Pick<SendFileOptions, 'offset' | 'length'>,
): Promise<[start: number, count: number]> {
  const stat = await file.stat();
  if (!stat.isFile()) {
    const expected = 'a regular file: read others by IOStream.fromFd() and pump()';
    throw invalidArgValue('file', file, expected);
  }
  const rest = stat.size - offset;
  if (rest < 0) throw outOfRange('offset', offset, `at most the size of the file, ${stat.size}`);
  if (length !== undefined && length > rest) {
    throw outOfRange('length', length, `at most what follows the offset, ${rest} bytes`);
  }
  return [offset, length ?? rest];
}

function isPath(file: unknown): file is string | URL | Buffer {
  return typeof file === 'string' || file instanceof URL || Buffer.isBuffer(file);
}

/** Structurally: `FileHandle` is not exported, and may be of another realm. */
function isHandle(file: unknown): file is FileHandle {
  if (typeof file !== 'object' || file === null) return false;
  const { read, stat } = file as Partial<FileHandle>;
  return typeof read === 'function' && typeof stat === 'function';
}

const NOTHING = Buffer.alloc(0);
/** Bytes of one read. Two are on their way. */
const CHUNK = 128 * 1024;
