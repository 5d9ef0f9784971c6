/**
 * Pipes of the kernel, through which bytes move from socket to socket without a copy.
 *
 * A pipe is taken for bytes that are there to be moved, and released when they are sent: an idle
 * connection has none. Few of a thread's pipes are kept for the next bytes, and none without a user
 * ({@link usePipes}). Where no pipe is to be had (the bound, `EMFILE`), bytes go through memory.
 */
import { constants } from 'node:os';
import { capacities } from '../support/capacities.js';
import { capabilities } from './capabilities.js';
import { native } from './native.js';

/** Bytes of a pipe, about: the kernel counts pages, and a page may have few bytes. */
export const PIPE_BYTES = 256 * 1024;

/** A pipe. It has one owner, which fills it only when it is empty. */
export class Pipe {
  /** Bytes in the pipe. */
  held = 0;
  /** Bytes that the last {@link fill} or {@link pass} has taken from its source. */
  taken = 0;
  /** The error of the source after these bytes, a negative errno; 0 without one. It is reported once. */
  failure = 0;
  /** That of the sink, likewise: the next {@link drain} reports it. */
  sinkFailure = 0;
  /** The reading end, and the writing one. For a passage of the core, which has them until {@link takeBack}. */
  readonly ends: Int32Array;

  constructor(ends: Int32Array) {
    this.ends = ends;
  }

  /** The pipe is back from a passage, with what that has left in it, and what it has found behind these bytes. */
  takeBack(held: number, failure: number, sinkFailure: number): void {
    this.taken = this.held = held;
    this.failure = failure;
    this.sinkFailure = sinkFailure;
  }

  /** Fills the pipe, which is empty, from a socket. The number of bytes, 0 at EOF, or an errno. */
  fill(fd: number, most: number): number {
    const count = native.spliceIn(fd, this.ends[1] as number, Math.min(most, PIPE_BYTES));
    this.taken = this.held = Math.max(count, 0);
    this.failure = this.sinkFailure = 0;
    return count;
  }

  /**
   * Moves about `most` bytes, in pieces, through the pipe, which is empty, to another socket. Those
   * that the socket has no room for are {@link held}. The result is that of {@link fill}.
   */
  pass(fd: number, to: number, most: number): number {
    const count = native.spliceThrough(fd, this.ends, to, Math.min(most, PIPE_BYTES), most, left);
    this.taken = Math.max(count, 0);
    this.held = count > 0 ? (left[0] as number) : 0;
    this.failure = count > 0 ? (left[1] as number) : 0;
    this.sinkFailure = count > 0 ? (left[2] as number) : 0;
    return count;
  }

  /**
   * Sends the first `length` bytes to a socket. The number of bytes, which is less only if the socket
   * is full or has failed ({@link sinkFailure}), or a negative errno.
   */
  drain(fd: number, length: number): number {
    const failure = this.sinkFailure;
    if (failure !== 0) {
      this.sinkFailure = 0;
      return failure;
    }
    const count = native.spliceOut(this.ends[0] as number, fd, length, left);
    if (count > 0) {
      this.held -= count;
      this.sinkFailure = left[0] as number;
    }
    return count;
  }

  /** Gives the pipe back. Bytes in it are lost. */
  release(): void {
    open -= 1;
    if (this.held === 0 && users > 0 && spares.length < MOST_SPARES) spares.push(this);
    else this.close();
  }

  close(): void {
    for (const end of this.ends) native.fdClose(end);
  }
}

/** An empty pipe; `null` if there is none now. */
export function takePipe(): Pipe | null {
  if (open >= capacities.pipes) return null;
  const pipe = spares.pop() ?? openPipe();
  if (pipe !== null) open += 1;
  return pipe;
}

/** Someone may take pipes from now on, until {@link leavePipes}. */
export function usePipes(): void {
  users += 1;
}

/** Closes the spare pipes with the last user. */
export function leavePipes(): void {
  users -= 1;
  if (users > 0) return;
  for (const pipe of spares.splice(0)) pipe.close();
}

/** The errors of a socket that cannot be spliced, or of a system that forbids it: read it instead. */
export function isUnspliceable(errno: number): boolean {
  return UNSPLICEABLE.has(-errno);
}

function openPipe(): Pipe | null {
  if (!capabilities.splice) return null;
  const ends = new Int32Array(2);
  return native.pipeOpen(ends, PIPE_BYTES) < 0 ? null : new Pipe(ends);
}

const { EINVAL, ENOSYS, EPERM, EACCES, EOPNOTSUPP } = constants.errno;
const UNSPLICEABLE: ReadonlySet<number> = new Set([EINVAL, ENOSYS, EPERM, EACCES, EOPNOTSUPP]);

/** What a call has left. */
const left = new Int32Array(3);
/** The pipes that are not in use: they are empty. */
const spares: Pipe[] = [];
/** The number of pipes in use. */
let open = 0;
let users = 0;
/** Pipes that are kept: most are empty again at once. */
const MOST_SPARES = 8;
