/** A protocol: the functions that all connections of a server share. */
import type { Callback } from '../../loop/callback-queue.js';
import type { Guard, GuardedCall } from '../../loop/guard.js';
import type { CallKind } from '../../loop/origins.js';
import { isStreamClosed, invalidArgType, invalidArgValue, toError } from '../../support/errors.js';
import type { Connection } from './connection.js';

/**
 * The functions of a protocol. One object serves any number of connections, and each function gets the
 * connection that it is called for. They are called as methods of the object.
 *
 * Functions of one connection are never called within each other: {@link close} and {@link drain} come
 * in a later turn than the call that causes them. A function that throws, or whose promise rejects,
 * closes its connection with the error, which goes once to {@link IOLoop.handleCallbackException}. The
 * next bytes do not wait for a promise: use `pause()` and `resume()`, or a stream.
 *
 * ```js
 * const server = new TCPServer({
 *   protocol: {
 *     state: () => ({ requests: 0 }),
 *     data(c, chunk) {
 *       c.state.requests += 1;
 *       c.write(chunk);
 *     },
 *   },
 * });
 * ```
 */
export interface Protocol<State = undefined> {
  /**
   * How long `data` may use a chunk. `owned`, the default: for ever; its bytes are never overwritten.
   * `borrowed`: until the function returns, or first awaits. The large chunks of all connections then share
   * memory, which stays in the processor's cache; a chunk that is kept is empty once its memory is used
   * again. `write()` to any connection and `unread()` need no copy of it; any other use after the call does.
   * The property is read once, when the protocol is first set.
   */
  readonly chunks?: 'owned' | 'borrowed' | undefined;
  /** Makes {@link Connection.state} of each connection, before {@link open}. By default it is `undefined`. */
  state?(): State;
  /** The connection is established, over TLS after the handshake. Called before all others. */
  open?(connection: Connection<State>): unknown;
  /**
   * Bytes have arrived, at least one. `chunk` is a view of a block that connections share: its bytes are
   * never overwritten, and it may be kept, but one that is kept for longer than the call keeps the whole
   * block (128 KiB) alive. Keep a copy of it: `Buffer.from(chunk)`. Do not write to it.
   */
  data(connection: Connection<State>, chunk: Buffer): unknown;
  /**
   * EOF: the peer has ended its side, and no more data come. Without `allowHalfOpen` the connection ends
   * after the call, once everything is sent.
   */
  end?(connection: Connection<State>): unknown;
  /** {@link Connection.write} has returned false, and there is room again. */
  drain?(connection: Connection<State>): unknown;
  /**
   * Nothing was received or sent for the time of {@link Connection.setTimeout}; again after each further
   * period. Without this function the connection is closed with a {@link TimeoutError}.
   */
  timeout?(connection: Connection<State>): unknown;
  /**
   * The connection is closed; called once, and last. `error` is `null` after EOF, `end()` and `close()`. When
   * the loop is closed, its code is `ERR_IOLOOP_CLOSED`, and the call comes when the code that has closed the
   * loop is done. Not called after `toStream()`.
   */
  close?(connection: Connection<State>, error: Error | null): unknown;
}

// One program has protocols of several states; here they are not distinguished.
// oxlint-disable-next-line typescript/no-explicit-any
type AnyProtocol = Protocol<any>;
// oxlint-disable-next-line typescript/no-explicit-any
type AnyConnection = Connection<any>;

/** The functions that may be missing. */
const OPTIONAL = ['state', 'open', 'end', 'drain', 'timeout', 'close'] as const;

/** A protocol that was checked, with the guarded calls of its functions. */
export class ProtocolCalls {
  readonly protocol: AnyProtocol;
  /** Chunks are borrowed. */
  readonly isBorrowing: boolean;
  readonly state: ProtocolCall<undefined> | null;
  readonly open: ProtocolCall<undefined> | null;
  readonly data: ProtocolCall<Buffer>;
  readonly end: ProtocolCall<undefined> | null;
  readonly drain: ProtocolCall<undefined> | null;
  readonly timeout: ProtocolCall<undefined> | null;
  readonly close: ProtocolCall<Error | null> | null;

