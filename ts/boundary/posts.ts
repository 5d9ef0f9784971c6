/**
 * The crossings of calls between threads. Faces `crates/ioloop-napi/src/remote`.
 */
import { closedLoop, inboxFull, systemError } from '../support/errors.js';
import { native, type NativeHandle } from './native.js';
import { Records } from './records.js';
import type { ValueWriter } from './values.js';

/** A loop that other threads may call: its own side. Every method is one crossing. */
export class NativePosts {
  readonly #handle: NativeHandle;

  constructor(handle: NativeHandle) {
    this.#handle = handle;
  }

  /**
   * The id of the loop in this process.
   *
   * @throws `EMFILE` and the like.
   */
  id(): number {
    return checked(native.loopRemote(this.#handle));
  }

  /**
   * Lets other threads resolve a name.
   *
   * @throws `EMFILE` and the like.
   */
  expose(name: string, index: number): void {
    checked(native.loopExpose(this.#handle, name, index));
  }

  unexpose(name: string): void {
    checked(native.loopUnexpose(this.#handle, name));
  }

  /** The calls that turns have collected. */
  take(): Records {
    return new Records(native.loopTakePosts(this.#handle));
  }

  /** Refuses posts from now on, and rejects the calls that wait. The posts that were accepted. */
  close(): Records {
    return new Records(native.loopClosePosts(this.#handle));
  }

  /** The calls that were accepted, and the wake-ups that they have caused. */
  counts(): { readonly posts: number; readonly wakes: number } {
    const [posts, wakes] = native.loopPosted(this.#handle) as [number, number];
    return { posts, wakes };
  }

  /** Answers a call. If the loop is closed, it has been rejected. */
  reply(reply: number, status: number, { bytes, length }: ValueWriter): void {
    native.loopReply(this.#handle, reply, status, bytes, length);
  }
}

/** A loop of any thread: the side of its callers. Every method is one crossing. */
export class NativeRemote {
  readonly #handle: ReturnType<typeof open>;

  /** @throws `ERR_IOLOOP_CLOSED` if no open loop has this id. */
  constructor(id: number) {
    this.#handle = open(id);
  }

  /**
   * The index of a function; `null` if the loop does not expose it.
   *
   * @throws `ERR_IOLOOP_CLOSED`.
   */
  resolve(name: string): number | null {
    const index = native.remoteResolve(this.#handle, name);
    if (index >= 0) return index;
    if (index === CLOSED) throw closedLoop();
    return null;
  }

  /** @throws `ERR_IOLOOP_CLOSED`, `ERR_IOLOOP_INBOX_FULL`. */
  post(index: number, { bytes, length }: ValueWriter): void {
    accepted(native.remotePost(this.#handle, index, bytes, length));
  }

  /**
   * Posts a call whose reply comes to `replies`, with this number.
   *
   * @throws `ERR_IOLOOP_CLOSED`, `ERR_IOLOOP_INBOX_FULL`; no reply comes then.
   */
  call(index: number, { bytes, length }: ValueWriter, replies: NativeReplies, call: number): void {
    accepted(native.remoteCall(this.#handle, index, bytes, length, replies.handle, call));
  }
}

/** The replies to the calls of this thread. */
export class NativeReplies {
  readonly handle: ReturnType<typeof native.repliesOpen>;

  /** `wake` is called when there are some. Does not keep the process alive. */
  constructor(wake: () => void) {
    this.handle = native.repliesOpen(wake);
  }

  /** The replies since the last call. */
  take(): Records {
    return new Records(native.repliesTake(this.handle));
  }
}

/** `-EBADF`, in all systems. */
const CLOSED = -9;

function open(id: number): Exclude<ReturnType<typeof native.remoteOpen>, number> {
  const opened = native.remoteOpen(id);
  if (typeof opened === 'number') throw closedLoop();
  return opened;
}

function accepted(result: number): void {
  if (result >= 0) return;
  throw result === CLOSED ? closedLoop() : inboxFull();
}

function checked(result: number): number {
  if (result < 0) throw systemError(result, 'remote');
  return result;
}
