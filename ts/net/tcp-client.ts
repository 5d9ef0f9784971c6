/** Connecting to a name. */
import { portNumber } from '../sockets/address.js';
import { invalidArgType, invalidArgValue } from '../support/errors.js';
import { IOLoop } from '../loop/ioloop.js';
import { ipFamily } from '../sockets/ip-address.js';
import { expectToRun } from '../loop/not-running.js';
import { Socket } from '../sockets/socket.js';
import { Deferred } from '../support/deferred.js';
import { IOStream } from '../streams/iostream.js';
import { checkOptions } from '../support/checks.js';
import type { IOStreamOptions } from '../streams/options.js';
import type { StartTlsOptions } from '../streams/options.js';
import { isLimited, Wait, type WaitOptions } from '../loop/wait.js';

/** An address of a host. */
export interface HostAddress {
  /** A numeric IP address. */
  readonly address: string;
  /** The family of `address`. */
  readonly family: 4 | 6;
}

/** Gives the addresses of a host, best first; `family` is what was asked for. */
export type Resolver = (host: string, family: 4 | 6 | undefined) => Promise<readonly HostAddress[]>;

/** Options of a {@link TCPClient}. */
export interface TCPClientOptions {
  /** By default the system's resolver, off the thread (`dns.promises.lookup`). */
  readonly resolver?: Resolver | undefined;
}

/** Options of {@link TCPClient.connect}, and of the stream of the connection. */
export interface ConnectOptions extends IOStreamOptions, WaitOptions {
  /** Only addresses of this family. */
  readonly family?: 4 | 6 | undefined;
  /** Speak TLS: true, or options of `startTls`. The server's name is the host's. */
  readonly tls?: boolean | StartTlsOptions | undefined;
  /** The address to connect from. */
  readonly sourceIp?: string | undefined;
  /** The port to connect from; without `sourceIp` on the loopback interface, as documented. */
  readonly sourcePort?: number | undefined;
}

/** Makes connections. */
export class TCPClient {
  readonly #resolver: Resolver;

  /** A client with these options; it holds no connection and needs no close. */
  constructor(options: TCPClientOptions = {}) {
    this.#resolver = options.resolver ?? resolve;
  }

  /**
   * Connects to `host`, a name or an IP address, which may be in brackets as in a URL (`[::1]`) and
   * have a zone (`fe80::1%eth0`). The port may be a string of digits, as `URL` has it. When there
   * are several addresses, the next one is tried when the one before has failed, and beside it
   * after 0.3 s (RFC 8305); families take turns, the first connection wins, the others are closed.
   *
   * The timeout and the signal are for all of it: resolving, connecting and TLS. Rejects with the
   * resolver's error, with the {@link StreamClosedError} of the last attempt, with the error of the
   * TLS handshake, with a `TimeoutError`, or with the signal's reason; nothing stays open then.
   *
   * Connections are made while the loop runs. If it never runs, the promise stays pending, and a
   * warning is emitted when the process ends (`IOLOOP_NOT_RUNNING`).
   */
  async connect(
    hostOrLiteral: string,
    port: number | string,
    options: ConnectOptions = {},
  ): Promise<IOStream> {
    const host = checkHost(hostOrLiteral);
    const number = portNumber('port', port);
    checkConnectOptions(options);
    const attempts = new Attempts(number, { ...options, loop: options.loop ?? IOLoop.current() });
    const what = `connect to ${host}:${number}`;
    const giveUp = (error: unknown): void => {
      attempts.giveUp(error);
    };
    const wait = isLimited(options) ? new Wait(attempts.loop, options, what, giveUp) : null;
    let connected: (() => void) | null = null;
    try {
      connected = expectToRun(attempts.loop, what);
      this.#addressesOf(host, options.family)
        .then((addresses) => {
          attempts.start(addresses, host);
        })
        .catch(giveUp);
      const stream = await attempts.result.promise;
      return options.tls === undefined || options.tls === false
        ? stream
        : await secured(stream, host, options.tls === true ? {} : options.tls, attempts);
    } finally {
      wait?.done();
      connected?.();
    }
  }

  /** What a resolver of the program's gives is looked at before it is used. */
  async #addressesOf(host: string, family: 4 | 6 | undefined): Promise<readonly HostAddress[]> {
    const addresses: unknown = await this.#resolver(host, family);
    if (Array.isArray(addresses) && addresses.every(isHostAddress)) return addresses;
    const expected = 'a function that gives a list of { address, family }: IP addresses, 4 or 6';
    throw invalidArgValue('resolver', addresses, expected);
  }
}

function isHostAddress(value: unknown): value is HostAddress {
  const { address, family } = (value ?? {}) as Partial<HostAddress>;
  return typeof address === 'string' && ipFamily(address) !== 0 && ipFamily(address) === family;
}

