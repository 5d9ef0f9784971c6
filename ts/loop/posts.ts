/**
 * The functions that a loop has exposed to other threads, and the calls of them that its turns have
 * collected.
 *
 * | State of a call | |
 * | --- | --- |
 * | in the inbox | the loop has not had a turn since; closing it runs posts, and rejects calls |
 * | held | the port has not come that carries an earlier argument of its thread, or one of its own |
 * | released | the port has come, or is lost: it runs in the next turn, before those of the inbox; so it does when the loop is closed, which waits for no port |
 * | running | its promise is pending; closing the loop rejects it |
 * | replied | once, with what it has returned or thrown |
 */
import { NativePosts, ReplyBatch, type NativePostCounts } from '../boundary/posts.js';
import { native, type NativeHandle } from '../boundary/native.js';
import type { Records } from '../boundary/records.js';
import {
  acceptCarriers,
  carrierOf,
  endCarriers,
  HAND_OVER_MS,
  offCarrier,
  onCarrier,
} from '../boundary/carrier.js';
import { carriedBy, readValues, type Carried } from '../boundary/value-reader.js';
import { notCloneable, notExposed } from '../support/errors.js';
import { setTimeout } from '../support/host.js';
import { callWith } from './arguments.js';
import type { Callback } from './callback-queue.js';
import type { Guard, GuardedCall } from './guard.js';
import type { DeferredWork, LoopIO } from './io.js';
import { valuesOfFailure } from './remote-failure.js';

const { REPLY_NOT_EXPOSED, REPLY_RETURNED, REPLY_THROWN } = native;

/** The index of {@link IOLoop.stop}, which every loop exposes without a name. */
export const STOP = 0;

/** A call of an exposed function whose caller waits for the result. */
interface Call {
  readonly callback: Callback;
  readonly args: readonly unknown[];
  readonly lane: number;
  readonly number: number;
}

/** The calls of other threads to a loop, since it was made. */
export interface PostCounts extends NativePostCounts {
  /** Those that turns have collected, and that `close()` has run. */
  readonly run: number;
}

/** The counts of a loop without a remote. */
export const NO_POSTS: PostCounts = { accepted: 0, run: 0, refused: 0, wakes: 0 };

/** A call that waits for the carrier of its lane: it has arguments, or the message that has them. */
interface HeldCall {
  readonly callback: Callback;
  readonly args: readonly unknown[] | null;
  readonly carried: Carried | null;
  readonly number: number;
}

/** A call whose carrier has come, or is lost. */
interface ReleasedCall extends HeldCall {
  readonly lane: number;
}

/** The dependencies of posts on their loop. */
export interface PostsOptions {
  /** Stops the loop. */
  readonly stop: () => void;
  /** Whether to wait shortly for posts, before Node's loop sleeps. */
  readonly waits: boolean;
  /** Such a wait has found posts: {@link Posts.run} has them, and no turn collects them. */
  readonly onFound: () => void;
  /** Held calls were released: {@link Posts.run} has them. */
  readonly onReleased: () => void;
}

/** The calls of other threads to one loop. */
export class Posts implements DeferredWork {
  readonly #native: NativePosts;
  readonly #replies: ReplyBatch;
  readonly #io: LoopIO;
  readonly #onReleased: () => void;
  readonly #guard: Guard;
  /** Taken, and not run yet: only after a failure between two of them. */
  #records: Records | null = null;
  /** Replies are sent when {@link run} ends. */
  #isRunning = false;
  /** `null` until other threads may have it. */
  #id: number | null = null;
  /** Of a loop that is closed. */
  #counts: NativePostCounts | null = null;
  #taken = 0;
  /** Calls in order, by lane. */
  readonly #held = new Map<number, HeldCall[]>();
  /** In order. */
  #released: ReleasedCall[] = [];
  /** By index; `null` once it is not exposed any more. */
  readonly #functions: (Callback | null)[] = [];
  /** By index. A name that is exposed again has the same index. */
  readonly #names: string[] = [];

  constructor(
    handle: NativeHandle,
    guard: Guard,
    io: LoopIO,
    { stop, waits, onFound, onReleased }: PostsOptions,
  ) {
    this.#native = new NativePosts(handle);
    this.#replies = new ReplyBatch(handle);
    this.#io = io;
    this.#onReleased = onReleased;
    this.#guard = guard;
    if (waits) this.#native.await(onFound);
    this.#functions[STOP] = stop;
    // Not a name that anything resolves to.
    this.#names[STOP] = '';
  }

