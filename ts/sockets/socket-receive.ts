/** Receiving from a socket: to memory that results share, to memory of the result, or to that of the caller. */
import { constants } from 'node:os';
import { claim, largeRoom } from '../boundary/large-room.js';
import { native } from '../boundary/native.js';
import { READ } from '../boundary/readiness.js';
import { LARGEST_READ, receiveBlocks } from '../boundary/receive-blocks.js';
import { checked } from '../support/errors.js';
import type { Descriptor } from './descriptor.js';
import * as descriptorKinds from './descriptor-kinds.js';

/**
 * At most `size` bytes of the socket that has `descriptor`, whose number is `fd`; `null` if it would
 * block, empty at EOF.
 */
export function receive(
  descriptor: Descriptor,
  kind: number,
  fd: number,
  size: number,
): Buffer | null {
  if (size > LARGEST_READ) return receiveLarge(descriptor, kind, fd, size);
  const room = receiveBlocks.reserve(size);
  // A message is truncated to its room: it gets all the room that was requested.
  if (room < size && kind === KIND_MESSAGES) return receiveLarge(descriptor, kind, fd, size);
  const { block, offset } = receiveBlocks;
  const count = receiveInto(descriptor, kind, fd, block.bytes, offset, room);
  return count === null ? null : receiveBlocks.take(count);
}

function receiveLarge(
  descriptor: Descriptor,
  kind: number,
  fd: number,
  size: number,
): Buffer | null {
  const room = largeRoom(size);
  const count = receiveInto(descriptor, kind, fd, room, 0, size);
  return count === null ? null : claim(room, count);
}

/** {@link receive} into `buffer`, from `offset` on: the number of bytes. */
export function receiveInto(
  descriptor: Descriptor,
  kind: number,
  fd: number,
  buffer: Uint8Array,
  offset: number,
  size: number,
): number | null {
  const count = native.socketRecv(fd, buffer, offset, size);
  if (count === size) return count;
  if (count === -EAGAIN) {
    descriptor.drained(READ);
    return null;
  }
  checked(count, 'recv', fd);
  // The kernel has given its error to a send of `sendLater()`, and gives EOF in its place.
  if (count === 0) checked(descriptor.outbox?.takeFailure() ?? 0, 'send', fd);
  // EOF stays: it is not drained.
  if (count > 0 && kind === SHORT_IS_ALL) descriptor.readShort();
  return count;
}

const { EAGAIN } = constants.errno;
const { KIND_MESSAGES, SHORT_IS_ALL } = descriptorKinds;
