/** `RemoteLoop`: a loop of any thread of this process, by its handle. */
import { NativeRemote } from '../boundary/posts.js';
import { ValueWriter } from '../boundary/values.js';
import { invalidArgType, invalidArgValue, notExposed } from '../support/errors.js';
import type { Callback } from './callback-queue.js';
import { STOP } from './posts.js';
import { repliesOfThread } from './replies.js';

/** Functions by name, for {@link IOLoop.expose}. */
export type ExposedFunctions = Readonly<Record<string, Callback>>;

/** Functions of unknown types: what {@link IOLoop.fromRemote} has without a type argument. */
export type UnknownFunctions = Readonly<Record<string, (...args: unknown[]) => unknown>>;

/** The result of a function, as a caller in another thread gets it. */
export type RemoteResult<F extends Callback> = Promise<Awaited<ReturnType<F>>>;

/**
 * The name of a loop in its process: a plain object, for `workerData` and `postMessage()`.
 * {@link IOLoop.fromRemote} makes a {@link RemoteLoop} of it.
 */
export interface RemoteHandle {
  /** The id of the loop. Ids are not used again. */
  readonly ioloop: number;
  /** The process of the loop. */
  readonly pid: number;
}

/**
 * A loop of any thread of this process, made by {@link IOLoop.fromRemote}. `T` are the functions that
 * the loop has exposed.
 *
 * Arguments and results are copied, as by structured clone: numbers, strings, booleans, `null`,
 * `undefined`, `Buffer`s and `Uint8Array`s without being serialised, if the arguments of a call are
 * below 8 KiB; all else by `v8.serialize()`. Functions, `SharedArrayBuffer`s and `MessagePort`s are
 * refused with `ERR_IOLOOP_NOT_CLONEABLE`; nothing is transferred.
 *
 * Calls of one thread arrive in the order in which they were made.
 *
 * Does not keep the process alive. A {@link call} that waits does.
 */
export class RemoteLoop<T extends ExposedFunctions = UnknownFunctions> {
  readonly #native: NativeRemote;
  readonly #indices = new Map<string, number>();

  /** @internal */
  constructor(handle: RemoteHandle) {
    this.#native = new NativeRemote(checkHandle(handle));
  }

  /**
   * Calls an exposed function in the next turn of the loop, outside of any async context, and does
   * not wait. What it throws goes to `handleCallbackException()` of the loop. A loop that is stopped
   * keeps the call until it runs again; if it is closed instead, the function runs in `close()`.
   *
   * A call that was accepted runs exactly once, unless the thread of the loop ends without closing
   * it. After a `throw` of this method it does not run.
   *
   * @throws `ERR_IOLOOP_CLOSED`; `ERR_IOLOOP_INBOX_FULL` if 65,536 calls wait for the next turn;
   * `ERR_IOLOOP_NOT_EXPOSED`; `ERR_IOLOOP_NOT_CLONEABLE`; `ERR_INVALID_ARG_TYPE`.
   */
  addCallback<N extends keyof T & string>(name: N, ...args: Parameters<T[N]>): void {
    const index = this.#resolve(name);
    writer.write(args);
    this.#native.post(index, writer);
  }

  /**
   * Calls an exposed function in the next turn of the loop. Resolves to what it returns, or its
   * promise resolves to; rejects with what it throws. An error keeps its name, message, stack and
   * `code`.
   *
   * Rejects with `ERR_IOLOOP_CLOSED` as soon as the loop is closed or its thread has ended, whether
   * the function has run or not; otherwise with what {@link addCallback} throws.
   */
  async call<N extends keyof T & string>(name: N, ...args: Parameters<T[N]>): RemoteResult<T[N]> {
    const index = this.#resolve(name);
    writer.write(args);
    const result = await repliesOfThread().expect(name, (replies, call) => {
      this.#native.call(index, writer, replies, call);
    });
    return result as Awaited<ReturnType<T[N]>>;
  }

  /**
   * Calls `stop()` of the loop in its next turn, in the order of the other calls.
   *
   * @throws `ERR_IOLOOP_CLOSED`, `ERR_IOLOOP_INBOX_FULL`.
   */
  stop(): void {
    writer.write([]);
    this.#native.post(STOP, writer);
  }

  #resolve(name: string): number {
    const known = this.#indices.get(name);
    if (known !== undefined) return known;
    if (typeof name !== 'string') throw invalidArgType('name', name, 'a string');
    const index = this.#native.resolve(name);
    if (index === null) throw notExposed(name);
    this.#indices.set(name, index);
    return index;
  }
}

/** Of this thread: a list of values is posted before the next one is written. */
const writer = new ValueWriter();

function checkHandle(handle: RemoteHandle): number {
  const { ioloop, pid } = (handle as Partial<RemoteHandle> | null | undefined) ?? {};
  if (typeof ioloop !== 'number' || typeof pid !== 'number') {
    throw invalidArgType('handle', handle, 'a handle of loop.remote()');
  }
  if (pid !== process.pid) {
    throw invalidArgValue('handle', handle, 'a handle of a loop of this process');
  }
  return ioloop;
}
