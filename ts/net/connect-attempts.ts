/** The attempts for one connection: RFC 8305, "Happy Eyeballs". */
import { unwatchSignal, watchSignal, type Abortable } from '../support/abort-signal.js';
import { Deferred } from '../support/deferred.js';
import { invalidArgValue } from '../support/errors.js';
import { portNumber } from '../sockets/address.js';
import { Socket } from '../sockets/socket.js';
import type { IOLoop } from '../loop/ioloop.js';
import type { Timeout } from '../loop/timeouts.js';
import { IOStream } from '../streams/iostream.js';
import type { IOStreamOptions } from '../streams/options.js';

/** An address of a host. */
export interface HostAddress {
  /** An IP address. */
  readonly address: string;
  /** Its family. */
  readonly family: 4 | 6;
}

/** Options of the attempts, checked. */
export interface AttemptOptions extends IOStreamOptions {
  readonly loop: IOLoop;
  readonly sourceIp?: string | undefined;
  readonly sourcePort?: number | undefined;
}

/**
 * Tries the addresses in turn, alternating between the families. The first connection wins; the others
 * are closed.
 *
 * | State     | Event                       | Next                                            |
 * | --------- | --------------------------- | ----------------------------------------------- |
 * | resolving | {@link start}               | trying: the first address                       |
 * |           | no address, {@link fail}    | over: rejects                                   |
 * | trying    | an attempt has failed       | trying: the next address at once                |
 * |           | 0.3 s without a result      | trying: the next address, beside the others     |
 * |           | the last attempt has failed | over: rejects with its error                    |
 * |           | a connection                | over: resolves                                  |
 * |           | {@link fail}, an abort      | over: rejects                                   |
 * | over      | a connection that was late  | it is closed                                    |
 *
 * An address may have failed before its attempt begins: no socket for its family, no such local
 * address. That counts as an attempt that has failed.
 */
export class ConnectAttempts implements Abortable {
  readonly #port: number;
  readonly #options: AttemptOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #result = new Deferred<IOStream>();
  /** The attempts in progress. */
  readonly #streams = new Set<IOStream>();
  /** Those that were not tried yet. */
  #addresses: HostAddress[] = [];
  #over = false;
  /** The error of the latest attempt that has failed. */
  #failure: unknown = null;
  /** The head start of the attempts that are in progress; `null` if there is no further address. */
  #next: Timeout | null = null;

  /** The abort of `signal` closes everything, and is the failure. */
  constructor(port: number, options: AttemptOptions, signal: AbortSignal | undefined) {
    this.#port = port;
    this.#options = options;
    this.#signal = signal;
    if (signal !== undefined) watchSignal(signal, this);
  }

  /** The connected stream, or the error of the last attempt. */
  get result(): Promise<IOStream> {
    return this.#result.promise;
  }

  /** The host was resolved. Does nothing if the resolver was slower than the limits of the connect. */
  start(addresses: readonly HostAddress[], host: string): void {
    if (this.#over) return;
    this.#addresses = interleaved(addresses);
    if (this.#addresses.length > 0) this.#tryNext();
    else this.fail(invalidArgValue('host', host, 'a host that has an address'));
  }

  /** Ends all attempts. */
  fail(error: unknown): void {
    this.#finish();
    this.#result.reject(error);
  }

  onAbort(reason: unknown): void {
    this.fail(reason);
  }

  #tryNext(): void {
    this.#clearNext();
    const address = this.#addresses.shift();
    if (address === undefined) {
      if (this.#streams.size === 0) this.fail(this.#failure);
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
    this.#next = this.#options.loop.callLater(HEAD_START, () => {
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
    // Two attempts may succeed in one turn.
    if (this.#over) {
      stream.close();
      return;
    }
    this.#finish();
    this.#result.resolve(stream);
  }

  #onFailed(stream: IOStream, error: unknown): void {
    this.#streams.delete(stream);
    // Closed by the winner, or by an abort.
    if (this.#over) return;
    this.#failure = error;
    this.#tryNext();
  }

  #finish(): void {
    this.#over = true;
    this.#clearNext();
    if (this.#signal !== undefined) unwatchSignal(this.#signal, this);
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }

  #clearNext(): void {
    if (this.#next !== null) this.#options.loop.removeTimeout(this.#next);
    this.#next = null;
  }
}

/** Seconds until the next attempt is made beside one that has not ended. */
const HEAD_START = 0.3;

/** The addresses in turn from each family, beginning with that of the first. */
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

function bindSource(socket: Socket, family: 4 | 6, options: AttemptOptions): void {
  const { sourceIp, sourcePort } = options;
  if (sourceIp === undefined && sourcePort === undefined) return;
  // A local port may still be in TIME_WAIT after an earlier connection.
  socket.setOption('reuseAddress', true);
  const loopback = family === 4 ? '127.0.0.1' : '::1';
  socket.bind({
    host: sourceIp ?? loopback,
    port: sourcePort === undefined ? 0 : portNumber('sourcePort', sourcePort),
  });
}
