/** Memory for large reads, which as a rule give less than they ask for. */
import { copyOf } from './receive-blocks.js';

/** Room for one read of up to `size` bytes. The next call may give the same memory. */
export function largeRoom(size: number): Buffer {
  if (spare !== null && spare.length >= size) return spare;
  const room = Buffer.allocUnsafeSlow(size);
  if (size <= MAX_SPARE_BYTES) spare = room;
  return room;
}

/**
 * The first `count` bytes of a room. The room itself if they fill more than half of it; else a copy,
 * so that a small result does not keep a large memory alive.
 */
export function claim(room: Buffer, count: number): Buffer {
  if (count <= room.length / 2) return copyOf(room, 0, count);
  if (room === spare) spare = null;
  // The rest is uninitialised, or was received from another connection.
  room.fill(0, count);
  return room.subarray(0, count);
}

/** The largest room that is kept for the next read. */
const MAX_SPARE_BYTES = 1024 * 1024;
let spare: Buffer | null = null;
