/**
 * Memory for chunks that a program borrows: the large reads of all connections of a thread go to one room,
 * which stays in the processor's cache.
 *
 * It is filled from front to back. When it is full, its memory moves to another `ArrayBuffer`, and is filled
 * again. That detaches the chunks of the old one: a chunk that was kept is empty, never overwritten. Code
 * of this package that keeps bytes copies them if {@link BorrowedRoom.has} says that they are of the room; one
 * that does not has an empty chunk, and never the bytes of another message.
 *
 * | State | {@link BorrowedRoom.block} | Next                                                         |
 * | ----- | -------------------------- | ------------------------------------------------------------ |
 * | none  | empty                      | open: the first read                                         |
 * | open  | filled up to the offset    | open, with the memory moved: it is full; lost                |
 * | lost  | empty: the program has transferred it | open, with new memory: the next read              |
 *
 * Where the host cannot move memory, a full room is left to its chunks, and the next one is new.
 */
import { capacities, type Capacities } from '../support/capacities.js';
import { Block } from './receive-blocks.js';

/** The room of a thread. */
class BorrowedRoom {
  readonly #sizes: Pick<Capacities, 'borrowedRoom'>;
  #block = NONE;
  #memory: ArrayBuffer | null = null;
  #offset = 0;

  constructor(sizes: Pick<Capacities, 'borrowedRoom'>) {
    this.#sizes = sizes;
  }

  /** The memory of the next read, from {@link offset} on. */
  get block(): Block {
    return this.#block;
  }

  get offset(): number {
    return this.#offset;
  }

  /**
   * Makes room for a read of up to `size` bytes: how many bytes it may ask for, which are fewer if the room
   * is smaller. Detaches the chunks of a full room: no function that borrows one is running.
   */
  reserve(size: number): number {
    const whole = this.#sizes.borrowedRoom;
    const wanted = Math.min(size, whole);
    const { length } = this.#block.bytes;
    if (length !== whole || length - this.#offset < wanted) this.#renew(whole);
    return wanted;
  }

  /** `count` bytes were read: where they begin in {@link block}. */
  advance(count: number): number {
    const start = this.#offset;
    this.#offset = start + count;
    return start;
  }

  /** Whether `bytes` are a part of the room, whose memory is filled again. */
  has(bytes: Uint8Array): boolean {
    return this.#memory !== null && bytes.buffer === this.#memory;
  }

  #renew(whole: number): void {
    const old = this.#memory;
    const moved = old !== null && old.byteLength === whole ? move(old) : null;
    // Zeroed: `postMessage()` and `structuredClone()` copy all of it with each chunk.
    const memory = moved ?? new ArrayBuffer(whole);
    this.#block = new Block(Buffer.from(memory));
    this.#memory = memory;
    this.#offset = 0;
  }
}

/** The same memory in another `ArrayBuffer`; `null` if the host, or the program, does not allow it. */
function move(memory: ArrayBuffer): ArrayBuffer | null {
  const { transfer } = memory as Movable;
  try {
    if (transfer !== undefined) return transfer.call(memory);
    return structuredClone(memory, { transfer: [memory] });
  } catch {
    return null;
  }
}

/** Since Node 21. */
type Movable = ArrayBuffer & { readonly transfer?: (this: ArrayBuffer) => ArrayBuffer };

const NONE = new Block(Buffer.alloc(0));

/** The room of this thread. */
export const borrowedRoom = new BorrowedRoom(capacities);
