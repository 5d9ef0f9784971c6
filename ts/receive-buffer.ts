/**
 * The memory that reads go through. Most reads bring little of what was asked for: they land in
 * memory that is used again, and only what came is allocated.
 *
 * Per thread, and used between two lines of JavaScript: nothing runs meanwhile.
 */

/** Room for at least `size` bytes, until the next call. */
export function roomFor(size: number): Buffer {
  if (size <= SLAB_BYTES) return slab;
  if (spare !== null && spare.length >= size) return spare;
  const room = Buffer.allocUnsafeSlow(size);
  if (size <= MAX_SPARE_BYTES) spare = room;
  return room;
}

/**
 * The first `count` bytes of `room`, in memory that nothing else uses. A copy, unless they fill a
 * large room by more than half: then the room itself is given away.
 */
export function claim(room: Buffer, count: number): Buffer {
  if (room !== slab && count > room.length / 2) {
    if (room === spare) spare = null;
    return room.subarray(0, count);
  }
  const copy = Buffer.allocUnsafe(count);
  room.copy(copy, 0, 0, count);
  return copy;
}

/** Up to this size a copy costs no more than fresh memory. */
const SLAB_BYTES = 64 * 1024;
const slab = Buffer.allocUnsafeSlow(SLAB_BYTES);

/** Kept while nobody fills it; what is larger is not worth keeping. */
const MAX_SPARE_BYTES = 1024 * 1024;
let spare: Buffer | null = null;
