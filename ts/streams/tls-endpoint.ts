/** The lower end of a stream with TLS: a `tls.TLSSocket`, which encrypts onto a stream below. */
import { constants } from 'node:os';
import type { Duplex } from 'node:stream';
import type { TLSSocket } from 'node:tls';
import { bufferFull, invalidArgType } from '../errors.js';
import type { Socket } from '../socket.js';
import { Deferred } from './deferred.js';
import type { Endpoint } from './endpoint.js';
import type { IOStream } from './iostream.js';
import type { Data, Source, SourceEvents, Writer, WriterLimits, WriterOwner } from './transport.js';

/** A TLS connection over a stream. */
export class TlsEndpoint implements Endpoint {
  readonly tls: TLSSocket;
  readonly source: Source;
  readonly connected = true;
  readonly #below: IOStream;

  constructor(tls: TLSSocket, below: IOStream) {
    this.tls = tls;
    this.#below = below;
    this.source = new DuplexSource(tls);
  }

  get fd(): number {
    return this.#below.fileno();
  }

  get socket(): Socket | null {
    return this.#below.socket;
  }

  attach(reader: SourceEvents, owner: WriterOwner, limits: WriterLimits): Writer {
    (this.source as DuplexSource).attach(reader);
    this.tls.on('error', (error: Error) => {
      owner.onFailure(error);
    });
    return new DuplexWriter(this.tls, owner, limits);
  }

  shutdownWrite(): void {
    // The writer has ended the TLS socket, which tells the peer.
  }

  takeError(): Error | null {
    return null;
  }

  close(): void {
    this.tls.destroy();
    this.#below.close();
  }
}

/** Reads a `Duplex` in its paused mode. */
class DuplexSource implements Source {
  readable = false;
  peerClosed = false;
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
    const onEnd = (): void => {
      if (this.peerClosed) return;
      this.peerClosed = this.readable = true;
      events.onReadable();
      events.onPeerClosed();
    };
    duplex.on('end', onEnd);
    duplex.on('close', onEnd);
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
    process.nextTick(() => {
      this.#events.onTickEnd();
    });
  }
}

/** Writes a `Duplex`, which queues by itself. */
class DuplexWriter implements Writer {
  readonly #duplex: Duplex;
  readonly #owner: WriterOwner;
  readonly #limits: WriterLimits;
  readonly #pending = new Set<Deferred>();
  #buffered = 0;
  #congested = false;
  #drain: Deferred | null = null;
  #shutdown: Deferred | null = null;
  #closed = false;

  constructor(duplex: Duplex, owner: WriterOwner, limits: WriterLimits) {
    this.#duplex = duplex;
    this.#owner = owner;
    this.#limits = limits;
  }

  get buffered(): number {
    return this.#buffered;
  }

  get congested(): boolean {
    return this.#congested;
  }

  write(data: Data | readonly Data[]): Promise<void> {
    try {
      if (this.#closed || this.#shutdown !== null) throw this.#owner.closedError();
      const bytes = bytesOf(data);
      const { maxBufferSize, highWaterMark } = this.#limits;
      if (this.#buffered + bytes.length > maxBufferSize) throw bufferFull('write', maxBufferSize);
      this.#buffered += bytes.length;
      if (this.#buffered > highWaterMark) this.#congested = true;
      return this.#send(bytes);
    } catch (error) {
      return Promise.reject(error as Error);
    }
  }

  drain(): Promise<void> {
    if (this.#closed) return Promise.reject(this.#owner.closedError());
    if (!this.#congested) return Promise.resolve();
    return (this.#drain ??= new Deferred()).promise;
  }

  shutdown(): Promise<void> {
    if (this.#closed) return Promise.reject(this.#owner.closedError());
    if (this.#shutdown === null) {
      const done = (this.#shutdown = new Deferred());
      this.#duplex.end(() => {
        this.#owner.endWriting();
        done.resolve();
        this.#owner.onWriteEnd();
      });
    }
    return this.#shutdown.promise;
  }

  flush(): void {
    // What was written is on its way already.
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    const waiting = [...this.#pending, this.#drain, this.#shutdown];
    this.#pending.clear();
    this.#buffered = 0;
    for (const done of waiting) done?.rejectQuietly(this.#owner.closedError());
  }

  #send(bytes: Uint8Array): Promise<void> {
    const done = new Deferred();
    this.#pending.add(done);
    this.#duplex.write(bytes, (error) => {
      // What fails is told by the 'error' event.
      if (error !== null && error !== undefined) return;
      if (!this.#pending.delete(done)) return;
      this.#buffered -= bytes.length;
      done.resolve();
      if (this.#congested && this.#buffered <= this.#limits.lowWaterMark) this.#relieve();
    });
    return done.promise;
  }

  #relieve(): void {
    this.#congested = false;
    const drain = this.#drain;
    this.#drain = null;
    drain?.resolve();
  }
}

const { EAGAIN } = constants.errno;

/** A copy: when the encryption takes place, the caller's memory may be another's. */
function bytesOf(data: Data | readonly Data[]): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (data instanceof Uint8Array) return Buffer.from(data);
  if (Array.isArray(data)) return Buffer.concat(data.map((piece: Data) => bytesOf(piece)));
  throw invalidArgType('data', data, 'a string, a Uint8Array or an array of them');
}
