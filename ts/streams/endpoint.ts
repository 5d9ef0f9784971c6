/** What an `IOStream` is made on: a descriptor in the loop, or another stream with TLS. */
import { constants } from 'node:os';
import { addressDetails, type Address } from '../sockets/address.js';
import { Descriptor } from '../sockets/descriptor.js';
import { assertStreamKind } from '../sockets/descriptor-kinds.js';
import { systemError } from '../support/errors.js';
import { fdOf, closeFd, readAheadOf, type FdLike } from '../sockets/fd.js';
import { native } from '../boundary/native.js';
import { descriptorOf, Socket } from '../sockets/socket.js';
import { Channel } from './channel.js';
import type { LoopIO } from '../loop/io.js';
import { FdWriter } from './writer.js';
import type { Source, SourceEvents, Writer, WriterLimits, WriterOwner } from './transport.js';

/** The lower end of a stream. */
export interface Endpoint {
  /** The descriptor; -1 once closed. */
  readonly fd: number;
  readonly socket: Socket | null;
  readonly source: Source;
  /** Whether it can be read and written now, not only after a connection. */
  readonly connected: boolean;
  /** Connects it with the two sides of a stream, and lets the loop watch it if it is connected. */
  attach(reader: SourceEvents, owner: WriterOwner, limits: WriterLimits): Writer;
  /** The writing side has ended: tells the peer. */
  shutdownWrite(): void;
  /** A pending error that no read tells. */
  takeError(): Error | null;
  /** `error` is what the stream is closed for. */
  close(error: Error | null): void;
}

/** A socket, or another descriptor that can be watched. */
export class FdEndpoint implements Endpoint {
  readonly socket: Socket | null;
  readonly source: Channel;
  readonly #io: LoopIO;
  readonly #file: FdLike;
  readonly #descriptor: Descriptor;
  #connected: boolean;

  /**
   * `file`, of the given kind, is owned from now on, and is non-blocking.
   *
   * @throws `ERR_IOLOOP_UNSUPPORTED` for a socket with messages.
   */
  constructor(io: LoopIO, file: Socket | FdLike, kind: number) {
    const socket = file instanceof Socket ? file : null;
    assertStreamKind(kind);
    this.socket = socket;
    this.#io = io;
    this.#file = file;
    this.#descriptor = descriptorOf(file) ?? new Descriptor(fdOf(file), true);
    this.source = new Channel(io, this.#descriptor, socket === null, kind);
    this.#connected = socket === null || native.socketConnected(this.#descriptor.use()) > 0;
  }

  /**
   * @throws `EBADF` when the descriptor is not open, `ERR_IOLOOP_UNSUPPORTED` for a socket with
   * messages, `ERR_IOLOOP_FD_BUSY` for a stream of Node's that is consumed.
   */
  static adopt(io: LoopIO, file: FdLike): FdEndpoint {
    const fd = fdOf(file);
    const kind = native.fdKind(fd);
    if (kind < 0) throw systemError(kind, 'fstat', { fd });
    assertStreamKind(kind);
    readAheadOf(file)?.stop();
    const isSocket = native.socketAddress(fd, false, scratch) >= 0;
    if (isSocket && typeof file === 'number') {
      return new FdEndpoint(io, Socket.fromFd(file), kind);
    }
    const adopted = native.fdAdopt(fd);
    if (adopted < 0) throw systemError(adopted, 'ioctl', { fd });
    return new FdEndpoint(io, file, kind);
  }

  get fd(): number {
    return this.source.isOpen || !this.#connected ? this.#descriptor.expose() : -1;
  }

  get connected(): boolean {
    return this.#connected;
  }

  attach(reader: SourceEvents, owner: WriterOwner, limits: WriterLimits): Writer {
    const { source } = this;
    const writer = new FdWriter(owner, this.#io, source, limits, this.#connected);
    source.reader = reader;
    source.writer = writer;
    if (this.#connected && !source.isOpen) source.open();
    return writer;
  }

  /**
   * Begins to connect; the writing side hears of the end.
   *
   * @throws What `connect(2)` says at once.
   */
  connect(address: Address): void {
    this.socket?.connect(address);
    this.source.open();
  }

  /** How the connection attempt has ended: its error, `null` when it stands. */
  connectResult(address: Address): Error | null {
    const { socket } = this;
    if (socket === null) return null;
    try {
      const error = socket.takeError();
      if (error !== null) return error;
      this.#connected = socket.remoteAddress !== null;
    } catch (error) {
      return error as Error;
    }
    if (this.#connected) return null;
    return systemError(-ECONNREFUSED, 'connect', addressDetails(address));
  }

  shutdownWrite(): void {
    // A pipe has one direction only, and is closed.
    if (this.socket === null) return;
    try {
      this.socket.shutdown('write');
    } catch (error) {
      // The peer is gone, which the next read tells.
      if ((error as { code?: unknown }).code !== 'ENOTCONN') throw error;
    }
  }

  takeError(): Error | null {
    try {
      return this.socket?.takeError() ?? null;
    } catch (error) {
      // The descriptor was closed by its number.
      return error as Error;
    }
  }

  close(): void {
    this.source.close();
    if (typeof this.#file === 'number' || this.socket !== null) this.#descriptor.close();
    // An object may know its descriptor by the number alone.
    else if (this.#descriptor.release() >= 0) closeFd(this.#file);
  }
}

const { ECONNREFUSED } = constants.errno;
const scratch = new Uint8Array(128);
