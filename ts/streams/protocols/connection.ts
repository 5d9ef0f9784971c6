/** `Connection`: one object for a connection whose bytes are pushed to a protocol. */
import type { TLSSocket } from 'node:tls';
import type { Address } from '../../sockets/address.js';
import type { Socket } from '../../sockets/socket.js';
import { INSPECT, viewOf } from '../../support/inspect.js';
import type { Sides } from '../ownership.js';
import { clientAddressOf, proxyHeaderOf, type ProxyHeader } from '../proxy-header.js';
import type { Transport } from '../transport.js';
import { ConnectionCore } from './connection-core.js';
import type { ConnectionSettings } from './inflow.js';
import { ProtocolCalls, type Protocol } from './protocol.js';

/**
 * A connection of a {@link Protocol}, made by `TCPServer`, `TCPClient` and `stream.setProtocol()`.
 * There are no promises: methods return at once, and functions of the protocol report what follows.
 *
 * While nothing arrives, it is this object and its place in the table of the loop.
 */
export class Connection<State = undefined> extends ConnectionCore {
  /** For the program: what `state()` of the protocol has made, by default `undefined`. */
  state: State;

  /**
   * Goes on with `sides`, of a stream; `null` for a new connection. {@link begin} follows.
   *
   * @internal
   * @throws As {@link Transport.open}; the transport is not closed then.
   */
  constructor(
    settings: ConnectionSettings,
    transport: Transport,
    calls: ProtocolCalls,
    sides: Sides | null,
  ) {
    super(settings, transport, calls, sides);
    // Definite for a protocol without `state()`, whose type it is then.
    this.state = undefined as State;
  }

  /**
   * Calls `state` and `open`.
   *
   * @internal
   */
  begin(): void {
    const { guard } = this.settings;
    const { state, open } = this.calls;
    if (state !== null) guard.enter(state, this.self, undefined);
    if (open !== null && !this.closed) guard.enter(open, this.self, undefined);
  }

  /**
   * The protocol. A new one gets all further events, `open` excepted. Set in the middle of a chunk, by
   * `data` or the function of a framing helper, it gets the rest: what {@link unread} leaves, or the
   * frames that follow.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, when it is set.
   */
  get protocol(): Protocol<State> {
    return this.calls.protocol as Protocol<State>;
  }

  /** Sets another one: see above. */
  set protocol(protocol: Protocol<State>) {
    this.calls = ProtocolCalls.of(protocol, this.settings.guard);
  }

  /** The socket, for its options; `null` if the descriptor is not a socket. */
  get socket(): Socket | null {
    return this.transport.socket;
  }

  /** Node's socket of a connection with TLS, for certificates and the cipher; `null` for others. */
  get tlsSocket(): TLSSocket | null {
    return this.transport.tlsSocket;
  }

  /** The header of the PROXY protocol that the connection has begun with; `null` without one. */
  get proxyHeader(): ProxyHeader | null {
    return proxyHeaderOf(this.socket);
  }

  /** The address of the peer, or of the client that {@link proxyHeader} names; `null` once closed. */
  get remoteAddress(): Address | null {
    return this.closed ? null : clientAddressOf(this.socket);
  }

  /** The own address; `null` once closed. */
  get localAddress(): Address | null {
    return this.closed ? null : (this.socket?.localAddress ?? null);
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    // The prototype is displayed, too.
    if (!Object.hasOwn(this, 'state')) return viewOf(this, {});
    const { stateName, paused, unsent, error } = this;
    const state = {
      fd: this.closed ? -1 : this.transport.peekFd(),
      ...(stateName === 'open' ? {} : { state: stateName }),
      ...(error === null ? {} : { error: `${error.name}: ${error.message}` }),
      ...(paused ? { paused } : {}),
      unsent,
      ...(this.state === undefined ? {} : { data: this.state }),
    };
    return viewOf(this, state, { hidden: ['state'] });
  }
}