  /**
   * The id of the loop in this copy of the package.
   *
   * @throws `EMFILE` and the like.
   */
  id(): number {
    const id = this.#native.id();
    acceptCarriers((this.#id = id));
    return id;
  }

  /** Since the loop was made. */
  get counts(): PostCounts {
    const { accepted, refused, wakes } = this.#counts ?? this.#native.counts();
    return { accepted, run: this.#taken, refused, wakes };
  }

  /**
   * Replaces the function of the same name.
   *
   * @throws `EMFILE` and the like.
   */
  expose(name: string, callback: Callback): void {
    const known = this.#names.indexOf(name, STOP + 1);
    const index = known === -1 ? this.#names.length : known;
    this.#native.expose(name, index);
    this.#names[index] = name;
    this.#functions[index] = callback;
  }

  unexpose(name: string): void {
    const index = this.#names.indexOf(name, STOP + 1);
    if (index === -1) return;
    this.#native.unexpose(name);
    this.#functions[index] = null;
  }

  /** Runs what the turn has collected, each by the guard. Sends the replies that are at hand then. */
  run(): void {
    this.#isRunning = true;
    try {
      if (this.#released.length > 0) this.#runReleased();
      this.#runRecords((this.#records ??= this.#native.take()));
      this.#records = null;
    } finally {
      this.#isRunning = false;
      this.#replies.flush();
    }
  }

  /** Runs the posts that were accepted and have not run. Their calls are rejected. */
  close(): void {
    this.#replies.flush();
    const records = this.#native.close();
    this.#counts = this.#native.counts();
    for (const [lane, held] of this.#held) this.#release(lane, held);
    this.#held.clear();
    this.#runReleased();
    if (this.#records !== null) this.#runRecords(this.#records);
    this.#runRecords(records);
    if (this.#id !== null) endCarriers(this.#id);
  }

  /** @internal */
  onTickEnd(): void {
    this.#replies.flush();
  }

  /** @internal */
  onContinue(): void {}

  #runRecords(records: Records): void {
    const isClosed = this.#counts !== null;
    while (records.nextGroup() || records.isInGroup) {
      while (records.next()) {
        if (isClosed && records.second !== 0) continue;
        try {
          this.#runRecord(records);
        } catch (error) {
          this.#guard.report(null, error);
        }
      }
    }
  }

  #runRecord(record: Records): void {
    const { first: index, second: number, lane } = record;
    const callback = this.#functions[index] ?? null;
    if (callback === null) {
      if (number === 0) throw notExposed(this.#names[index] ?? '');
      this.#reply(lane, number, REPLY_NOT_EXPOSED, []);
      return;
    }
    const carried = carriedBy(record);
    let args: readonly unknown[] | null;
    try {
      args = carried === null ? readValues(record) : null;
    } catch (error) {
      this.#refuse(callback, lane, number, error);
      return;
    }
    if (args !== null && this.#held.size === 0) {
      this.#start(callback, args, lane, number);
      return;
    }
    const call: HeldCall = { callback, args, carried, number };
    const held = this.#held.get(lane);
    const isClosed = this.#counts !== null;
    if (held !== undefined) held.push(call);
    else if (carried === null || isClosed || carrierOf(carried.carrier) !== null) {
      this.#runCarried(lane, call);
    } else this.#hold(lane, carried, call);
  }

  #start(callback: Callback, args: readonly unknown[], lane: number, number: number): void {
    this.#taken += 1;
    if (number === 0) this.#guard.run(callback, args, null);
    else this.#guard.enter(this.#guarded, { callback, args, lane, number }, undefined);
  }

  /** Calls of a lane wait for its carrier: they stay in order. */
  #hold(lane: number, { carrier }: Carried, first: HeldCall): void {
    const held = [first];
    this.#held.set(lane, held);
    const release = (): void => {
      if (this.#held.get(lane) !== held) return;
      this.#held.delete(lane);
      this.#release(lane, held);
      this.#onReleased();
    };
    onCarrier(carrier, release);
    setTimeout(() => {
      offCarrier(carrier);
      release();
    }, HAND_OVER_MS).unref();
  }

  #release(lane: number, held: readonly HeldCall[]): void {
    for (const call of held) this.#released.push({ ...call, lane });
  }

  #runReleased(): void {
    const released = this.#released;
    this.#released = [];
    const isClosed = this.#counts !== null;
    for (const call of released) {
      if (!isClosed || call.number === 0) this.#runCarried(call.lane, call);
    }
  }

  /** The carrier may not have come, if the loop closes or it is lost. */
  #runCarried(lane: number, { callback, args, carried, number }: HeldCall): void {
    let values: readonly unknown[];
    try {
      values = args ?? takeCarried(carried as Carried);
    } catch (error) {
      this.#refuse(callback, lane, number, error);
      return;
    }
    this.#start(callback, values, lane, number);
  }

  /** A call whose arguments cannot be read. */
  #refuse(callback: Callback, lane: number, number: number, error: unknown): void {
    if (number === 0) this.#guard.report(callback, error);
    else this.#fail(lane, number, error);
  }

  readonly #guarded: GuardedCall<Call, undefined> = {
    subject: ({ callback }) => ({ kind: 'exposed function', func: callback }),
    call: ({ callback, args }) => callWith(callback, args),
    onReturn: (value, { lane, number }) => {
      try {
        this.#reply(lane, number, REPLY_RETURNED, [value]);
      } catch (error) {
        this.#fail(lane, number, error);
      }
    },
    onFailure: (error, { lane, number }) => {
      this.#fail(lane, number, error);
    },
  };

  #fail(lane: number, number: number, error: unknown): void {
    try {
      this.#reply(lane, number, REPLY_THROWN, valuesOfFailure(error));
    } catch (failure) {
      this.#reply(lane, number, REPLY_THROWN, valuesOfFailure(failure));
    }
  }

  /** Outside of {@link run}, the replies of a tick are sent when it ends. A closed loop has none. */
  #reply(lane: number, number: number, status: number, values: readonly unknown[]): void {
    if (this.#counts !== null) return;
    if (this.#replies.isEmpty && !this.#isRunning) this.#io.atTickEnd(this);
    this.#replies.add(lane, number, status, values);
  }
}

function takeCarried({ carrier, number }: Carried): readonly unknown[] {
  const found = carrierOf(carrier);
  if (found === null) throw notCloneable('its port has not come');
  return found.take(number);
}
