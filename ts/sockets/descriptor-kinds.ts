/** The kinds of descriptors, as `fdKind` of the binding returns them, and which reads prove them drained. */
import { unsupported } from '../support/errors.js';
import { capabilities } from '../boundary/capabilities.js';
import { native } from '../boundary/native.js';

export const { KIND_TCP, KIND_STREAM, KIND_RECORDS, KIND_MESSAGES, LARGEST_RECORD } = native;

/**
 * The kind for which a short read proves the descriptor drained, while no urgent mark was seen. For
 * the others only `EAGAIN` does. -1 (no kind) on systems where urgent marks cannot be watched.
 */
export const SHORT_IS_ALL = capabilities.priority ? KIND_TCP : -1;

/**
 * Refuses sockets with messages. A stream would join them, lose their ends, and take an empty one
 * for EOF.
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
