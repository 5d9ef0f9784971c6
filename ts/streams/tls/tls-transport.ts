/** The transport of a stream with TLS: a `tls.TLSSocket`, which encrypts onto a stream below. */
import { constants } from 'node:os';
import type { TLSSocket } from 'node:tls';
import { Block } from '../../boundary/receive-blocks.js';
import type { Socket } from '../../sockets/socket.js';
import { tlsTruncated } from '../../support/errors.js';
import { nextTick, setImmediate } from '../../support/host.js';
import { DuplexWriter } from '../duplex-writer.js';
import type { Stream } from '../stream.js';
import type {
  Transport,
  TransportEvents,
  Writer,
  WriterLimits,
  WriterOwner,
} from '../transport.js';
import type { CarrierOwner, TlsCarrier } from './tls-carrier.js';

/**
 * A TLS connection over a stream, after its handshake. The `TLSSocket` is read in its paused mode:
 * it reads ahead by itself, up to its high watermark.
 *
 * | End of the connection | Events of `node:tls` | Result for the stream |
 * | --- | --- | --- |
 * | `close_notify` | pushes EOF, then `'end'` | EOF |
 * | EOF without it | `onCarrierEnd`, then as above | `ERR_IOLOOP_TLS_TRUNCATED` |
 * | an error below | `onCarrierError` | that error |
 * | a TLS alert, a bad record | `'error'` | that error |
 * | closed below | `'close'` without `'end'` | the error below, or truncated |
 *
 * An error closes the stream after everything that was decrypted before has been stored.
 */
export class TlsTransport implements Transport, CarrierOwner {
  readonly connected = true;
  readonly failure = 0;
  readonly sent = 0;
  readonly leastRoom = 1;
  readonly hasHalfClose = true;
  readable = false;
  /** `'end'` was emitted. */
  peerClosed = false;

  readonly #tls: TLSSocket;
  readonly #carrier: TlsCarrier;
  /** The stream with the encrypted bytes. */
  readonly #below: Stream;
  /** The stream with the plain bytes; `null` between the handshake and {@link open}. */
  #events: TransportEvents | null = null;
  /** The peer has sent `close_notify`. */
  #ended = false;
  /** A chunk of the TLS socket, of which the first {@link #taken} bytes are read. */
  #chunk: Buffer | null = null;
  #taken = 0;
  /** Queued for the next turn of Node's loop, for the end of the tick. */
  #continuing = false;
  #atTickEnd = false;

