/** The options of a `TCPServer`, and their check: once for all connections. */
import type { TlsOptions } from 'node:tls';
import { checkBoolean, checkFunction, checkInteger, checkOptions } from '../support/checks.js';
import { secondsOf } from '../support/duration.js';
import { invalidArgType, invalidArgValue, outOfRange } from '../support/errors.js';
import type { Address } from '../sockets/address.js';
import type { IOLoop } from '../loop/ioloop.js';
import type { WaitOptions } from '../loop/wait.js';
import type { IOStream } from '../streams/iostream.js';
import { streamSettings, type IOStreamOptions, type StreamSettings } from '../streams/options.js';
import { checkProtocol, type Protocol } from '../streams/protocols/protocol.js';
import { DEFAULT_BATCH, MAX_BATCH } from './acceptor.js';
import { proxySettings, type ProxyProtocolOptions, type ProxySettings } from './proxy-options.js';

/**
 * Called with the stream of each connection and the address of its peer; with `proxyProtocol`, of the
 * client.
 */
export type StreamHandler = (stream: IOStream, address: Address) => unknown;

/** Options of {@link TCPServer}. Options of streams apply to each connection. */
export interface TCPServerOptions<State = undefined> extends IOStreamOptions {
  /**
   * The functions that get the bytes of all connections, in place of `handleStream`: no streams are
   * made. See {@link Protocol}.
   */
  readonly protocol?: Protocol<State> | undefined;
  /** Called for each connection; a subclass may override the method of this name instead. */
  readonly handleStream?: StreamHandler | undefined;
  /**
   * Options of `tls.createServer()` (`cert`, `key`, `ca`, `requestCert`, `SNICallback` …). Each
   * connection begins with a TLS handshake. `handleStream` is called after it, and not at all for a
   * peer whose certificate is refused. A handshake that fails closes its connection and is not
   * reported: scanners cause many. `'tlsClientError'` of {@link TCPServer.tlsServer} has each, with the
   * addresses of its socket.
   */
  readonly tls?: TlsOptions | undefined;
  /**
   * Longest TLS handshake, in seconds; by default 10. A handshake in progress counts as a
   * connection.
   */
  readonly handshakeTimeout?: number | undefined;
  /**
   * Whether connections begin with a header of the PROXY protocol, version 1 or 2, as a balancer
   * sends it; `true` stands for `{}`. It is read before the TLS handshake. `handleStream` gets the
   * address of the client, {@link IOStream.proxyHeader} has the rest, and the duplexes of
   * `toDuplex()` and `serveHttp()` have the client as `remoteAddress` and `remotePort`. `socket` of
   * the stream has the addresses of the connection to the balancer.
   *
   * A connection that breaks the rules is closed and counted in {@link TCPServer.proxyRefusals}. The
   * first is reported (`ERR_IOLOOP_PROXY_HEADER`), and again after 1 s, 2 s, 4 s … up to a minute. A
   * connection whose header is awaited counts as a connection; `stop()` closes it.
   */
  readonly proxyProtocol?: boolean | ProxyProtocolOptions | undefined;
  /** Most connections at a time: further ones wait in the backlog. By default unlimited. */
  readonly maxConnections?: number | undefined;
  /** Most connections that one turn accepts from a socket, from 1 to 65,536; by default 128. */
  readonly acceptBatch?: number | undefined;
  /** Whether small packets are sent at once (`TCP_NODELAY`); by default true. */
  readonly nodelay?: boolean | undefined;
}

/** Options of {@link TCPServer.stop}. */
export interface StopOptions extends WaitOptions {
  /** Whether to wait until the connections are closed; by default false. */
  readonly drain?: boolean | undefined;
}

/** The checked options. */
export interface ServerSettings {
  readonly loop: IOLoop;
  readonly handleStream: StreamHandler | undefined;
  readonly protocol: Protocol<unknown> | undefined;
  readonly tls: TlsOptions | undefined;
  /** Seconds. */
  readonly handshakeTimeout: number;
  readonly proxyProtocol: ProxySettings | null;
  readonly maxConnections: number;
  readonly acceptBatch: number;
  readonly nodelay: boolean;
  /** All connections share them. */
  readonly streams: StreamSettings;
}

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`. */
export function serverSettings(
  optionsOrHandler: TCPServerOptions<unknown> | StreamHandler,
): ServerSettings {
  const options =
    typeof optionsOrHandler === 'function' ? { handleStream: optionsOrHandler } : optionsOrHandler;
  checkOptions(options);
  const { handleStream, tls, maxConnections = Infinity, acceptBatch = DEFAULT_BATCH } = options;
  if (handleStream !== undefined) checkFunction('handleStream', handleStream);
  const { protocol } = options;
  if (protocol !== undefined) checkProtocol(protocol);
  if (protocol !== undefined && handleStream !== undefined) {
    throw invalidArgValue('handleStream', handleStream, 'left out: there is a protocol');
  }
  if (maxConnections !== Infinity) checkInteger('maxConnections', maxConnections, 1, LARGEST);
  checkInteger('acceptBatch', acceptBatch, 1, MAX_BATCH);
  const handshakeTimeout = checkHandshakeTimeout(options.handshakeTimeout);
  const nodelay = checkBoolean('nodelay', options.nodelay, true);
  if (tls !== undefined && (typeof tls !== 'object' || tls === null)) {
    throw invalidArgType('tls', tls, 'an object: the options of tls.createServer()');
  }
  const streams = streamSettings(options);
  return {
    loop: streams.loop,
    handleStream,
    protocol,
    tls:
      tls === undefined ? undefined : withTimeout(tls, options.handshakeTimeout, handshakeTimeout),
    handshakeTimeout,
    proxyProtocol: proxySettings(options.proxyProtocol),
    maxConnections,
    acceptBatch,
    nodelay,
    streams,
  };
}

function checkHandshakeTimeout(value: number | undefined): number {
  if (value === undefined) return DEFAULT_HANDSHAKE;
  const seconds = secondsOf(value, 'handshakeTimeout');
  if (seconds > 0) return seconds;
  throw outOfRange('handshakeTimeout', value, 'more than 0');
}

/** `node:tls` has a timeout of its own. It must not expire before the one that the program has set. */
function withTimeout(tls: TlsOptions, wanted: number | undefined, seconds: number): TlsOptions {
  if (tls.handshakeTimeout !== undefined || wanted === undefined) return tls;
  const milliseconds = Math.ceil(1e3 * seconds + NODE_HANDSHAKE);
  return { ...tls, handshakeTimeout: Math.min(milliseconds, LARGEST) };
}

const LARGEST = 2 ** 31 - 1;

/** Seconds. */
const DEFAULT_HANDSHAKE = 10;

/** Milliseconds: the default of `node:tls`. */
const NODE_HANDSHAKE = 120_000;
