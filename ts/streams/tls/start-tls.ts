/** The TLS handshake, which replaces a stream by one with TLS. */
import type { ConnectionOptions, SecureContextOptions, TlsOptions, TLSSocket } from 'node:tls';
import { nodeTls } from '../../support/builtins.js';
import {
  invalidArgType,
  invalidArgValue,
  streamClosed,
  tlsHandshakeEnded,
} from '../../support/errors.js';
import { Deferred } from '../../support/deferred.js';
import { isLimited, Wait } from '../../loop/wait.js';
import { DEFAULT_LIMITS, type StartTlsOptions } from '../options.js';
import type { Move, Moved } from '../ownership.js';
import { createStream } from '../debug-stream.js';
import { Stream } from '../stream.js';
import { noteHandshakeFailure } from './handshake-failures.js';
import { TlsCarrier, type CarrierOwner } from './tls-carrier.js';
import { serveTls, tlsServerFor, type ServerHandshake } from './tls-servers.js';
import { TlsTransport } from './tls-transport.js';

/** Makes the public face of a stream with TLS. */
export type MakeSecure<T> = (stream: Stream, socket: TLSSocket) => T;

/**
 * Replaces an idle stream by one with TLS on the same connection; see `IOStream.startTls`. Nothing
 * else runs between the check of the state and the move.
 *
 * @throws The error of wrong options, or of a stream that is in use or closed. It is unchanged.
 */
export function startTls<T>(
  stream: Stream,
  options: StartTlsOptions,
  makeSecure: MakeSecure<T>,
): Promise<T> {
  const begin = options.serverSide === true ? serverSide(options) : clientSide(options);
  let handshake: Handshake<T> | null = null;
  const giveUp = (error: unknown): void => {
    handshake?.fail(error as Error);
  };
  // The getters of the options run before the state of the stream is checked.
  const wait = isLimited(options) ? new Wait(stream.loop, options, 'TLS handshake', giveUp) : null;
  try {
    stream.assertIdle('startTls()');
    handshake = new Handshake(stream, stream.moveOut(), makeSecure);
  } catch (error) {
    wait?.done();
    throw error;
  }
  stream.move = handshake;
  try {
    begin(handshake);
  } catch (error) {
    handshake.fail(error as Error);
  }
  return handshake.result.finally(() => {
    wait?.done();
  });
}

/**
 * A connection between its plain and its secure stream.
 *
 * | From | Event | To | The connection |
 * | --- | --- | --- | --- |
 * | in progress | the handshake is completed | over | continues in the secure stream |
 * | in progress | an error, EOF, a timeout, an abort | over | closed, after the TLS alert |
 * | in progress | `close()` of the plain stream | over | closed |
 * | over | any | over | the first result stands |
 */
class Handshake<T> implements Move, CarrierOwner, ServerHandshake {
  /** The duplex that `node:tls` encrypts onto. */
  readonly carrier: TlsCarrier;
  successor: T | null = null;
  /** The stream of the program, which is moved out. */
  readonly #replaced: Stream;
  /** A stream of the package on the same transport, for the encrypted bytes. */
  readonly #below: Stream;
  /** The limits and listeners for the secure stream. */
  readonly #moved: Moved;
  readonly #makeSecure: MakeSecure<T>;
  readonly #done = new Deferred<T>();
  #over = false;

  constructor(replaced: Stream, moved: Moved, makeSecure: MakeSecure<T>) {
    const { loop } = replaced;
    this.#replaced = replaced;
    this.#moved = moved;
    this.#makeSecure = makeSecure;
    // The limits of the program are for plain bytes. The carrier ends each side by itself.
    this.#below = new Stream(
      { loop, limits: DEFAULT_LIMITS, allowHalfOpen: true },
      moved.transport,
    );
    this.carrier = new TlsCarrier(this.#below, moved.unread);
    this.carrier.owner = this;
  }

  get result(): Promise<T> {
    return this.#done.promise;
  }

  /** The handshake is completed. The secure stream exists at once: it misses no event. */
  stand(socket: TLSSocket): void {
    // Given up in the tick in which it was completed.
    if (this.#over) {
      socket.destroy();
      return;
    }
    this.#over = true;
    const { callback, watch, limits, allowHalfOpen } = this.#moved;
    const { loop } = this.#replaced;
    const transport = new TlsTransport(socket, this.carrier, this.#below);
    const stream = createStream({ loop, limits, allowHalfOpen }, transport);
    const secure = this.#makeSecure(stream, socket);
    // Before the promise resolves: the connection may end in this tick, too.
    stream.setCloseCallback(callback);
    this.successor = secure;
    if (watch !== null) {
      watch.watcher.onReplaced?.(watch.watched, secure);
      stream.watch<unknown>(watch.watcher, secure);
    }
    this.#done.resolve(secure);
  }

  /** Closes the connection, after the TLS alert. The close callback gets `reason`. */
  fail(error: Error, reason: Error | null = error): void {
    if (this.#over) return;
    this.#over = true;
    // Not one that the program has cancelled by `close()`.
    if (error === reason) noteHandshakeFailure(error);
    this.#done.reject(error);
    const { callback, watch } = this.#moved;
    this.#below.setCloseCallback(callback);
    this.carrier.owner = null;
    // It may have an alert.
    this.carrier.flush();
    this.#below.close(reason);
    this.carrier.destroy();
    watch?.watcher.onClosed(watch.watched);
  }

  /** The program has closed the stream that is being replaced. */
  abandon(reason: Error | null): void {
    this.fail(streamClosed(reason), reason);
  }

  onCarrierEnd(): void {
    this.fail(tlsHandshakeEnded());
  }

  onCarrierError(error: Error): void {
    this.fail(error);
  }
}

/** Starts the handshake of one side. */
type Begin = (handshake: ServerHandshake & { readonly carrier: TlsCarrier }) => void;

function serverSide({ tls: settings, server }: StartTlsOptions): Begin {
  if (server !== undefined && !(server instanceof nodeTls().Server)) {
    throw invalidArgType('server', server, 'a tls.Server');
  }
  const chosen = server ?? tlsServerFor((settings ?? {}) as TlsOptions);
  return (handshake) => {
    serveTls(chosen, handshake.carrier, handshake);
  };
}

function clientSide({ hostname, tls: settings = {} }: StartTlsOptions): Begin {
  if (hostname === undefined && settings.rejectUnauthorized !== false) {
    const expected = 'the name of the server, whose certificate is checked';
    throw invalidArgValue('hostname', hostname, expected);
  }
  const isName = hostname !== undefined && !/^[\d.]+$|:/.test(hostname);
  const options = {
    // Wrong keys and certificates throw here.
    secureContext: nodeTls().createSecureContext(settings as SecureContextOptions),
    ...(settings as ConnectionOptions),
    ...(hostname === undefined ? {} : { host: hostname }),
    ...(isName ? { servername: hostname } : {}),
  };
  return (handshake) => {
    const socket = nodeTls().connect({ ...options, socket: handshake.carrier });
    socket.once('secureConnect', () => {
      handshake.stand(socket);
    });
    socket.on('error', (error) => {
      handshake.fail(error);
    });
  };
}
