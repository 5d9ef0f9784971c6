/** The memory that large reads go into: what was asked for is as a rule more than what comes. */
import { copyOf } from './receive-blocks.js';

/** Room for a large read, until the next call. */
export function largeRoom(size: number): Buffer {
  if (spare !== null && spare.length >= size) return spare;
  const room = Buffer.allocUnsafeSlow(size);
  if (size <= MAX_SPARE_BYTES) spare = room;
  return room;
}

/**
 * The first `count` bytes of a large room: the room itself when they fill more than half of it,
 * else a copy, so that a small result keeps no large memory.
 */
export function claim(room: Buffer, count: number): Buffer {
  if (count <= room.length / 2) return copyOf(room, 0, count);
  if (room === spare) spare = null;
  // The rest was never initialised, or was received from another connection.
  room.fill(0, count);
  return room.subarray(0, count);
}

/** Kept while nobody fills it; what is larger is not worth keeping. */
const MAX_SPARE_BYTES = 1024 * 1024;
let spare: Buffer | null = null;
