/**
 * The functions that a loop has exposed to other threads, and the calls of them that its turns have
 * collected.
 *
 * | State of a call | |
 * | --- | --- |
 * | in the inbox | the loop has not had a turn since; closing it runs posts, and rejects calls |
 * | queued | a callback of the turn that has collected it |
 * | running | its promise is pending; closing the loop rejects it |
 * | replied | once, with what it has returned or thrown |
 */
import { NativePosts } from '../boundary/posts.js';
import { native, type NativeHandle } from '../boundary/native.js';
import type { Records } from '../boundary/records.js';
import { readValues, ValueWriter } from '../boundary/values.js';
import { notExposed } from '../support/errors.js';
import { callWith } from './arguments.js';
import { CallbackQueue, type Callback } from './callback-queue.js';
import type { Guard, GuardedCall } from './guard.js';
import { valuesOfFailure } from './remote-failure.js';

const { REPLY_NOT_EXPOSED, REPLY_RETURNED, REPLY_THROWN } = native;

/** The index of {@link IOLoop.stop}, which every loop exposes without a name. */
export const STOP = 0;

/** A call of an exposed function whose caller waits for the result. */
interface Call {
  readonly callback: Callback;
  readonly args: readonly unknown[];
  readonly reply: number;
}

/** The calls of other threads to one loop. */
export class Posts {
  readonly #native: NativePosts;
  readonly #guard: Guard;
  /** The loop's; one of its own once it is closed, so that no callback of the loop runs. */
  #queue: CallbackQueue;
  readonly #writer = new ValueWriter();
  /** By index; `null` once it is not exposed any more. */
  readonly #functions: (Callback | null)[] = [];
  /** By index. A name that is exposed again has the same index. */
  readonly #names: string[] = [];

  constructor(handle: NativeHandle, guard: Guard, queue: CallbackQueue, stop: () => void) {
    this.#native = new NativePosts(handle);
    this.#guard = guard;
    this.#queue = queue;
    this.#functions[STOP] = stop;
    // Not a name that anything resolves to.
    this.#names[STOP] = '';
  }

  /**
   * The id of the loop in this process.
   *
   * @throws `EMFILE` and the like.
   */
  id(): number {
    return this.#native.id();
  }

  /** The calls that were accepted, and the wake-ups that they have caused. */
  get counts(): { readonly posts: number; readonly wakes: number } {
    return this.#native.counts();
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

  /** Queues what a turn has collected, for the same turn. */
  collect(): void {
    const records = this.#native.take();
    while (records.next()) this.#guard.attempt(this.#enqueue, records);
  }

  /** Runs the posts that were accepted and not collected. */
  close(): void {
    const records = this.#native.close();
    this.#queue = new CallbackQueue();
    while (records.next()) this.#guard.attempt(this.#enqueue, records);
    this.#queue.runBatch(this.#guard.run);
  }

  readonly #enqueue = (record: Records): void => {
    const { first: index, second: reply } = record;
    const callback = this.#functions[index] ?? null;
    if (callback === null) {
      this.#refuse(index, reply);
      return;
    }
    const args = readValues(record);
    if (reply === 0) this.#queue.push(callback, args, null);
    else this.#queue.push(this.#run, [{ callback, args, reply } satisfies Call], null);
  };

  #refuse(index: number, reply: number): void {
    if (reply === 0) throw notExposed(this.#names[index] ?? '');
    this.#writer.write([]);
    this.#native.reply(reply, REPLY_NOT_EXPOSED, this.#writer);
  }

  readonly #run = (call: Call): void => {
    this.#guard.enter(this.#guarded, call, undefined);
  };

  readonly #guarded: GuardedCall<Call, undefined> = {
    subject: ({ callback }) => ({ kind: 'exposed function', func: callback }),
    call: ({ callback, args }) => callWith(callback, args),
    onReturn: (value, { reply }) => {
      this.#return(reply, value);
    },
    onFailure: (error, { reply }) => {
      this.#fail(reply, error);
    },
  };

  #return(reply: number, value: unknown): void {
    try {
      this.#writer.write([value]);
    } catch (error) {
      this.#fail(reply, error);
      return;
    }
    this.#native.reply(reply, REPLY_RETURNED, this.#writer);
  }

  #fail(reply: number, error: unknown): void {
    try {
      this.#writer.write(valuesOfFailure(error));
    } catch (failure) {
      this.#writer.write(valuesOfFailure(failure));
    }
    this.#native.reply(reply, REPLY_THROWN, this.#writer);
  }
}
