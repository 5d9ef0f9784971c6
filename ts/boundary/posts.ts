/**
 * The crossings of calls between threads. Faces `crates/ioloop-napi/src/remote`; `lane.ts` has those
 * of posts.
 */
import { notCloneable, systemError } from '../support/errors.js';
import { native, type NativeHandle } from './native.js';
import { HEADER, padded, Records } from './records.js';
import { COMPACT_BYTES, newRoom, roomOf } from './value-layout.js';
import { FAILED, ValueWriter } from './value-writer.js';

/** What a loop counts of its posts, since it was made. */
export interface NativePostCounts {
  /** Posts that were accepted. */
  readonly accepted: number;
  /** Posts that were refused, as too many were waiting. */
  readonly refused: number;
  /** Wake-ups of the loop. */
  readonly wakes: number;
}

/**
 * The number of this copy of the package in this process, drawn at random. A loop's id is one of its
 * copy: with a second copy in `node_modules` each has a binary and a table of loops.
 */
export function packageCopy(): number {
  return native.remoteCopy();
}

/** A loop that other threads may call: its own side. Every method is one crossing. */
export class NativePosts {
  readonly #handle: NativeHandle;
  readonly #room = new TakingRoom();
  /** The core refers to it weakly: it refers to the loop, which may become garbage. */
  found: (() => void) | null = null;

  constructor(handle: NativeHandle) {
    this.#handle = handle;
  }

  /**
   * The id of the loop in this copy of the package.
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

  /** The posts that turns and waits have collected, in groups. Valid until the next list is taken. */
  take(): Records {
    const handle = this.#handle;
    return this.#room.takeFrom(
      (room) => native.loopTakePosts(handle, room),
      () => native.loopTakeManyPosts(handle),
    );
  }

  /**
   * From now on waits shortly for posts after each reply, and calls `found` when there are some:
   * {@link take} has them, and no turn collects them. Needs libuv.
   */
  await(found: () => void): void {
    this.found = found;
    checked(native.loopAwaitPosts(this.#handle, found));
  }

  /** Refuses posts from now on, and ends the calls. What was accepted and not taken, in groups. */
  close(): Records {
    return recordsOf(native.loopClosePosts(this.#handle));
  }

  counts(): NativePostCounts {
    const [accepted, refused, wakes] = native.loopPosted(this.#handle) as [number, number, number];
    return { accepted, refused, wakes };
  }
}

/** Replies of a loop, until they are sent by one crossing. */
export class ReplyBatch {
  readonly #handle: NativeHandle;
  readonly #room = newRoom(REPLY_BYTES);
  readonly #writer = new ValueWriter();
  #used = 0;

  constructor(handle: NativeHandle) {
    this.#handle = handle;
  }

  get isEmpty(): boolean {
    return this.#used === 0;
  }

  /** @throws `ERR_IOLOOP_NOT_CLONEABLE`: nothing is added. */
  add(lane: number, call: number, status: number, values: readonly unknown[]): void {
    if (this.#used + COMPACT_BYTES > REPLY_BYTES) this.flush();
    const start = this.#used + REPLY_HEADER;
    const end = this.#writer.write(values, this.#room, start, start + COMPACT_BYTES - REPLY_HEADER);
    if (end === FAILED) {
      const cloned = this.#writer.clone(values);
      if (cloned === null) throw notCloneable(this.#writer.cause);
      this.#addLarge(lane, call, status, cloned);
      return;
    }
    this.#setHeader(this.#room.view, this.#used, lane, call, status, end - start);
    this.#used = start + padded(end - start);
  }

  /** Sends what was added. */
  flush(): void {
    const length = this.#used;
    this.#used = 0;
    if (length > 0) native.loopReply(this.#handle, this.#room.bytes, length);
  }

  #addLarge(lane: number, call: number, status: number, values: Buffer): void {
    this.flush();
    const { bytes, view } = newRoom(REPLY_HEADER + padded(values.length));
    bytes.set(values, REPLY_HEADER);
    this.#setHeader(view, 0, lane, call, status, values.length);
    native.loopReply(this.#handle, bytes, bytes.length);
  }

  #setHeader(
    view: DataView,
    at: number,
    lane: number,
    call: number,
    status: number,
    length: number,
  ): void {
    view.setUint32(at, lane, true);
    view.setUint32(at + 4, call, true);
    view.setUint32(at + 8, status, true);
    view.setUint32(at + 12, length, true);
  }
}

/** The replies to the calls of this thread. */
export class NativeReplies {
  readonly handle: ReturnType<typeof native.repliesOpen>;
  readonly #room = new TakingRoom();

  /**
   * `wake` is called when there are some. Does not keep the process alive. With libuv, `waits` is
   * whether {@link expect} does anything.
   */
  constructor(wake: () => void, hasLibuv: boolean, waits: boolean) {
    this.handle = native.repliesOpen(wake, hasLibuv, waits);
  }

  /** A call was made: waits shortly for its reply, before Node's loop sleeps. */
  expect(): void {
    native.repliesExpect(this.handle);
  }

  /** The replies since the last call. Valid until the next list is taken. */
  take(): Records {
    const { handle } = this;
    return this.#room.takeFrom(
      (room) => native.repliesTake(handle, room),
      () => native.repliesTakeMany(handle),
    );
  }
}

/** Bytes of replies that are sent together, at most. */
const REPLY_BYTES = 64 * 1024;
/** Bytes before the values of a reply: the number of the lane, the header. */
const REPLY_HEADER = 4 + HEADER;

/** Bytes of a {@link TakingRoom} at first; most are small. */
const FIRST_ROOM = 4 * 1024;
/** Bytes. A larger list comes in memory of its own. */
const LARGEST_ROOM = 1024 * 1024;

/** Memory for the list that is taken. Grows to {@link LARGEST_ROOM}. */
class TakingRoom {
  #room = newRoom(FIRST_ROOM);

  /** `take` returns a number of bytes, or a negative one if the room is too small. */
  takeFrom(take: (room: Buffer) => number, takeMany: () => Buffer): Records {
    for (;;) {
      const length = take(this.#room.bytes);
      if (length >= 0) return new Records(this.#room, length);
      const size = 4 * this.#room.bytes.length;
      if (size > LARGEST_ROOM) return recordsOf(takeMany());
      this.#room = newRoom(size);
    }
  }
}

function recordsOf(bytes: Buffer): Records {
  return new Records(roomOf(bytes), bytes.length);
}

function checked(result: number): number {
  if (result < 0) throw systemError(result, 'remote');
  return result;
}
