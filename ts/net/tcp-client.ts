/** `TCPClient`: connects to a name. */
import { checkOptions } from '../support/checks.js';
import { invalidArgType, invalidArgValue } from '../support/errors.js';
import { portNumber } from '../sockets/address.js';
import { ipFamily } from '../sockets/ip-address.js';
import { settled } from '../loop/guard.js';
import { checkLoop } from '../loop/internals.js';
import { IOLoop } from '../loop/ioloop.js';
import { expectToRun } from '../loop/not-running.js';
import { isLimited, Wait, type WaitOptions } from '../loop/wait.js';
import type { IOStream } from '../streams/iostream.js';
import type { IOStreamOptions, StartTlsOptions } from '../streams/options.js';
import type { Connection } from '../streams/protocols/connection.js';
import { checkProtocol, type Protocol } from '../streams/protocols/protocol.js';
import { ConnectAttempts, type HostAddress } from './connect-attempts.js';

/** Resolves a host to its addresses, best first; `family` is the option of `connect()`. */
export type Resolver = (host: string, family: 4 | 6 | undefined) => Promise<readonly HostAddress[]>;

/** Options of {@link TCPClient}. */
export interface TCPClientOptions {
  /** By default the resolver of the system, off the thread (`dns.promises.lookup`). */
  readonly resolver?: Resolver | undefined;
}

/** Options of {@link TCPClient.connect}, and of the stream of the connection. */
export interface ConnectOptions extends IOStreamOptions, WaitOptions {
  /** See {@link ConnectProtocolOptions}. */
  readonly protocol?: undefined;
  /** Connect only to addresses of this family. */
  readonly family?: 4 | 6 | undefined;
  /** Begin TLS: `true`, or options of `startTls()`. Its `hostname` is `host` by default. */
  readonly tls?: boolean | StartTlsOptions | undefined;
  /** The local address. */
  readonly sourceIp?: string | undefined;
  /** The local port. Without `sourceIp` the local address is loopback, as in Tornado. */
  readonly sourcePort?: number | undefined;
}

/** Options of {@link TCPClient.connect} for a connection with a protocol. */
export interface ConnectProtocolOptions<State> extends Omit<ConnectOptions, 'protocol'> {
  /** The functions that get the bytes of the connection, over TLS after the handshake. */
  readonly protocol: Protocol<State>;
}

/** Makes connections. */
export class TCPClient {
  readonly #resolver: Resolver;

  /**
   * A client with these options; it holds no connection and needs no close.
   *
   * @throws `ERR_INVALID_ARG_TYPE`.
   */
  constructor(options: TCPClientOptions = {}) {
    checkOptions(options);
    this.#resolver = options.resolver ?? resolve;
  }

  /**
   * Connects to `host`, a name or an IP address. An address may be in brackets, as in a URL
   * (`[::1]`), and have a zone (`fe80::1%eth0`). `port` may be a string of digits.
   *
   * Several addresses are tried in turn, alternating between the families: the next one as soon as
   * an attempt has failed, or beside it after 0.3 s (RFC 8305). The first connection wins, the others
   * are closed.
   *
   * `timeout` and `signal` apply to the whole: resolving, connecting and TLS. Rejects with the error
   * of the resolver, with the `StreamClosedError` of the last attempt, with the error of the TLS
   * handshake, with a `TimeoutError`, or with the reason of the signal. Nothing is left open then.
   *
   * The loop has to run. If it never does, the promise stays pending, and a warning is emitted when
   * the process ends (`IOLOOP_NOT_RUNNING`).
   */
  connect(host: string, port: number | string, options?: ConnectOptions): Promise<IOStream>;
  connect<State = undefined>(
    host: string,
    port: number | string,
    options: ConnectProtocolOptions<State>,
  ): Promise<Connection<State>>;
  async connect(
    host: string,
    port: number | string,
    options: ConnectOptions | ConnectProtocolOptions<unknown> = {},
  ): Promise<IOStream | Connection<unknown>> {
    checkOptions(options);
    const { protocol } = options;
    if (protocol !== undefined) checkProtocol(protocol);
    const stream = await this.#connect(host, port, options as ConnectOptions);
    return protocol === undefined ? stream : stream.setProtocol(protocol);
  }

