/** `RemoteLoop`: a loop of any thread of this process, by its handle. */
import type { Lane } from '../boundary/lane.js';
import { packageCopy } from '../boundary/posts.js';
import { invalidArgType, invalidArgValue, notExposed, otherProcess } from '../support/errors.js';
import { INSPECT, viewOf } from '../support/inspect.js';
import type { Callback } from './callback-queue.js';
import { STOP } from './posts.js';
import { repliesOfThread } from './replies.js';

/**
 * Functions by name, for {@link IOLoop.expose}: an object, or of the names of `T`. An interface without
 * an index signature is one as well.
 */
export type ExposedFunctions<T = Readonly<Record<string, Callback>>> = {
  readonly [N in keyof T]: Callback;
};

/** Functions of unknown types: what {@link IOLoop.fromRemote} has without a type argument. */
export type UnknownFunctions = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** The result of a function, as a caller in another thread gets it. */
export type RemoteResult<F extends Callback> = Promise<Awaited<ReturnType<F>>>;

/**
 * The name of a loop in its process: a plain object, for `workerData` and `postMessage()`.
 * {@link IOLoop.fromRemote} makes a {@link RemoteLoop} of it.
 */
export interface RemoteHandle {
  /** The id of the loop in its copy of the package. Ids are not used again. */
  readonly ioloop: number;
  /** The copy of the package that has made the loop: a number that differs from those of other copies. */
  readonly copy: number;
  /** The process of the loop. */
  readonly pid: number;
  /** The `threadId` of its thread. */
  readonly thread: number;
}

/**
 * A loop of any thread of this process, made by {@link IOLoop.fromRemote}. `T` are the functions that
 * the loop has exposed.
 *
 * Arguments and results are copied, as by structured clone, but a `Buffer` stays one. If those of a
 * call are below 8 KiB, and are numbers, strings, booleans, `null`, `undefined`, `Buffer`s,
 * `Uint8Array`s, dates, or plain objects, arrays, maps and sets of them, they are written to memory
 * that both threads share; all else is serialised by `v8.serialize()`. Functions are
 * refused with `ERR_IOLOOP_NOT_CLONEABLE`, and so is a `Proxy`, unless it shows one of these values.
 *
 * Arguments may be or contain `SharedArrayBuffer`s, which both threads then have, and {@link transfer}
 * transfers `ArrayBuffer`s and `MessagePort`s. Such calls cost as much as a message of a `MessagePort`.
 * Results are only copied.
 *
 * Calls of one thread arrive in the order in which they were made.
 *
 * Does not keep the process alive. A {@link call} that waits does.
 */
export class RemoteLoop<T extends ExposedFunctions<T> = UnknownFunctions> {
  readonly #handle: RemoteHandle;
  readonly #lane: Lane;
  readonly #indices = new Map<string, number>();

  /** @internal */
  constructor(handle: RemoteHandle) {
    const { ioloop, thread } = (this.#handle = checked(handle));
    this.#lane = repliesOfThread().laneTo(ioloop, thread);
  }

  /**
   * Calls an exposed function in the next turn of the loop, outside of any async context, and does
   * not wait. What it throws goes to `handleCallbackException()` of the loop. A loop that is stopped
   * keeps the call until it runs again; if it is closed instead, the function runs in `close()`.
   *
   * A call that was accepted runs exactly once, unless the thread of the loop ends without closing
   * it. After a `throw` of this method it does not run. The exception is a call with a transfer, a port
   * or shared memory: if the loop is closed before these have arrived (only the first such call of a
   * thread has to wait for them), `ERR_IOLOOP_NOT_CLONEABLE` goes to `handleCallbackException()` instead.
   *
   * @throws `ERR_IOLOOP_CLOSED`; `ERR_IOLOOP_INBOX_FULL` if 65,536 calls of this thread, or
   * calls with 64 MiB of large arguments, wait for the next turn;
   * `ERR_IOLOOP_NOT_EXPOSED`; `ERR_IOLOOP_NOT_CLONEABLE`; `ERR_INVALID_ARG_TYPE`.
   */
  addCallback<N extends keyof T & string>(name: N, ...args: Parameters<T[N]>): void {
    this.#lane.post(this.#resolve(name), NO_REPLY, args);
  }

  /**
   * Calls an exposed function in the next turn of the loop. Resolves to what it returns, or its
   * promise resolves to; rejects with what it throws. An error keeps its name, message, stack and
   * `code`.
   *
   * Rejects with `ERR_IOLOOP_CLOSED` as soon as the loop is closed or its thread has ended, whether
   * the function has run or not; otherwise with what {@link addCallback} throws.
   */
  call<N extends keyof T & string>(name: N, ...args: Parameters<T[N]>): RemoteResult<T[N]> {
    try {
      const result = repliesOfThread().call(this.#lane, this.#resolve(name), name, args);
      return result as RemoteResult<T[N]>;
    } catch (error) {
      // eslint-disable-next-line prefer-promise-reject-errors
      return Promise.reject(error);
    }
  }

  /**
   * Calls `stop()` of the loop in its next turn, in the order of the other calls.
   *
   * @throws `ERR_IOLOOP_CLOSED`, `ERR_IOLOOP_INBOX_FULL`.
   */
  stop(): void {
    this.#lane.post(STOP, NO_REPLY, []);
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    if (!(#handle in this)) return viewOf(this, {});
    const { ioloop, pid, thread } = this.#handle;
    return viewOf(this, { ioloop, pid, thread });
  }

  #resolve(name: string): number {
    const known = this.#indices.get(name);
    if (known !== undefined) return known;
    if (typeof name !== 'string') throw invalidArgType('name', name, 'a string');
    const index = this.#lane.resolve(name);
    if (index === null) throw notExposed(name);
    this.#indices.set(name, index);
    return index;
  }
}

/** The number of a call that waits for no reply. */
const NO_REPLY = 0;

function checked(handle: RemoteHandle): RemoteHandle {
  // The properties once: a getter may give another value each time.
  const { ioloop, copy, pid, thread } = (handle as Partial<RemoteHandle> | null | undefined) ?? {};
  if (
    typeof ioloop !== 'number' ||
    typeof copy !== 'number' ||
    typeof pid !== 'number' ||
    typeof thread !== 'number'
  ) {
    throw invalidArgType('handle', handle, 'a handle of loop.remote()');
  }
  if (pid !== process.pid) throw otherProcess('loop', pid);
  if (copy !== packageCopy()) throw invalidArgValue('handle', handle, OF_THIS_COPY);
  return { ioloop, copy, pid, thread };
}

const OF_THIS_COPY =
  'a handle of loop.remote() of this copy of ioloop, and not of a second one ("npm ls ioloop")';
