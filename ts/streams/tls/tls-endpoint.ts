/** The lower end of a stream with TLS: a `tls.TLSSocket`, which encrypts onto a stream below. */
import { constants } from 'node:os';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { bufferFull, tlsTruncated } from '../../support/errors.js';
import { nextTick, setImmediate } from '../../support/host.js';
import { Block } from '../../boundary/receive-blocks.js';
import type { Socket } from '../../sockets/socket.js';
import { BaseWriter } from '../base-writer.js';
import { bytesOf, isList, type Data } from '../data.js';
import { Deferred } from '../../support/deferred.js';
import type { Endpoint } from '../endpoint.js';
import type { IOStream } from '../iostream.js';
import type { CarrierOwner, TlsCarrier } from './tls-carrier.js';
import type { Source, SourceEvents, Writer, WriterLimits, WriterOwner } from '../transport.js';

/** A TLS connection over a stream. */
export class TlsEndpoint implements Endpoint, CarrierOwner {
  readonly tls: TLSSocket;
  readonly source: DuplexSource;
  readonly connected = true;
  readonly #carrier: TlsCarrier;
  readonly #below: IOStream;
  #owner: WriterOwner | null = null;
  /** The peer has announced the end of its side (`close_notify`). */
  #ended = false;

  /** `tls` has just finished its handshake. */
  constructor(tls: TLSSocket, carrier: TlsCarrier, below: IOStream) {
    this.tls = tls;
    this.#carrier = carrier;
    this.#below = below;
    this.source = new DuplexSource(tls);
    carrier.owner = this;
    // TLS pushes EOF at a `close_notify`, and also at the EOF below, which comes through
    // `onCarrierEnd` first. Nothing else tells the two apart.
    const push = tls.push.bind(tls);
    tls.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null) this.#ended = true;
      return push(chunk, encoding);
    };
  }

  get fd(): number {
    return this.#below.fileno();
  }

  get socket(): Socket | null {
    return this.#below.socket;
  }

  attach(reader: SourceEvents, owner: WriterOwner, limits: WriterLimits): Writer {
    this.#owner = owner;
    this.source.attach(reader);
    this.tls.on('error', (error: Error) => {
      this.#fail(error);
    });
    this.tls.on('close', () => {
      if (!this.source.peerClosed) this.#fail(this.#below.error ?? tlsTruncated());
    });
    return new DuplexWriter(this.tls, owner, limits);
  }

  onCarrierEnd(): void {
    if (!this.#ended) this.#fail(tlsTruncated());
  }

  onCarrierError(error: Error): void {
    this.#fail(error);
  }

  shutdownWrite(): void {
    // The writer has ended the TLS socket, which sends `close_notify` and FIN.
  }

  takeError(): Error | null {
    return null;
  }

  close(error: Error | null): void {
    // After a failure the peer finds the stream cut.
    if (error !== null || this.tls.destroyed || this.tls.writableFinished) {
      this.#destroy();
      return;
    }
    this.tls.end();
    this.#linger(LINGER);
  }

  /**
   * `close_notify` waits behind a record that is being written, for `node:tls` a matter of turns of
   * Node's loop. A peer that takes nothing does not get it.
   */
  #linger(turns: number): void {
    const below = this.#below;
    this.#carrier.flush();
    if (turns === 0 || below.closed || below.writing || this.#carrier.writableFinished) {
      this.#destroy();
      return;
    }
    setImmediate(() => {
      this.#linger(turns - 1);
    });
  }

  #destroy(): void {
    this.#carrier.destroy();
    this.tls.destroy();
  }

  /** Closes the stream with `error`, behind what was decrypted before. */
  #fail(error: Error): void {
    this.source.flush();
    this.#owner?.onFailure(error);
  }
}

