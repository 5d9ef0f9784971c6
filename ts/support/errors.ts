/** The errors of this package: their classes, and a function that makes each. See `docs/errors.md`. */
import { getSystemErrorName } from 'node:util';
import { table, type ErrorCode } from './error-table.js';

/** The codes of {@link IOLoopError}; `docs/errors.md` lists them. */
export type IOLoopErrorCode = Extract<ErrorCode, `ERR_IOLOOP_${string}`>;

/** An operation that a loop, a stream or a server refuses. `code` is the reason. */
export class IOLoopError extends Error {
  static {
    this.prototype.name = 'IOLoopError';
  }

  /** Which error it is; `docs/errors.md` has a section for each. */
  readonly code: IOLoopErrorCode;

  /** @internal */
  constructor(code: IOLoopErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The timeout of an operation has expired. `code` is `ERR_IOLOOP_TIMEOUT`. */
export class TimeoutError extends IOLoopError {
  static {
    this.prototype.name = 'TimeoutError';
  }

  /** An error with this message; `options.cause` is its cause. */
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_IOLOOP_TIMEOUT', message, options);
  }
}

/**
 * The stream is closed, and `code` is `ERR_IOLOOP_STREAM_CLOSED`; or a read has found EOF on a stream
 * that stays open for writing (`allowHalfOpen`), and `code` is `ERR_IOLOOP_STREAM_ENDED`.
 */
export class StreamClosedError extends IOLoopError {
  static {
    this.prototype.name = 'StreamClosedError';
  }

  /** The bytes that a failed `readUntilClose()` had received. */
  declare readonly partial?: Buffer;

  /** @internal */
  constructor(
    code: 'ERR_IOLOOP_STREAM_CLOSED' | 'ERR_IOLOOP_STREAM_ENDED',
    message: string,
    realError: Error | null,
    partial?: Buffer,
  ) {
    super(code, message, realError === null ? undefined : { cause: realError });
    // Not enumerable, so that it is not printed: it may be long.
    if (partial !== undefined) Object.defineProperty(this, 'partial', { value: partial });
  }

