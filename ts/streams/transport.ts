/** The interfaces between a stream and its descriptor, or its TLS connection. */

import type { Block } from '../boundary/receive-blocks.js';
import type { Data } from './data.js';

/** No read waits. Readiness is kept; a turn that was receiving may still bring one chunk. */
export const IDLE = 0;
/** A read waits, and receives by itself when the source is readable. */
export const NOTIFY = 1;
/** A read of few bytes waits: the turn receives them. */
export const RECEIVE = 2;

/** Whether, and how, a reader is notified of data. */
export type Demand = typeof IDLE | typeof NOTIFY | typeof RECEIVE;

/** The side that a {@link Reader} reads from. */
export interface Source {
  /** A read is worth its call: it did not say that it would block since it was reported. */
  readonly readable: boolean;
  /** The peer has ended its side, or is gone: an end or an error waits behind the data. */
  readonly peerClosed: boolean;
  /** What a receiving turn has failed with, a negative errno: the kernel reports a reset once. */
  readonly failure: number;
  /** Bytes that each read needs room for: a file may give whole records, and cuts off or refuses. */
  readonly leastRoom: number;
  demand(demand: Demand): void;
  /** Reads without waiting: bytes, 0 at the end, or a negative errno. */
  read(buffer: Buffer, offset: number, length: number): number;
  /** Calls {@link SourceEvents.onContinue} in the next turn. */
  continueLater(): void;
  /** Calls {@link SourceEvents.onTickEnd} when the running code and its microtasks are done. */
  atTickEnd(): void;
}

/** The events of a source, for its reader. */
export interface SourceEvents {
  /**
   * The bytes from `start` to `end` of a shared block have arrived: keeps them, without running
   * anything. Never throws.
   */
  store(block: Block, start: number, end: number): void;
  /** Bytes that were stored are to be served. */
  onStored(): void;
  /** {@link Source.readable} has become true. */
  onReadable(): void;
  /** What a receiving turn got instead of bytes: 0 for the end, or a negative errno. */
  onReadResult(result: number): void;
  /** {@link Source.peerClosed} has become true, or an error has come. */
  onPeerClosed(): void;
  /** The descriptor was closed below the stream: nothing will be read or written any more. */
  onLost(): void;
  /** Its loop is being closed: nothing will be read or written any more. */
  onLoopClosed(): void;
  onContinue(): void;
  onTickEnd(): void;
}

/** The side that is written to. Never throws: what fails is a rejection. */
export interface Writer {
  /** Bytes that were written and are not with the kernel. */
  readonly buffered: number;
  /** What counts against `maxBufferSize`: {@link buffered}, and what small writes cost beside. */
  readonly held: number;
  /** Above the high watermark, and not below the low one since. */
  readonly congested: boolean;
  /** Resolves when the last byte is with the kernel. */
  write(data: Data | readonly Data[]): Promise<void>;
  /** {@link shutdown} was called, and FIN is not sent yet. */
  readonly isEnding: boolean;
  /** Resolves when {@link congested} is false. */
  drain(): Promise<void>;
  /** Ends the writing side after what was written. */
  shutdown(): Promise<void>;
  /** Offers the kernel once what a turn has collected. */
  flush(): void;
  /** Drops what is unsent, and rejects what waits: the owner says with what. */
  close(): void;
}

/** When a writer refuses, and when it is congested: bytes. */
export interface WriterLimits {
  /** A write with which {@link Writer.held} would be more is refused. */
  readonly maxBufferSize: number;
  readonly highWaterMark: number;
  readonly lowWaterMark: number;
}

/** The events of a writing side, for its stream. */
export interface WriterOwner {
  /** A write has failed with this negative errno. */
  onWriteError(errno: number): void;
  /** The kernel is short of memory, and has no event for its end: calls `retry` in a while. */
  retryLater(retry: () => void): void;
  /** The connection has failed in a way that has no errno. */
  onFailure(error: Error): void;
  /** A connection attempt has ended: whether it stands. */
  onConnectEnd(): boolean;
  /** Everything before a shutdown is with the kernel: sends FIN. The error, or `null`. */
  endWriting(): Error | null;
  /** FIN was sent. */
  onWriteEnd(): void;
  closedError(): Error;
}
