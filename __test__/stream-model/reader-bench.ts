/** A `Reader` between a source and an owner that are made by hand, for the test of its states. */
import { constants } from 'node:os';
import { capacities, Reader, receiveBlocks, type Read, type ReadBuffer } from '#internal';

const { EAGAIN, ECONNRESET } = constants.errno;
const IDLE = 0;
const RECEIVE = 2;

/** What is at the end of the bytes on the wire. */
export type WireEnd = 'nothing' | 'eof' | 'reset';

/** An edge-triggered source, as a socket in the loop is one. */
class Wire {
  readable = false;
  peerClosed = false;
  readonly failure = 0;
  readonly leastRoom = 1;
  demanded = IDLE;
  isContinuing = false;
  isTickEndAsked = false;
  end: WireEnd = 'nothing';
  bytes = Buffer.alloc(0);
  /** Called in the middle of a read: the reader is serving. */
  onRead: (() => void) | null = null;

  demand(demand: number): void {
    this.demanded = demand;
  }

  read(buffer: Buffer, offset: number, length: number): number {
    const { onRead } = this;
    this.onRead = null;
    onRead?.();
    const count = this.take(buffer, offset, length);
    if (count < 0 || (count > 0 && count < length && !this.peerClosed)) this.readable = false;
    return count;
  }

  take(buffer: Buffer, offset: number, length: number): number {
    const count = this.bytes.copy(buffer, offset, 0, length);
    this.bytes = this.bytes.subarray(count);
    if (count > 0) return count;
    if (this.end === 'eof') return 0;
    return this.end === 'reset' ? -ECONNRESET : -EAGAIN;
  }

  continueLater(): void {
    this.isContinuing = true;
  }

  atTickEnd(): void {
    this.isTickEndAsked = true;
  }
}

/** The reader, with what its stream would have seen. */
export class ReaderBench {
  readonly wire = new Wire();
  readonly reader: Reader;
  /** What the stream was closed for; `undefined` while it is open. */
  closedFor: unknown = undefined;
  eofs = 0;
  hangUps = 0;

  constructor(readChunkSize: number, maxBufferSize: number) {
    const owner = {
      onEof: () => void (this.eofs += 1),
      onHangUp: () => void (this.hangUps += 1),
      onReadError: (errno: number) => this.close(errno),
      onFailure: (error: Error) => this.close(error),
      closedError: () => new Error('closed'),
      endedError: () => new Error('ended'),
    };
    const limits = { readChunkSize, maxBufferSize };
    this.reader = new Reader(owner, this.wire as never, limits, capacities);
  }

  /** As `Stream.close` does: once. */
  close(reason: unknown): void {
    if (this.closedFor !== undefined) return;
    this.closedFor = reason;
    this.wire.readable = false;
    this.reader.close();
  }

  /** A turn finds what has come since the last one. */
  turn(): void {
    const { wire, reader } = this;
    const { peerClosed } = wire;
    wire.peerClosed = wire.end !== 'nothing';
    if (wire.demanded === RECEIVE) this.#receive();
    else {
      wire.readable = true;
      reader.onReadable();
    }
    const isNews = wire.peerClosed && !peerClosed;
    if (isNews && this.closedFor === undefined) reader.onPeerClosed();
  }

  #receive(): void {
    const { wire, reader } = this;
    receiveBlocks.reserveTurn();
    const { block, offset } = receiveBlocks;
    const result = wire.take(block.bytes, offset, RECEIVE_BYTES);
    wire.readable = result === RECEIVE_BYTES || (result > 0 && wire.peerClosed);
    if (result <= 0) {
      reader.onReadResult(result);
      return;
    }
    receiveBlocks.advance(result);
    reader.store(block, offset, offset + result);
    reader.onStored();
  }

  /** Received bytes cannot be stored, if the buffer has others. Their event comes later. */
  failToStore(): void {
    const copy = (): never => {
      throw new RangeError('Array buffer allocation failed');
    };
    this.reader.store({ bytes: { copy } } as never, 0, 8);
  }
}

/** A read of `count` bytes, or of everything up to EOF. */
export function readOf(count: number, seen: (ended: boolean) => void): Read<Buffer> {
  return {
    name: 'read',
    target: null,
    keepsPartial: false,
    sparesStream: false,
    take(buffer: ReadBuffer, ended: boolean): Buffer | undefined {
      seen(ended);
      if (count === UNTIL_EOF) return ended ? buffer.take(buffer.length) : undefined;
      return buffer.length >= count ? buffer.take(count) : undefined;
    },
  };
}

export const UNTIL_EOF = Infinity;
const RECEIVE_BYTES = 8 * 1024;
