/** Two transports that are joined in memory: the bytes that one sends are those the other receives. */
import { constants } from 'node:os';
import type { LoopIO } from '../loop/io.js';
import { systemError, unsupported } from '../support/errors.js';
import { MemoryWriter, type MemorySink } from './memory-writer.js';
import { QueuedTransport } from './queued-transport.js';
import type { Writer, WriterLimits, WriterOwner } from './transport.js';

/**
 * One end of the pair. As on a pair of Unix sockets, the bytes that the other end has not read are
 * limited, a close is EOF there, and a close with unread bytes a reset.
 */
export class MemoryTransport extends QueuedTransport implements MemorySink {
  override readonly socket = null;
  /** The other end; `null` once it is closed. */
  #peer: MemoryTransport | null = null;

  private constructor(io: LoopIO) {
    super(io, true);
  }

  static pair(first: LoopIO, second: LoopIO): [MemoryTransport, MemoryTransport] {
    const near = new MemoryTransport(first);
    const far = new MemoryTransport(second);
    near.#peer = far;
    far.#peer = near;
    return [near, far];
  }

  get canSend(): boolean {
    const peer = this.#peer;
    return peer !== null && !peer.isFull;
  }

  get isBroken(): boolean {
    return this.#peer === null;
  }

  send(bytes: Buffer): void {
    this.#peer?.onChunk(bytes);
    this.io.counters.sent += bytes.length;
  }

  override fileno(): never {
    throw unsupported('fileno() of a stream in memory', 'It has no descriptor');
  }

  // It is made connected.
  override connect(): void {}

  override createWriter(owner: WriterOwner, limits: WriterLimits): Writer {
    return new MemoryWriter(this, owner, limits);
  }

  override shutdownWrite(): void {
    this.#peer?.onEnd();
  }

  protected override onOpen(): void {
    // Chunks come from the first write on.
  }

  protected override onRoom(): void {
    this.#peer?.onWritable();
  }

  protected override onClose(): void {
    const peer = this.#peer;
    this.#peer = null;
    if (peer === null) return;
    peer.#peer = null;
    if (this.hasUnread) peer.onError(systemError(-ECONNRESET, 'read'));
    else peer.onEnd();
    // Its writes fail from now on.
    peer.onWritable();
  }
}

const { ECONNRESET } = constants.errno;