  /** The error that closed the stream, its {@link cause}; `null` if its peer or the program did. */
  get realError(): Error | null {
    return (this.cause as Error | undefined) ?? null;
  }
}

/** Whether it is a {@link StreamClosedError}, which a peer can cause at any time. */
export function isStreamClosed(error: unknown): error is StreamClosedError {
  return error instanceof StreamClosedError;
}

/** The delimiter was not found within `maxBytes`. `code` is `ERR_IOLOOP_UNSATISFIABLE_READ`. */
export class UnsatisfiableReadError extends IOLoopError {
  static {
    this.prototype.name = 'UnsatisfiableReadError';
  }
}

/** A buffer of a stream is full. `code` is `ERR_IOLOOP_BUFFER_FULL`. */
export class StreamBufferFullError extends IOLoopError {
  static {
    this.prototype.name = 'StreamBufferFullError';
  }
}

/**
 * A failed system call, in the form of Node's errors: `connect ECONNREFUSED 127.0.0.1:80`.
 */
export interface SystemError extends Error {
  /** The negative errno. */
  readonly errno: number;
  /** The name of `errno`, such as `ECONNREFUSED`. */
  readonly code: string;
  /** The operation that failed. */
  readonly syscall: string;
  /** The file descriptor, if the operation had one. */
  readonly fd?: number;
  /** The IP address of a TCP operation. */
  readonly address?: string;
  /** The port of a TCP operation. */
  readonly port?: number;
  /** The path of a Unix socket. */
  readonly path?: string;
}

/** The object of the system call. */
export type SystemErrorDetails = Pick<SystemError, 'fd' | 'address' | 'port' | 'path'>;

/** `value` is of the wrong type. `expected` continues "must be". */
export function invalidArgType(name: string, value: unknown, expected: string): TypeError {
  const message = table.ERR_INVALID_ARG_TYPE.message(name, value, expected);
  return coded(new TypeError(message), 'ERR_INVALID_ARG_TYPE');
}

/** `value` is of the right type, and not an allowed one. */
export function invalidArgValue(name: string, value: unknown, expected: string): TypeError {
  const message = table.ERR_INVALID_ARG_VALUE.message(name, value, expected);
  return coded(new TypeError(message), 'ERR_INVALID_ARG_VALUE');
}

/** `value` is a number outside of its range. */
export function outOfRange(name: string, value: unknown, expected: string): RangeError {
  const message = table.ERR_OUT_OF_RANGE.message(name, value, expected);
  return coded(new RangeError(message), 'ERR_OUT_OF_RANGE');
}

/** The binary cannot be loaded on the system `where`: two sentences, and the systems that have one. */
export function noBinding(
  where: string,
  reason: string,
  remedy: string,
  systems: string,
  cause: unknown,
): IOLoopError {
  const message = table.ERR_IOLOOP_BINDING.message(where, reason, remedy, systems);
  return new IOLoopError('ERR_IOLOOP_BINDING', message, cause === undefined ? {} : { cause });
}

/** An operation on a closed loop. */
export function closedLoop(): IOLoopError {
  return refusal('ERR_IOLOOP_CLOSED');
}

/** A file that ends at `end`, and was to be sent up to `wanted`. */
export function fileShrank(end: number, wanted: number): IOLoopError {
  return refusal('ERR_IOLOOP_FILE_SHRANK', end, wanted);
}

/** An operation on a closed set of deadlines. */
export function closedDeadlines(): IOLoopError {
  return refusal('ERR_IOLOOP_DEADLINES_CLOSED');
}

/** `makeCurrent: true` where there is a current loop. */
export function currentExists(): IOLoopError {
  return refusal('ERR_IOLOOP_CURRENT_EXISTS');
}

/** `start()` or `close()` of a running loop. */
export function runningLoop(what: 'start' | 'close'): IOLoopError {
  return refusal('ERR_IOLOOP_RUNNING', what);
}

/** Other code has called `stop()` during `runSync()`. */
export function stoppedEarly(): IOLoopError {
  return refusal('ERR_IOLOOP_STOPPED');
}

/** The function of `runSync()` has returned a value that is not a promise. */
export function badYield(value: unknown): IOLoopError {
  return refusal('ERR_IOLOOP_BAD_YIELD', value);
}

/** A call to a loop that has not had a turn for the calls before. */
export function inboxFull(): IOLoopError {
  return refusal('ERR_IOLOOP_INBOX_FULL');
}

/** A value for another thread that `v8.serialize()` has refused with `cause`. */
export function notCloneable(cause: unknown): IOLoopError {
  const message = table.ERR_IOLOOP_NOT_CLONEABLE.message(reasonOf(cause));
  return new IOLoopError('ERR_IOLOOP_NOT_CLONEABLE', message, { cause });
}

/** What a getter or a proxy has thrown may throw itself when it is read. */
function reasonOf(cause: unknown): string {
  try {
    return cause instanceof Error ? cause.message.replace(/\.$/, '') : String(cause);
  } catch {
    return 'reading it fails';
  }
}

/** A call of a function that its loop does not expose, or not any more. */
export function notExposed(name: string): IOLoopError {
  return refusal('ERR_IOLOOP_NOT_EXPOSED', name);
}

/** READ of one of Node's streams that Node consumes. */
export function fdBusy(fd: number): IOLoopError {
  return refusal('ERR_IOLOOP_FD_BUSY', fd);
}

/** A second handler for `fd`. The first was registered at `site`, if that is known. */
export function fdRegistered(fd: number, previous: unknown, site: string | null): IOLoopError {
  return refusal('ERR_IOLOOP_FD_REGISTERED', fd, previous, site);
}

/** `updateHandler` for an `fd` without handler. */
export function fdUnknown(fd: number): IOLoopError {
  return refusal('ERR_IOLOOP_FD_UNKNOWN', fd);
}

/** An argument of `configure()` that is not a class of loops. */
export function invalidSubclass(value: unknown): IOLoopError {
  return refusal('ERR_IOLOOP_SUBCLASS', value);
}

/** An operation on a closed stream. `realError` closed it; `partial` are the bytes of the read. */
export function streamClosed(realError: Error | null, partial?: Buffer): StreamClosedError {
  const message = table.ERR_IOLOOP_STREAM_CLOSED.message(realError);
  return new StreamClosedError('ERR_IOLOOP_STREAM_CLOSED', message, realError, partial);
}

/** A read that has found EOF. `isOpen`: the stream can still be written. */
export function streamEnded(isOpen: boolean): StreamClosedError {
  const code = isOpen ? 'ERR_IOLOOP_STREAM_ENDED' : 'ERR_IOLOOP_STREAM_CLOSED';
  const message = isOpen
    ? table.ERR_IOLOOP_STREAM_ENDED.message()
    : `${table.ERR_IOLOOP_STREAM_CLOSED.message(null)}: its peer has ended it (EOF)`;
  return new StreamClosedError(code, message, null);
}

/** A second read while one waits. */
export function alreadyReading(waiting: string, wanted: string): IOLoopError {
  return refusal('ERR_IOLOOP_READING', waiting, wanted);
}

/** A read whose delimiter is not within `maxBytes`; `what` is `delimiter` or `match for`. */
export function unsatisfiableRead(
  what: string,
  pattern: string,
  maxBytes: number,
): UnsatisfiableReadError {
  const message = table.ERR_IOLOOP_UNSATISFIABLE_READ.message(what, pattern, maxBytes);
  return new UnsatisfiableReadError('ERR_IOLOOP_UNSATISFIABLE_READ', message);
}

/** A buffer that would exceed `maximum` bytes. */
export function bufferFull(
  side: 'read' | 'write' | 'send',
  maximum: number,
): StreamBufferFullError {
  const message = table.ERR_IOLOOP_BUFFER_FULL.message(side, maximum);
  return new StreamBufferFullError('ERR_IOLOOP_BUFFER_FULL', message);
}

/** A connection without a header of the PROXY protocol. `why` is the end of a sentence. */
export function badProxyHeader(why: string): IOLoopError {
  return refusal('ERR_IOLOOP_PROXY_HEADER', why);
}

/** The use of a socket or a stream after its `detach()`. */
export function detachedError(what: 'socket' | 'stream'): IOLoopError {
  return refusal('ERR_IOLOOP_DETACHED', what);
}

/** `attach()` of a token that was attached before. */
export function attachedBefore(token: unknown): IOLoopError {
  return refusal('ERR_IOLOOP_ATTACHED', token);
}

/** `attach()` of a token whose thread has ended. */
export function senderEnded(token: unknown): IOLoopError {
  return refusal('ERR_IOLOOP_SENDER_ENDED', token);
}

/** An operation that the state of a socket refuses. `why` has the state, and what to do. */
export function socketBusy(call: string, why: string): IOLoopError {
  return refusal('ERR_IOLOOP_SOCKET_BUSY', call, why);
}

/** An operation that the state of a server refuses. `message` has the state, and what to do. */
export function serverState(message: string): IOLoopError {
  return refusal('ERR_IOLOOP_SERVER', message);
}

/** The memory of a read or write was transferred or resized, with `lost` received bytes in it. */
export function bufferDetached(call: string, lost: number): IOLoopError {
  return refusal('ERR_IOLOOP_BUFFER_DETACHED', call, lost);
}

/** An operation, `what`, that the state of a stream refuses. */
export function streamBusy(what: string, why: string): IOLoopError {
  return refusal('ERR_IOLOOP_STREAM_BUSY', what, why);
}

/** EOF of a TLS stream without `close_notify`. */
export function tlsTruncated(): IOLoopError {
  return refusal('ERR_IOLOOP_TLS_TRUNCATED');
}

/** EOF in a TLS handshake, with the code of `node:tls`. */
export function tlsHandshakeEnded(): Error {
  const message = 'The peer has ended the connection before the TLS handshake was complete';
  return Object.assign(new Error(message), { code: 'ECONNRESET' });
}

let observer: ((what: string) => void) | null = null;

/** Has `listener` called with the subject of each error of {@link unsupported}. For the suite. */
export function observeRefusals(listener: (what: string) => void): void {
  observer = listener;
}

/** A feature, `what`, that this platform or runtime does not have. `instead` is a sentence: what to do. */
export function unsupported(what: string, instead: string): IOLoopError {
  observer?.(what);
  return refusal('ERR_IOLOOP_UNSUPPORTED', what, instead);
}

/** The handle of a loop, or the token of a descriptor, of another process, `pid`. */
export function otherProcess(thing: 'loop' | 'token', pid: number): IOLoopError {
  return refusal('ERR_IOLOOP_OTHER_PROCESS', thing, pid);
}

/** An operation that the state of a group of workers refuses. `message` has the state, and what to do. */
export function workersState(message: string): IOLoopError {
  return refusal('ERR_IOLOOP_WORKERS', message);
}

/** Workers that cannot begin, or have crashed too often. `why` is the end of a sentence. */
export function workersFailed(why: string, cause: Error | null): IOLoopError {
  const code = 'ERR_IOLOOP_WORKERS_FAILED';
  return new IOLoopError(code, table[code].message(why), cause === null ? undefined : { cause });
}

/**
 * The failure of `syscall` with the negative `errno` of a native function. `hint` is appended to the
 * message.
 */
export function systemError(
  errno: number,
  syscall: string,
  details: SystemErrorDetails = {},
  hint?: string,
): SystemError {
  const code = getSystemErrorName(errno);
  const subject = [syscall, code, subjectOf(details)].filter((part) => part !== '').join(' ');
  hint ??= HINTS[code];
  const error = new Error(hint === undefined ? subject : `${subject}: ${hint}`);
  return Object.assign(error, { errno, code, syscall }, details);
}

/** @throws {@link systemError} for a `result` below 0, of `syscall` on `fd`. */
export function checked(result: number, syscall: string, fd: number): void {
  if (result < 0) throw systemError(result, syscall, { fd });
}

/** Explanations of errnos whose names do not suffice. */
const HINTS: Readonly<Record<string, string>> = {
  EBADF: 'the file descriptor is closed, or was never open',
  EMFILE: 'this process has too many open files, close some or raise its limit (ulimit -n)',
  ENFILE: 'the system has too many open files',
  ENOTSOCK: 'the file descriptor is not a socket',
};

function subjectOf({ fd, address, port, path }: SystemErrorDetails): string {
  if (path !== undefined) return path;
  if (address !== undefined) {
    const host = address.includes(':') ? `[${address}]` : address;
    return port === undefined ? address : `${host}:${port}`;
  }
  return fd === undefined ? '' : `fd ${fd}`;
}

/** As in Node: a class of the language, and a `code`. */
function coded<E extends Error>(error: E, code: ErrorCode): E {
  return Object.assign(error, { code });
}

type Message<C extends IOLoopErrorCode> = (typeof table)[C]['message'];

function refusal<C extends IOLoopErrorCode>(code: C, ...args: Parameters<Message<C>>): IOLoopError {
  const message = table[code].message as (...args: Parameters<Message<C>>) => string;
  return new IOLoopError(code, message(...args));
}

/** Anything can be thrown; streams close with an `Error`. */
export function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
