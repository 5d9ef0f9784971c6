/**
 * The calls of this thread to loops of other threads that wait for their results. Results come with
 * a wake-up of Node's loop, so a caller needs no loop of its own.
 *
 * A call that waits keeps its thread alive, as a request of `fs` does. Nothing else here does.
 */
import { native } from '../boundary/native.js';
import { NativeReplies } from '../boundary/posts.js';
import type { Records } from '../boundary/records.js';
import { readValues } from '../boundary/values.js';
import { Deferred } from '../support/deferred.js';
import { closedLoop, notExposed } from '../support/errors.js';
import { setTimeout } from '../support/host.js';
import { failureOf } from './remote-failure.js';

const { REPLY_CLOSED, REPLY_NOT_EXPOSED, REPLY_RETURNED } = native;

/** A call that waits. */
interface Pending {
  readonly name: string;
  readonly result: Deferred<unknown>;
}

/** The limit of the host's `setTimeout()`, about 25 days. */
const LONGEST_DELAY = 0x7fff_ffff;

/** The replies to one thread. */
class Replies {
  readonly #pending = new Map<number, Pending>();
  readonly #native = new NativeReplies(() => {
    this.#take();
  });
  /** Referenced while calls wait. */
  readonly #keepAlive = setTimeout(() => this.#keepAlive.refresh(), LONGEST_DELAY).unref();
  #last = 0;

  /**
   * Makes a call by `post`, which passes on the replies and the number of the call.
   *
   * @throws what `post` throws.
   */
  expect(name: string, post: (replies: NativeReplies, call: number) => void): Promise<unknown> {
    const call = (this.#last = (this.#last + 1) >>> 0);
    post(this.#native, call);
    const result = new Deferred<unknown>();
    if (this.#pending.size === 0) this.#keepAlive.ref();
    this.#pending.set(call, { name, result });
    return result.promise;
  }

  #take(): void {
    const records = this.#native.take();
    while (records.next()) {
      const pending = this.#pending.get(records.first);
      this.#pending.delete(records.first);
      if (pending !== undefined) settle(pending, records);
    }
    if (this.#pending.size === 0) this.#keepAlive.unref();
  }
}

let replies: Replies | null = null;

/** The replies to this thread, made with its first call. */
export function repliesOfThread(): Replies {
  replies ??= new Replies();
  return replies;
}

function settle({ name, result }: Pending, record: Records): void {
  const status = record.second;
  try {
    if (status === REPLY_CLOSED) result.reject(closedLoop());
    else if (status === REPLY_NOT_EXPOSED) result.reject(notExposed(name));
    else if (status === REPLY_RETURNED) result.resolve(readValues(record)[0]);
    else result.reject(failureOf(readValues(record)));
  } catch (error) {
    result.reject(error);
  }
}
