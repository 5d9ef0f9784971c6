/** The server's side of TLS: `tls.Server` checks certificates, chooses contexts, issues tickets. */
import { EventEmitter } from 'node:events';
import type { SecureContext, Server, TlsOptions, TLSSocket } from 'node:tls';
import { nodeTls } from '../../support/builtins.js';
import { unsupported } from '../../support/errors.js';
import { addressProperties, lendAddresses, type AddressProperties } from './lent-addresses.js';
import type { TlsCarrier } from './tls-carrier.js';

/** The handshake of one connection, which ends in one of two ways. */
export interface ServerHandshake {
  stand(socket: TLSSocket): void;
  fail(error: Error): void;
}

/**
 * A `tls.Server` that does not listen: {@link serveTls} gives it connections.
 *
 * @throws `ERR_IOLOOP_UNSUPPORTED` where a `tls.Server` takes no connections that were accepted
 * elsewhere (Bun). The errors of `tls.createServer()`.
 */
export function createTlsServer(options: TlsOptions): Server {
  const server = nodeTls().createServer(options);
  const isBun = process.versions['bun'] !== undefined;
  if (isBun || server.listenerCount('connection') === 0) {
    throw unsupported('TLS of a server', 'This runtime has no tls.Server that takes connections');
  }
  // A context of the program. `tls.createServer()` ignores it and makes its own.
  const { secureContext } = options as { secureContext?: SecureContext };
  if (secureContext !== undefined) Object.assign(server, { _sharedCreds: secureContext });
  return server;
}

/**
 * The server for `options`: the same one for the same object while its properties are unchanged.
 * Its connections share session tickets, and the certificates are parsed once.
 *
 * @throws As {@link createTlsServer}.
 */
export function tlsServerFor(options: TlsOptions): Server {
  const known = servers.get(options);
  if (known !== undefined && isSame(known.options, options)) return known.server;
  const server = createTlsServer(options);
  servers.set(options, { options: { ...options }, server });
  return server;
}

/**
 * Makes the server's side of a handshake. It fails if `server` refuses the certificate, and with each
 * `'tlsClientError'`.
 */
export function serveTls(server: Server, carrier: TlsCarrier, handshake: ServerHandshake): void {
  // `own` lives as long as the connection, but needs them only until the end of the handshake.
  let addresses: AddressProperties | null = addressProperties(carrier.socket);
  // A server for this connection: it emits the events of this handshake only.
  const own = Object.create(server, {
    emit: {
      value: (event: string, ...args: [unknown, unknown]): boolean => {
        if (event === 'secureConnection') {
          addresses = null;
          handshake.stand(args[0] as TLSSocket);
          return true;
        }
        const isFailure = event === 'tlsClientError';
        if (isFailure && addresses !== null) lendAddresses(args[1] as TLSSocket, addresses);
        server.emit(event, ...args);
        if (isFailure) handshake.fail(refusalOf(...args));
        return true;
      },
    },
  }) as Server;
  EventEmitter.prototype.emit.call(own, 'connection', carrier);
}

interface KnownServer {
  /** A copy. */
  readonly options: TlsOptions;
  readonly server: Server;
}

const servers = new WeakMap<TlsOptions, KnownServer>();

function isSame(copy: object, options: object): boolean {
  const names = Object.keys(options);
  if (names.length !== Object.keys(copy).length) return false;
  const [before, now] = [copy, options] as Record<string, unknown>[];
  return names.every((name) => before?.[name] === now?.[name]);
}

/** For a refused certificate `tls.Server` reports a hang-up; the reason is on the socket. */
function refusalOf(error: unknown, socket: unknown): Error {
  const code = (socket as Partial<TLSSocket> | undefined)?.authorizationError as unknown;
  if (typeof code !== 'string') return error as Error;
  const message = `The certificate of the client was refused: ${code}`;
  return Object.assign(new Error(message, { cause: error }), { code });
}
