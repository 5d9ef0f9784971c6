/**
 * The crossings of descriptors that are moved between threads. Faces
 * `crates/ioloop-napi/src/detached.rs`.
 */
import { attachedBefore, invalidArgValue, senderEnded, systemError } from '../support/errors.js';
import { native } from './native.js';

/** A descriptor in the table of the process: its id, and a number that only its token has. */
export interface DetachedId {
  readonly id: number;
  readonly key: number;
}

/** A descriptor that this thread has taken from the table, with what was put there. */
export interface Attached {
  readonly fd: number;
  readonly state: Buffer;
  readonly unread: Buffer;
}

/**
 * Moves a descriptor of this thread to the table, or a `duplicate` of it. `kind` is a number that
 * {@link takeDetached} has to repeat.
 *
 * @throws A system error, `EMFILE` or `ENOMEM`; nothing has changed then.
 */
export function putDetached(
  fd: number,
  duplicate: boolean,
  kind: number,
  state: Uint8Array,
  unread: Uint8Array,
): DetachedId {
  const result = native.detach(fd, duplicate, kind, state, unread);
  if (typeof result === 'number') throw systemError(result, 'detach', { fd });
  const [id, key] = result as [number, number];
  return { id, key };
}

/**
 * Moves a descriptor from the table to this thread. `token` is for the message of an error.
 *
 * @throws `ERR_IOLOOP_ATTACHED`, `ERR_IOLOOP_SENDER_ENDED`; `ERR_INVALID_ARG_VALUE` if the key is not
 * that of the id and the kind.
 */
export function takeDetached({ id, key }: DetachedId, kind: number, token: unknown): Attached {
  const result = native.attach(id, kind, key);
  if (result === ATTACH_TAKEN) throw attachedBefore(token);
  if (result === ATTACH_CLOSED) throw senderEnded(token);
  if (typeof result === 'number') throw invalidArgValue('token', token, OF_THIS_COPY);
  return result;
}

/** Undoes {@link takeDetached}: the token can be attached again. If that fails, it is closed. */
export function returnDetached({ id, key }: DetachedId, kind: number, attached: Attached): void {
  const { fd, state, unread } = attached;
  if (native.detachAgain(id, kind, key, fd, state, unread) < 0) native.fdClose(fd);
}

/** The number of descriptors in the table, of all threads. */
export function countDetached(): number {
  return native.detachedCount();
}

const { ATTACH_TAKEN, ATTACH_CLOSED } = native;
/** A second copy of the package has keys of its own. */
const OF_THIS_COPY = 'a token of detach() of this copy of ioloop ("npm ls ioloop")';
