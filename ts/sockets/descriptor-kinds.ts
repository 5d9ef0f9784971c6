/** What descriptors are, as the binding's `fdKind` says: it decides how a read proves them drained. */
import { unsupported } from '../support/errors.js';
import { native } from '../boundary/native.js';

export const { KIND_TCP, KIND_STREAM, KIND_RECORDS, KIND_MESSAGES, LARGEST_RECORD } = native;

/**
 * The kind whose short reads say that nothing is left, while no urgent mark was seen. The other
 * kinds say so by `EAGAIN` only. -1, none, where urgent marks cannot be seen.
 */
export const SHORT_IS_ALL = native.HAS_PRIORITY ? KIND_TCP : -1;

/**
 * Refuses what a stream cannot be made on: it joins messages, loses what is cut off, and takes an
 * empty one for EOF.
 *
 * @throws `ERR_IOLOOP_UNSUPPORTED`.
 */
export function assertStreamKind(kind: number): void {
  if (kind !== KIND_MESSAGES) return;
  throw unsupported(
    'A stream on a socket with messages (UDP, SOCK_SEQPACKET)',
    'Use Socket.fromFd(), addHandler() and recv()',
  );
}