/** The attempts for one connection. */
class Attempts {
  readonly loop: IOLoop;
  readonly result = new Deferred<IOStream>();
  readonly #port: number;
  readonly #options: ConnectOptions;
  readonly #streams = new Set<IOStream>();
  #addresses: HostAddress[] = [];
  #over = false;
  #failure: unknown = null;
  /** What the wait was given up with, while TLS is on its way. */
  #givenUp: ((error: unknown) => void) | null = null;
  #next: ReturnType<IOLoop['callLater']> | null = null;

  constructor(port: number, options: ConnectOptions & { readonly loop: IOLoop }) {
    this.loop = options.loop;
    this.#port = port;
    this.#options = options;
  }

  start(addresses: readonly HostAddress[], host: string): void {
    if (this.#over) return;
    this.#addresses = interleaved(addresses);
    if (this.#addresses.length > 0) this.#tryNext();
    else this.giveUp(invalidArgValue('host', host, 'a host that has an address'));
  }

  /** Whoever goes on with the stream hears when the wait is over. */
  set onGiveUp(callback: (error: unknown) => void) {
    this.#givenUp = callback;
  }

  giveUp(error: unknown): void {
    this.#finish();
    this.result.reject(error);
    this.#givenUp?.(error);
  }

  #tryNext(): void {
    this.#clearNext();
    const address = this.#addresses.shift();
    if (address === undefined) {
      if (this.#streams.size === 0) this.giveUp(this.#failure);
      return;
    }
    let stream: IOStream;
    try {
      stream = this.#open(address);
    } catch (error) {
      this.#failure = error;
      this.#tryNext();
      return;
    }
    this.#streams.add(stream);
    stream.connect({ host: address.address, port: this.#port }).then(
      () => {
        this.#onConnected(stream);
      },
      (error: unknown) => {
        this.#onFailed(stream, error);
      },
    );
    if (this.#addresses.length === 0) return;
    this.#next = this.loop.callLater(HEAD_START, () => {
      this.#next = null;
      this.#tryNext();
    });
  }

  #open({ address, family }: HostAddress): IOStream {
    const socket = Socket.tcp({ family });
    try {
      bindSource(socket, family, this.#options);
      return new IOStream(socket, this.#options);
    } catch (error) {
      socket.close();
      throw Object.assign(error as Error, { address });
    }
  }

  #onConnected(stream: IOStream): void {
    this.#streams.delete(stream);
    if (this.#over) {
      stream.close();
      return;
    }
    this.#finish();
    this.result.resolve(stream);
  }

  #onFailed(stream: IOStream, error: unknown): void {
    this.#streams.delete(stream);
    if (this.#over) return;
    this.#failure = error;
    this.#tryNext();
  }

  #finish(): void {
    this.#over = true;
    this.#clearNext();
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }

  #clearNext(): void {
    if (this.#next !== null) this.loop.removeTimeout(this.#next);
    this.#next = null;
  }
}

/** A NUL would end the name for the system's resolver, and not for the check of a certificate. */
function checkHost(host: unknown): string {
  if (typeof host !== 'string') throw invalidArgType('host', host, 'a string');
  if (host === '' || host.includes('\0')) {
    throw invalidArgValue('host', host, 'a name or an IP address');
  }
  return withoutBrackets(host);
}

/** `[::1]` is how a URL writes the address. */
function withoutBrackets(host: string): string {
  const inside = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : '';
  return ipFamily(inside) === 6 ? inside : host;
}

/** Seconds that an attempt has before the next one is made beside it. */
const HEAD_START = 0.3;

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

/** The addresses with the families taking turns, beginning with that of the first. */
function interleaved(addresses: readonly HostAddress[]): HostAddress[] {
  const [first] = addresses;
  const primary = addresses.filter(({ family }) => family === first?.family);
  const secondary = addresses.filter(({ family }) => family !== first?.family);
  const mixed: HostAddress[] = [];
  for (let at = 0; at < Math.max(primary.length, secondary.length); at += 1) {
    mixed.push(...primary.slice(at, at + 1), ...secondary.slice(at, at + 1));
  }
  return mixed;
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

function bindSource(socket: Socket, family: 4 | 6, options: ConnectOptions): void {
  const { sourceIp, sourcePort } = options;
  if (sourceIp === undefined && sourcePort === undefined) return;
  socket.setOption('reuseAddress', true);
  const loopback = family === 4 ? '127.0.0.1' : '::1';
  socket.bind({
    host: sourceIp ?? loopback,
    port: sourcePort === undefined ? 0 : portNumber('sourcePort', sourcePort),
  });
}

async function secured(
  stream: IOStream,
  host: string,
  options: StartTlsOptions,
  attempts: Attempts,
): Promise<IOStream> {
  const abort = new AbortController();
  attempts.onGiveUp = (error) => {
    abort.abort(error);
  };
  const { signal: own } = options;
  const signal = own === undefined ? abort.signal : AbortSignal.any([abort.signal, own]);
  return await stream.startTls({ hostname: host, ...options, signal });
}