/** Reads a `Duplex` in its paused mode. */
class DuplexSource implements Source {
  readable = false;
  peerClosed = false;
  readonly failure = 0;
  readonly leastRoom = 1;
  readonly #duplex: Duplex;
  #events!: SourceEvents;
  /** What the stream gave and was not taken. */
  #chunk: Buffer | null = null;
  #taken = 0;

  constructor(duplex: Duplex) {
    this.#duplex = duplex;
  }

  attach(events: SourceEvents): void {
    this.#events = events;
    const duplex = this.#duplex;
    duplex.on('readable', () => {
      // At the end there is nothing to read, and only a read brings the event.
      if (duplex.readableLength === 0 && this.#chunk === null) this.#chunk = duplex.read();
      this.readable = true;
      events.onReadable();
    });
    duplex.on('end', () => {
      this.peerClosed = this.readable = true;
      events.onReadable();
      events.onPeerClosed();
    });
  }

  /** Gives the reader everything that is there: the stream is about to be closed. */
  flush(): void {
    let chunk = this.#chunk ?? (this.#duplex.read() as Buffer | null);
    let start = this.#taken;
    this.#chunk = null;
    this.#taken = 0;
    if (chunk === null) return;
    for (; chunk !== null; chunk = this.#duplex.read() as Buffer | null) {
      this.#events.store(new Block(chunk), start, chunk.length);
      start = 0;
    }
    this.#events.onStored();
  }

  demand(): void {
    // A stream reads ahead by itself, up to its high watermark.
  }

  read(buffer: Buffer, offset: number, length: number): number {
    const chunk = (this.#chunk ??= this.#duplex.read() as Buffer | null);
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
    setImmediate(() => {
      this.#events.onContinue();
    });
  }

  atTickEnd(): void {
    nextTick(() => {
      this.#events.onTickEnd();
    });
  }
}

/** Writes a `Duplex`, which queues by itself. */
class DuplexWriter extends BaseWriter {
  readonly #duplex: Duplex;
  readonly #pending = new Set<Deferred>();
  #buffered = 0;

  constructor(duplex: Duplex, owner: WriterOwner, limits: WriterLimits) {
    super(owner, limits);
    this.#duplex = duplex;
  }

  override get buffered(): number {
    return this.#buffered;
  }

  override get held(): number {
    return this.#buffered + WRITE_COST * Math.max(0, this.#pending.size - 1);
  }

  override flush(): void {
    // What was written is on its way already.
  }

  protected override end(): void {
    this.#duplex.end((error?: Error | null) => {
      if (error === null || error === undefined) this.finish();
      else this.owner.onFailure(error);
    });
  }

  protected override abandon(): Deferred[] {
    const waiting = [...this.#pending];
    this.#pending.clear();
    this.#buffered = 0;
    return waiting;
  }

  protected override take(data: Data | readonly Data[]): Promise<void> {
    const bytes = copyOf(data);
    const { maxBufferSize } = this.limits;
    const cost = this.#pending.size > 0 ? WRITE_COST : 0;
    if (this.held + bytes.length + cost > maxBufferSize) throw bufferFull('write', maxBufferSize);
    this.#buffered += bytes.length;
    this.checkHighWatermark();
    const done = new Deferred();
    this.#pending.add(done);
    this.#duplex.write(bytes, (error) => {
      // What fails is told by the 'error' event.
      if (error !== null && error !== undefined) return;
      if (!this.#pending.delete(done)) return;
      this.#buffered -= bytes.length;
      done.resolve();
      this.checkLowWatermark();
    });
    return done.promise;
  }
}

const { EAGAIN } = constants.errno;

/** What a write that waits counts beside its bytes: TLS keeps each by itself, with its record. */
const WRITE_COST = 512;

/** Turns of Node's loop. */
const LINGER = 4;

/** A copy: when the encryption takes place, the caller's memory may be another's. */
function copyOf(data: Data | readonly Data[]): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (isList(data)) return Buffer.concat(Array.from(data, bytesOf));
  return Buffer.from(bytesOf(data));
}
