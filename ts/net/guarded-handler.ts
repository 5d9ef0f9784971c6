/** The guarded call of `handleStream`, and which of its failures are reported. */
import { isAbortReason } from '../support/abort-signal.js';
import { StreamClosedError, toError } from '../support/errors.js';
import { ReportGate } from '../support/report-gate.js';
import type { Address } from '../sockets/address.js';
import type { Callback } from '../loop/callback-queue.js';
import type { GuardedCall } from '../loop/guard.js';
import { guardOf } from '../loop/internals.js';
import type { IOLoop } from '../loop/ioloop.js';
import type { CallKind } from '../loop/origins.js';
import { IOStream } from '../streams/iostream.js';
import type { Connection } from '../streams/protocols/connection.js';
import { coreOf } from '../streams/stream.js';
import { isHandshakeFailure } from '../streams/tls/handshake-failures.js';
import type { Served } from './connections.js';
import type { StreamHandler } from './server-options.js';

/** The members of a `TCPServer` that the call needs. */
interface Server {
  readonly loop: IOLoop;
  /** May be overridden. */
  handleStream(stream: IOStream, address: Address): unknown;
}

/**
 * A failure of `handleStream` closes the stream of its connection. Reported is
 *
 * | failure                                                       | reported                   |
 * | ------------------------------------------------------------- | -------------------------- |
 * | the `StreamClosedError` of its own stream (the peer is gone)   | no: `stream.error` has it  |
 * | the reason of a signal that the program has aborted           | no                         |
 * | a TLS handshake of the peer that failed                       | the first, then less often |
 * | anything else                                                 | each                       |
 *
 * Peers cause failed handshakes at will: reporting each would let them fill the log.
 */
export class GuardedHandler implements GuardedCall<IOStream, Address> {
  readonly #server: Server;
  readonly #handleStream: StreamHandler | null;
  readonly #handshakeFailures = new ReportGate();

  /** Reports name `handleStream`; `null` for an overridden method. */
  constructor(server: Server, handleStream: StreamHandler | null) {
    this.#server = server;
    this.#handleStream = handleStream;
  }

  subject(): { kind: CallKind; func: Callback } {
    return {
      kind: 'connection handler',
      func: this.#handleStream ?? (this.#server.handleStream as Callback),
    };
  }

  call(stream: IOStream, address: Address): unknown {
    return this.#server.handleStream(stream, address);
  }

  onFailure(error: unknown, accepted: IOStream): void {
    const connection = latestOf(accepted);
    if (!this.#isQuiet(connection, error)) {
      guardOf(this.#server.loop).fail(this.#handleStream, error);
    }
    // `null`, too: without an error, nothing would have failed.
    connection.close(toError(error));
  }

  #isQuiet(connection: Served, error: unknown): boolean {
    if (isHandshakeFailure(error) && !isAbortReason(error)) return !this.#handshakeFailures.opens();
    if (!(error instanceof StreamClosedError)) return false;
    const isEnded = connection instanceof IOStream && connection.ended;
    return (connection.closed || isEnded) && error.realError === connection.error;
  }
}

/** What the connection of `stream` is now: `startTls()` and `setProtocol()` replace it. */
function latestOf(stream: IOStream): Served {
  const successor = coreOf(stream).move?.successor;
  if (successor instanceof IOStream) return latestOf(successor);
  return (successor as Connection<unknown> | null | undefined) ?? stream;
}
