/** The transport on a socket of `node:net`, for systems where the package has no selector. */
import type { Socket as NetSocket } from 'node:net';
import { constants } from 'node:os';
import type { LoopIO } from '../loop/io.js';
import type { Address } from '../sockets/address.js';
import type { DescriptorWatcher } from '../sockets/descriptor.js';
import { readRest } from '../sockets/node-ends.js';
import type { NodeSocket } from '../sockets/node-socket.js';
import { systemError } from '../support/errors.js';
import { DuplexWriter } from './duplex-writer.js';
import { QueuedTransport } from './queued-transport.js';
import type { Writer, WriterLimits, WriterOwner } from './transport.js';

/**
 * Receives by the events of a `net.Socket`, which is paused while too much is unread, and sends by its
 * `write()`. Node's loop moves the bytes; the stream is notified in turns of its own loop.
 */
export class NodeTransport extends QueuedTransport implements DescriptorWatcher {
  override readonly socket: NodeSocket;
  readonly #connection: NetSocket;

  /** @throws `EBADF` when the socket is closed. */
  constructor(io: LoopIO, socket: NodeSocket) {
    if (socket.closed) throw systemError(-EBADF, 'getsockname');
    super(io, socket.remoteAddress !== null);
    this.socket = socket;
    this.#connection = socket.connection;
  }

  override fileno(): number {
    return this.socket.fileno();
  }

  override connect(address: Address): void {
    const connection = this.#connection;
    connection.once('connect', () => {
      this.onConnected();
    });
    this.#listen();
    this.socket.begin(address);
  }

  override createWriter(owner: WriterOwner, limits: WriterLimits): Writer {
    return new NodeWriter(this.#connection, owner, limits, this.io);
  }

  // The writer has ended the socket, which sends FIN.
  override shutdownWrite(): void {}

  /** The program has closed the socket. */
  onDescriptorGone(): void {
    this.onError(systemError(-EBADF, 'read'));
  }

  onDescriptorExposed(): void {
    // There is no number.
  }

  protected override onOpen(): void {
    const connection = this.#connection;
    // One that was accepted; the other listens since `connect()`.
    if (connection.listenerCount('data') === 0) this.#listen();
    connection.resume();
  }

  protected override onRoom(): void {
    this.#connection.resume();
  }

  protected override onClose(): void {
    this.socket.unwatch(this);
    this.socket.close();
  }

  #listen(): void {
    const connection = this.#connection;
    this.socket.watch(this);
    connection.on('data', (chunk: Buffer) => {
      this.onChunk(chunk);
      if (this.isFull) connection.pause();
    });
    connection.on('end', () => {
      const error = readRest(connection, (chunk) => {
        this.onChunk(chunk);
      });
      if (error === null) this.onEnd();
      else this.onError(error);
    });
    connection.on('error', (error) => {
      this.onError(error);
    });
    // Reset while it waited to be accepted: its error is over.
    const { errored } = connection;
    if (errored !== null) this.onError(errored);
  }
}

const { EBADF } = constants.errno;

/** `write()` of a `net.Socket` tries to send at once; what is left is sent when there is room. */
class NodeWriter extends DuplexWriter {
  readonly #connection: NetSocket;
  readonly #io: LoopIO;

  constructor(connection: NetSocket, owner: WriterOwner, limits: WriterLimits, io: LoopIO) {
    super(connection, owner, limits);
    this.#connection = connection;
    this.#io = io;
    // Until the stream has the connection: before `connect()` a write would fail.
    if (connection.pending) connection.cork();
  }

  /** What the kernel has taken is sent, also if the stream is closed before Node calls back. */
  override flush(): void {
    if (this.#connection.writableLength === 0) this.allSent();
  }

  override onWritable(): void {
    this.#connection.uncork();
  }

  protected override onSent(bytes: number): void {
    this.#io.counters.sent += bytes;
  }

  // `'error'` has reported it.
  protected override onEndFailed(): void {}
}