  private constructor(protocol: AnyProtocol, guard: Guard) {
    this.protocol = protocol;
    this.isBorrowing = protocol.chunks === 'borrowed';
    const optional = <A>(name: Name): ProtocolCall<A> | null =>
      protocol[name] === undefined ? null : new ProtocolCall<A>(protocol, name, guard);
    this.state = protocol.state === undefined ? null : new StateCall(protocol, 'state', guard);
    this.open = optional('open');
    this.data = new DataCall(protocol, 'data', guard);
    this.end = optional('end');
    this.drain = optional('drain');
    this.timeout = optional('timeout');
    this.close = optional('close');
  }

  /** @throws `ERR_INVALID_ARG_TYPE` unless `protocol` is an object of functions with `data`. */
  static of(protocol: unknown, guard: Guard): ProtocolCalls {
    checkProtocol(protocol);
    let ofGuard = known.get(guard);
    if (ofGuard === undefined) known.set(guard, (ofGuard = new WeakMap()));
    let calls = ofGuard.get(protocol);
    if (calls === undefined) ofGuard.set(protocol, (calls = new ProtocolCalls(protocol, guard)));
    return calls;
  }
}

type Name = 'state' | 'open' | 'data' | 'end' | 'drain' | 'timeout' | 'close';

/** One function of a protocol. The object is shared by all connections of a loop. */
class ProtocolCall<A> implements GuardedCall<AnyConnection, A> {
  readonly #protocol: Record<Name, ProtocolFunction<A>>;
  readonly #name: Name;
  readonly #guard: Guard;

  constructor(protocol: AnyProtocol, name: Name, guard: Guard) {
    // It is called for the functions that are there.
    this.#protocol = protocol as unknown as Record<Name, ProtocolFunction<A>>;
    this.#name = name;
    this.#guard = guard;
  }

  subject(): { kind: CallKind; func: Callback } {
    return { kind: 'connection handler', func: this.#protocol[this.#name] };
  }

  call(connection: AnyConnection, argument: A): unknown {
    return this.#protocol[this.#name](connection, argument);
  }

  /** Not reported is the error of a stream whose peer is gone, in a function that awaits one. */
  onFailure(error: unknown, connection: AnyConnection): void {
    const isQuiet = isStreamClosed(error) && connection.closed;
    if (!isQuiet) this.#guard.fail(this.#protocol[this.#name], error);
    // `null`, too: without an error, nothing would have failed.
    connection.close(toError(error));
  }
}

/** `data()`, by its name alone: a look-up of any name costs more than the rest of the call. */
class DataCall extends ProtocolCall<Buffer> {
  readonly #owner: AnyProtocol;

  constructor(protocol: AnyProtocol, name: 'data', guard: Guard) {
    super(protocol, name, guard);
    this.#owner = protocol;
  }

  override call(connection: AnyConnection, chunk: Buffer): unknown {
    return this.#owner.data(connection, chunk);
  }
}

/** `state()`, whose result is the state. */
class StateCall extends ProtocolCall<undefined> {
  override call(connection: AnyConnection): unknown {
    connection.state = super.call(connection, undefined);
    return undefined;
  }
}

type ProtocolFunction<A> = (connection: AnyConnection, argument: A) => unknown;

const known = new WeakMap<Guard, WeakMap<AnyProtocol, ProtocolCalls>>();

/** @throws `ERR_INVALID_ARG_TYPE`. */
export function checkProtocol(protocol: unknown): asserts protocol is AnyProtocol {
  if (typeof protocol !== 'object' || protocol === null) {
    throw invalidArgType('protocol', protocol, 'an object with a function data(connection, chunk)');
  }
  const functions = protocol as Record<string, unknown>;
  const { data } = functions;
  if (typeof data !== 'function') throw invalidArgType('protocol.data', data, 'a function');
  const { chunks } = functions;
  if (chunks !== undefined && chunks !== 'owned' && chunks !== 'borrowed') {
    throw invalidArgValue('protocol.chunks', chunks, "'owned' or 'borrowed'");
  }
  for (const name of OPTIONAL) {
    const value = functions[name];
    if (value === undefined || typeof value === 'function') continue;
    throw invalidArgType(`protocol.${name}`, value, 'a function, or left out');
  }
}