  async #connect(
    hostOrLiteral: string,
    port: number | string,
    options: ConnectOptions,
  ): Promise<IOStream> {
    const host = checkHost(hostOrLiteral);
    const number = portNumber('port', port);
    checkConnectOptions(options);
    const loop = checkLoop(options.loop ?? IOLoop.current());
    const what = `connect to ${host}:${number}`;
    // One signal for all steps; none is needed for a connection without limits.
    const abort = isLimited(options) ? new AbortController() : null;
    const wait =
      abort === null
        ? null
        : new Wait(loop, options, what, (error) => {
            abort.abort(error);
          });
    let connected: (() => void) | null = null;
    try {
      connected = expectToRun(loop, what);
      const attempts = new ConnectAttempts(number, { ...options, loop }, abort?.signal);
      settled(this.#begin(attempts, host, options.family), undefined, (error) => {
        attempts.fail(error);
      });
      const stream = await attempts.result;
      const { tls } = options;
      if (tls === undefined || tls === false) return stream;
      return await secured(stream, host, tls === true ? {} : tls, abort?.signal);
    } finally {
      wait?.done();
      connected?.();
    }
  }

  /** Resolves the host and starts the attempts. The resolver may be the program's. */
  async #begin(attempts: ConnectAttempts, host: string, family: 4 | 6 | undefined): Promise<void> {
    const resolver = this.#resolver;
    const addresses: unknown = await resolver(host, family);
    if (!Array.isArray(addresses) || !addresses.every(isHostAddress)) {
      const expected = 'a function that gives a list of { address, family }: IP addresses, 4 or 6';
      throw invalidArgValue('resolver', addresses, expected);
    }
    attempts.start(addresses, host);
  }
}

function isHostAddress(value: unknown): value is HostAddress {
  const { address, family } = (value ?? {}) as Partial<HostAddress>;
  return typeof address === 'string' && ipFamily(address) !== 0 && ipFamily(address) === family;
}

/** A NUL ends the name for the system's resolver, but not for the check of a certificate. */
function checkHost(host: unknown): string {
  if (typeof host !== 'string') throw invalidArgType('host', host, 'a string');
  if (host === '' || host.includes('\0')) {
    throw invalidArgValue('host', host, 'a name or an IP address');
  }
  return withoutBrackets(host);
}

/** `[::1]` is the form of an address in a URL. */
function withoutBrackets(host: string): string {
  const inside = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : '';
  return ipFamily(inside) === 6 ? inside : host;
}

async function resolve(host: string, family: 4 | 6 | undefined): Promise<HostAddress[]> {
  const literal = ipFamily(host);
  if (literal !== 0) {
    if (family === undefined || family === literal) return [{ address: host, family: literal }];
    throw invalidArgValue('host', host, `an IPv${family} address, as "family" says`);
  }
  const { lookup } = process.getBuiltinModule('node:dns/promises');
  const found = await lookup(host, { all: true, verbatim: true, family: family ?? 0 });
  return found as HostAddress[];
}

function checkConnectOptions(options: ConnectOptions): void {
  checkOptions(options);
  const { family, sourceIp, sourcePort, tls } = options;
  if (family !== undefined && family !== 4 && family !== 6) {
    throw invalidArgValue('family', family, '4 or 6');
  }
  if (tls !== undefined && typeof tls !== 'boolean' && (typeof tls !== 'object' || tls === null)) {
    throw invalidArgType('tls', tls, 'a boolean, or an object: the options of startTls()');
  }
  if (sourceIp !== undefined && (typeof sourceIp !== 'string' || ipFamily(sourceIp) === 0)) {
    throw invalidArgValue('sourceIp', sourceIp, 'an IP address');
  }
  if (sourcePort !== undefined) portNumber('sourcePort', sourcePort);
}

/** `abort` is the signal of the whole connect; the options of TLS may have one of their own. */
async function secured(
  stream: IOStream,
  host: string,
  options: StartTlsOptions,
  abort: AbortSignal | undefined,
): Promise<IOStream> {
  const signals = [abort, options.signal].filter((signal) => signal !== undefined);
  const signal = signals.length > 1 ? AbortSignal.any(signals) : signals[0];
  try {
    return await stream.startTls({ hostname: host, ...options, signal });
  } catch (error) {
    // Wrong options leave the stream open.
    stream.close();
    throw error;
  }
}
