/** From a stream to one with TLS. */
import * as tls from 'node:tls';
import {
  invalidArgType,
  invalidArgValue,
  streamBusy,
  streamClosed,
  tlsHandshakeEnded,
} from '../../support/errors.js';
import type { Socket } from '../../sockets/socket.js';
import { Deferred } from '../../support/deferred.js';
import { coreOf, IOStream } from '../iostream.js';
import type { IOStreamOptions } from '../options.js';
import { noteHandshakeFailure } from './handshake-failures.js';
import { SSLIOStream, type StartTlsOptions } from './ssl-iostream.js';
import type { Moved } from '../stream.js';
import { TlsCarrier, type CarrierOwner } from './tls-carrier.js';
import { TlsEndpoint } from './tls-endpoint.js';
import { serveTls, tlsServerFor } from './tls-servers.js';
import { isLimited, Wait } from '../../loop/wait.js';

/**
 * Replaces an idle stream by one with TLS on the same connection; see `IOStream.startTls`. From the
 * check to the move nothing else runs.
 *
 * @throws What is wrong with the options or with the state of the stream, which is as before.
 */
export function startTls(stream: IOStream, options: StartTlsOptions): Promise<SSLIOStream> {
  const begin = options.serverSide === true ? serverSide(options) : clientSide(options);
  let handshake: Handshake | null = null;
  const giveUp = (error: unknown): void => {
    handshake?.fail(error as Error);
  };
  // Every getter of the options has run before the state of the stream is looked at.
  const wait = isLimited(options) ? new Wait(stream.loop, options, 'TLS handshake', giveUp) : null;
  try {
    handshake = new Handshake(stream, moveOut(stream));
  } catch (error) {
    wait?.done();
    throw error;
  }
  coreOf(stream).move = handshake;
  try {
    begin(handshake);
  } catch (error) {
    handshake.fail(error as Error);
  }
  return handshake.result.finally(() => {
    wait?.done();
  });
}

/** @throws When the stream is closed or in use. */
function moveOut(stream: IOStream): Moved {
  const core = coreOf(stream);
  if (core.closed) throw core.closedError();
  if (stream.reading || stream.writing) {
    throw streamBusy('startTls()', 'a read waits, or something is still to be sent');
  }
  return core.moveOut();
}

/** A connection that is between its plain and its secure stream. */
class Handshake implements CarrierOwner {
  readonly carrier: TlsCarrier;
  readonly #replaced: IOStream;
  readonly #below: IOStream;
  readonly #moved: Moved;
  readonly #settings: IOStreamOptions;
  readonly #done = new Deferred<SSLIOStream>();
  #over = false;

  constructor(replaced: IOStream, moved: Moved) {
    const { loop } = replaced;
    const { endpoint, limits, unread, allowHalfOpen } = moved;
    this.#replaced = replaced;
    this.#moved = moved;
    this.#settings = {
      loop,
      allowHalfOpen,
      maxBufferSize: limits.maxBufferSize,
      readChunkSize: limits.readChunkSize,
      maxWriteBufferSize: limits.writer.maxBufferSize,
      highWaterMark: limits.writer.highWaterMark,
      lowWaterMark: limits.writer.lowWaterMark,
    };
    this.#below = new IOStream(endpoint as unknown as Socket, { loop, allowHalfOpen: true });
    this.carrier = new TlsCarrier(this.#below, unread);
    this.carrier.owner = this;
  }

  get result(): Promise<SSLIOStream> {
    return this.#done.promise;
  }

  /** The secure stream exists from this moment on: nothing that happens next can escape it. */
  stand(socket: tls.TLSSocket): void {
    if (this.#over) {
      socket.destroy();
      return;
    }
    this.#finish();
    const endpoint = new TlsEndpoint(socket, this.carrier, this.#below);
    const stream = new SSLIOStream(endpoint, this.#settings);
    const { callback, watch } = this.#moved;
    stream.setCloseCallback(callback);
    coreOf(this.#replaced).successor = stream;
    if (watch !== null) {
      watch.watcher.onReplaced?.(watch.watched, stream);
      coreOf(stream).watch<unknown>(watch.watcher, stream);
    }
    this.#done.resolve(stream);
  }

  /** Closes the connection, after what TLS has to say about it. `reason` is for its callback. */
  fail(error: Error, reason: Error | null = error): void {
    if (this.#over) return;
    this.#finish();
    if (error === reason) noteHandshakeFailure(error);
    this.#done.reject(error);
    const { callback, watch } = this.#moved;
    const core = coreOf(this.#below);
    core.setCloseCallback(callback);
    this.carrier.owner = null;
    // An alert may be on its way.
    this.carrier.flush();
    core.close(reason);
    this.carrier.destroy();
    watch?.watcher.onClosed(watch.watched);
  }

  /** The program closes the stream that is being replaced. */
  abandon(reason: Error | null): void {
    this.fail(streamClosed(reason), reason);
  }

  #finish(): void {
    this.#over = true;
    coreOf(this.#replaced).move = null;
  }

  onCarrierEnd(): void {
    this.fail(tlsHandshakeEnded());
  }

  onCarrierError(error: Error): void {
    this.fail(error);
  }
}

type Begin = (handshake: Handshake) => void;

function serverSide({ tls: settings, server }: StartTlsOptions): Begin {
  if (server !== undefined && !(server instanceof tls.Server)) {
    throw invalidArgType('server', server, 'a tls.Server');
  }
  const chosen = server ?? tlsServerFor((settings ?? {}) as tls.TlsOptions);
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
    secureContext: tls.createSecureContext(settings as tls.SecureContextOptions),
    ...(settings as tls.ConnectionOptions),
    ...(hostname === undefined ? {} : { host: hostname }),
    ...(isName ? { servername: hostname } : {}),
  };
  return (handshake) => {
    const socket = tls.connect({ ...options, socket: handshake.carrier });
    socket.once('secureConnect', () => {
      handshake.stand(socket);
    });
    socket.on('error', (error) => {
      handshake.fail(error);
    });
  };
}
