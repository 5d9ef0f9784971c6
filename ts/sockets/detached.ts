/**
 * Sockets and streams between threads: `detach()` moves the descriptor to a table of the process, and
 * gives a token; the first `attach()` of the token moves it to the thread of the call.
 *
 * Unread bytes and options are in the table, not in the token: a copy of a token copies no bytes, and
 * a message carries four small properties.
 */
import { putDetached, returnDetached, takeDetached, type Attached } from '../boundary/detached.js';
import { nodeV8 } from '../support/builtins.js';
import { invalidArgType, invalidArgValue, otherProcess } from '../support/errors.js';
import type { Descriptor } from './descriptor.js';

/** The class whose `detach()` has made a token. */
export type DetachedKind = 'socket' | 'stream';

/**
 * A detached {@link Socket} or {@link IOStream}: a plain object, for `postMessage()`, `workerData` and
 * the arguments of calls to remote loops. {@link Socket.attach} and {@link IOStream.attach} adopt it,
 * in any thread of the process, the one that detached it included.
 */
export interface DetachedToken<Kind extends DetachedKind = DetachedKind> {
  /** The id in its process. Ids are not used again. */
  readonly detached: number;
  /** Belongs to the id: a token cannot be guessed. */
  readonly key: number;
  /** The process: a token is of no use in another one. */
  readonly pid: number;
  /** The class that it was. */
  readonly kind: Kind;
}

/**
 * Moves the file of `descriptor` to the table, with `state` and unread bytes. If other code has the
 * number, the table gets a duplicate with a number of its own. The caller ends the descriptor.
 *
 * @throws The error of a descriptor that is gone; `EMFILE`, `ENOMEM`. Nothing has changed then.
 */
export function store<Kind extends DetachedKind>(
  descriptor: Descriptor,
  kind: Kind,
  state: unknown,
  unread: Uint8Array = NO_BYTES,
): DetachedToken<Kind> {
  const fd = descriptor.use();
  if (fd < 0) throw descriptor.goneError('detach');
  const { isExposed } = descriptor;
  const { id, key } = putDetached(fd, isExposed, KINDS[kind], nodeV8().serialize(state), unread);
  return { detached: id, key, pid: process.pid, kind };
}

/** A descriptor that was taken from the table for a token. `state` is as {@link store} got it. */
export interface Taken<Kind extends DetachedKind> {
  readonly kind: Kind;
  readonly fd: number;
  readonly state: unknown;
  readonly unread: Buffer;
}

/**
 * The result of `make` on the descriptor of a token, which belongs to this thread from then on. If
 * `make` throws, the token can be attached again, then with the end of this thread as its limit.
 *
 * @throws `ERR_INVALID_ARG_TYPE` and `ERR_INVALID_ARG_VALUE` for objects that are not tokens of
 * `kinds`; `ERR_IOLOOP_OTHER_PROCESS`, `ERR_IOLOOP_ATTACHED`, `ERR_IOLOOP_SENDER_ENDED`; what `make`
 * throws.
 */
export function take<Kind extends DetachedKind, T>(
  token: DetachedToken<Kind>,
  kinds: readonly Kind[],
  make: (taken: Taken<Kind>) => T,
): T {
  // The properties once: a getter may give another value each time.
  const { detached: id, key, pid, kind } = checkObject(token);
  if (typeof id !== 'number' || typeof key !== 'number' || typeof pid !== 'number') {
    throw notToken(token);
  }
  if (pid !== process.pid) throw otherProcess('token', pid);
  if (!(kinds as readonly unknown[]).includes(kind)) throw wrongKind(token, kind);
  const number = KINDS[kind as Kind];
  const attached: Attached = takeDetached({ id, key }, number, token);
  try {
    const { fd, state, unread } = attached;
    return make({ kind: kind as Kind, fd, state: nodeV8().deserialize(state), unread });
  } catch (error) {
    returnDetached({ id, key }, number, attached);
    throw error;
  }
}

/** By kind: the number that its keys are made with. */
const KINDS: Readonly<Record<DetachedKind, number>> = { socket: 1, stream: 2 };

const NO_BYTES = new Uint8Array(0);

function checkObject(token: unknown): { readonly [Key in keyof DetachedToken]?: unknown } {
  if (typeof token !== 'object' || token === null) throw notToken(token);
  return token;
}

function notToken(token: unknown): Error {
  return invalidArgType('token', token, 'a token of detach()');
}

function wrongKind(token: unknown, kind: unknown): Error {
  if (kind !== 'stream') return invalidArgValue('token', token, 'a token of detach()');
  const expected = 'the token of a socket: for the token of a stream call IOStream.attach()';
  return invalidArgValue('token', token, expected);
}
