/**
 * The calls of this thread to loops of other threads that wait for their results. Results come with
 * a wake-up of Node's loop, so a caller needs no loop of its own.
 *
 * A call that waits keeps its thread alive, as a request of `fs` does. Nothing else here does.
 */
import { Lane } from '../boundary/lane.js';
import { native } from '../boundary/native.js';
import { NativeReplies } from '../boundary/posts.js';
import type { Records } from '../boundary/records.js';
import { readValues } from '../boundary/value-reader.js';
import { Deferred } from '../support/deferred.js';
import { closedLoop, notExposed } from '../support/errors.js';
import { setTimeout } from '../support/host.js';
import { chooseDriver } from './driver.js';
import { failureOf } from './remote-failure.js';
import { waitsFor } from './short-wait.js';

const { REPLY_CLOSED, REPLY_NOT_EXPOSED, REPLY_RETURNED } = native;

/** A call that waits. */
interface Pending {
  readonly name: string;
  readonly lane: Lane;
  readonly result: Deferred<unknown>;
}

/** The limit of the host's `setTimeout()`, about 25 days. */
const LONGEST_DELAY = 0x7fff_ffff;

/** The lanes of one thread, and the replies to it. */
class Replies {
  /** By the id of the loop. One lane for each keeps the order of the calls of this thread. */
  readonly #lanes = new Map<number, WeakRef<Lane>>();
  readonly #garbage = new FinalizationRegistry<{ loop: number; remains: Lane['remains'] }>(
    ({ loop, remains }) => {
      remains.carrier?.close();
      if (this.#lanes.get(loop)?.deref() === undefined) this.#lanes.delete(loop);
    },
  );
  readonly #pending = new Map<number, Pending>();
  readonly #native: NativeReplies;
  /** Referenced while calls wait. */
  readonly #keepAlive = setTimeout(() => this.#keepAlive.refresh(), LONGEST_DELAY).unref();
  /** The core expects replies, since the last ones were taken. */
  #isExpecting = false;
  #lastCall = 0;
  #lastLane = 0;

  constructor() {
    const driver = chooseDriver();
    const take = (): void => {
      this.#take();
    };
    this.#native = new NativeReplies(take, driver === 'libuv', waitsFor(driver));
  }

  /** @throws `ERR_IOLOOP_CLOSED` if no open loop has this id. */
  laneTo(loop: number, thread: number): Lane {
    const known = this.#lanes.get(loop)?.deref();
    if (known?.isClosed === true) throw closedLoop();
    if (known !== undefined) return known;
    this.#lastLane += 1;
    const lane = new Lane(loop, thread, this.#native, this.#lastLane);
    this.#lanes.set(loop, new WeakRef(lane));
    this.#garbage.register(lane, { loop, remains: lane.remains });
    return lane;
  }

  /** @throws what `Lane.post` throws. */
  call(lane: Lane, index: number, name: string, args: readonly unknown[]): Promise<unknown> {
    // Not 0, which waits for no reply.
    const call = (this.#lastCall = (this.#lastCall + 1) >>> 0 || 1);
    lane.post(index, call, args);
    const result = new Deferred<unknown>();
    if (this.#pending.size === 0) this.#keepAlive.ref();
    this.#pending.set(call, { name, lane, result });
    if (!this.#isExpecting) {
      this.#native.expect();
      this.#isExpecting = true;
    }
    return result.promise;
  }

  #take(): void {
    this.#isExpecting = false;
    const records = this.#native.take();
    while (records.next()) {
      const { first, second: status } = records;
      if (status === REPLY_CLOSED) {
        this.#rejectAll(first);
        continue;
      }
      const pending = this.#pending.get(first);
      this.#pending.delete(first);
      if (pending !== undefined) settle(pending, records);
    }
    if (this.#pending.size === 0) this.#keepAlive.unref();
  }

  /** The lane with this number has ended. */
  #rejectAll(number: number): void {
    for (const lane of this.#lanes.values()) {
      const ended = lane.deref();
      if (ended?.number === number) ended.remains.carrier?.close();
    }
    for (const [call, { lane, result }] of this.#pending) {
      if (lane.number !== number) continue;
      this.#pending.delete(call);
      result.reject(closedLoop());
    }
  }
}

let replies: Replies | null = null;

/** The replies to this thread, made when it first calls a loop. */
export function repliesOfThread(): Replies {
  replies ??= new Replies();
  return replies;
}

function settle({ name, result }: Pending, record: Records): void {
  const status = record.second;
  try {
    if (status === REPLY_NOT_EXPOSED) result.reject(notExposed(name));
    else if (status === REPLY_RETURNED) result.resolve(readValues(record)[0]);
    else result.reject(failureOf(readValues(record)));
  } catch (error) {
    result.reject(error);
  }
}