  /** `tls` has just finished its handshake. */
  constructor(tls: TLSSocket, carrier: TlsCarrier, below: Stream) {
    this.#tls = tls;
    this.#carrier = carrier;
    this.#below = below;
    carrier.owner = this;
    // TLS pushes EOF for `close_notify`, and also for EOF below, which calls `onCarrierEnd` first.
    // Nothing else distinguishes the two.
    const push = tls.push.bind(tls);
    tls.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null) this.#ended = true;
      return push(chunk, encoding);
    };
  }

  get tlsSocket(): TLSSocket {
    return this.#tls;
  }

  get socket(): Socket | null {
    return this.#below.transport.socket;
  }

  fileno(): number {
    return this.#below.closed ? -1 : this.#below.transport.fileno();
  }

  peekFd(): number | null {
    return this.#below.closed ? -1 : this.#below.transport.peekFd();
  }

  open(events: TransportEvents): void {
    const isOpened = this.#events !== null;
    this.#events = events;
    // Another object continues on it.
    if (!isOpened) this.#listen();
  }

  #listen(): void {
    const tls = this.#tls;
    tls.on('readable', () => {
      // At EOF there is nothing to read, and only a read brings 'end'.
      if (tls.readableLength === 0 && this.#chunk === null) this.#chunk = this.#next();
      this.readable = true;
      this.#events?.onReadable();
    });
    tls.on('end', () => {
      this.peerClosed = this.readable = true;
      this.#events?.onReadable();
      this.#events?.onPeerClosed();
    });
    tls.on('error', (error: Error) => {
      this.#fail(error);
    });
    tls.on('close', () => {
      if (!this.peerClosed) this.#fail(this.#below.error ?? tlsTruncated());
    });
  }

  createWriter(owner: WriterOwner, limits: WriterLimits): Writer {
    return new DuplexWriter(this.#tls, owner, limits);
  }

  // It has no batch.
  get staged(): number {
    return 0;
  }

  stage(): boolean {
    return false;
  }

  // It is made connected.
  connect(): void {}

  connectResult(): null {
    return null;
  }

  // The TLS socket reads ahead by itself.
  demand(): void {}

  read(buffer: Buffer, offset: number, length: number): number {
    const chunk = (this.#chunk ??= this.#next());
    // Nothing is decrypted: 'readable' or 'end' follows.
    if (chunk === null) {
      this.readable = this.peerClosed;
      return this.peerClosed ? 0 : -EAGAIN;
    }
    const count = chunk.copy(buffer, offset, this.#taken, this.#taken + length);
    this.#taken += count;
    if (this.#taken === chunk.length) {
      this.#chunk = null;
      this.#taken = 0;
    }
    return count;
  }

  continueLater(): void {
    if (this.#continuing) return;
    // Of Node's loop, as the events of `node:tls` are. Ours may not run at the moment.
    setImmediate(() => {
      this.#continuing = false;
      this.#events?.onContinue();
    });
    this.#continuing = true;
  }

  atTickEnd(): void {
    if (this.#atTickEnd) return;
    nextTick(() => {
      this.#atTickEnd = false;
      this.#events?.onTickEnd();
    });
    this.#atTickEnd = true;
  }

  // The writer has ended the TLS socket, which sends `close_notify` and FIN.
  shutdownWrite(): void {}

  // `'error'` has reported it.
  takeError(): null {
    return null;
  }

  close(error: Error | null): void {
    // After an error the peer is not sent `close_notify`: it finds the stream truncated.
    if (error !== null || this.#tls.destroyed || this.#tls.writableFinished) {
      this.#destroy();
      return;
    }
    this.#tls.end();
    this.#linger(LINGER);
  }

  onCarrierEnd(): void {
    if (!this.#ended) this.#fail(tlsTruncated());
  }

  onCarrierError(error: Error): void {
    this.#fail(error);
  }

  onCarrierProgress(): void {
    this.#events?.onProgress();
  }

  /**
   * Sends `close_notify`, which follows a record that `node:tls` is writing, within a few turns of
   * Node's loop. A peer that receives nothing does not get it.
   */
  #linger(turns: number): void {
    const below = this.#below;
    this.#carrier.flush();
    if (turns === 0 || below.closed || below.unsent > 0 || this.#carrier.writableFinished) {
      this.#destroy();
      return;
    }
    setImmediate(() => {
      this.#linger(turns - 1);
    });
  }

  #destroy(): void {
    this.#carrier.destroy();
    this.#tls.destroy();
  }

  /** Stores all decrypted bytes, then closes the stream with `error`. */
  #fail(error: Error): void {
    if (this.#events === null) return;
    this.#storeAll(this.#events);
    // The stream may be another one by now.
    this.#events.onFailure(error);
  }

  #storeAll(events: TransportEvents): void {
    let chunk = this.#chunk ?? this.#next();
    let start = this.#taken;
    this.#chunk = null;
    this.#taken = 0;
    if (chunk === null) return;
    // A block of its own for each chunk: TLS has allocated it, so the bytes are not copied.
    for (; chunk !== null; chunk = this.#next()) {
      events.store(new Block(chunk), start, chunk.length);
      start = 0;
    }
    events.onStored();
  }

  #next(): Buffer | null {
    return this.#tls.read() as Buffer | null;
  }
}

const { EAGAIN } = constants.errno;

/** The most turns of Node's loop that `close_notify` may take. */
const LINGER = 4;
