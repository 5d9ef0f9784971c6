/**
 * The interface between a stream and its connection.
 *
 * Down: {@link Transport}, which a stream calls. `FdTransport` is a descriptor in the loop,
 * `NodeTransport` a socket of `node:net`, `MemoryTransport` one end of a pair in memory, `TlsTransport`
 * a TLS connection over another stream. Up: {@link TransportEvents}, which the stream
 * implements; it passes them on to its reader and its writer.
 */
import type { TLSSocket } from 'node:tls';
import type { Block } from '../boundary/receive-blocks.js';
import type { SendBatch } from '../boundary/send-batch.js';
import type { Address } from '../sockets/address.js';
import type { Socket } from '../sockets/socket.js';
import type { Data } from './data.js';

/** No read waits. Readiness is kept; a turn that was receiving may still bring one chunk. */
export const IDLE = 0;
/** A read waits, and receives by itself when the transport is readable. */
export const NOTIFY = 1;
/** A read of few bytes waits: the turn receives them. */
export const RECEIVE = 2;

/** Whether, and how, a reader is notified of data. */
export type Demand = typeof IDLE | typeof NOTIFY | typeof RECEIVE;

/** A connection, or another source and sink of bytes. It belongs to one stream, which closes it. */
export interface Transport {
  /** The socket below; `null` for other descriptors. */
  readonly socket: Socket | null;
  /** Node's socket of a connection with TLS; `null` for others. */
  readonly tlsSocket: TLSSocket | null;
  /** It can be read and written now, not only after {@link connect}. */
  readonly connected: boolean;

  /** There may be data or EOF: no read would have blocked since the last report. */
  readonly readable: boolean;
  /** The peer has ended its side, or is gone: after the data there is EOF or an error. */
  readonly peerClosed: boolean;
  /** The errno, negative, of a receive in a turn: the kernel reports a reset once. Otherwise 0. */
  readonly failure: number;
  /** Bytes that writers which were forgotten have sent. */
  readonly sent: number;
  /** Bytes that each read needs room for: some files give whole records, and cut or refuse them. */
  readonly leastRoom: number;
  /** Each direction ends by itself. Without, as a pipe, the end of writing closes the stream. */
  readonly hasHalfClose: boolean;

  /**
   * The descriptor, for the user; -1 once closed. Other code can close it from now on, so that it is
   * verified before each use.
   */
  fileno(): number;
  /**
   * The descriptor, for display, without the consequences of {@link fileno}; -1 once closed, `null` if
   * there is none.
   */
  peekFd(): number | null;
  /**
   * Delivers events to `events` from now on. A connected transport is watched by the loop.
   *
   * @throws `EPERM` for a regular file, `EBADF`; `EEXIST` when the loop has a handler for it.
   */
  open(events: TransportEvents): void;
  /**
   * The writing side. There is one at a time, made when it is needed, until {@link
   * WriterOwner.forgets} it.
   */
  createWriter(owner: WriterOwner, limits: WriterLimits): Writer;
  /**
   * Writes small data to the batch of the loop without a writer: while there is none, and up to `most`
   * bytes together. False if it cannot, or has no batch: a writer is needed then, and takes over what is
   * {@link staged}.
   */
  stage(data: Data | readonly Data[], most: number): boolean;
  /** Bytes that {@link stage} has written, and that no writer has and the kernel was not offered. */
  readonly staged: number;
  /**
   * Starts to connect. {@link TransportEvents.onWritable} reports the end of the attempt, and
   * {@link connectResult} the result. Not implemented by transports that are made connected.
   *
   * @throws The error of `connect(2)`, if it fails at once.
   */
  connect(address: Address): void;
  /** The error of the connection attempt; `null` when it is established. */
  connectResult(address: Address): Error | null;

  /** Sets how the reader is notified of data. */
  demand(demand: Demand): void;
  /** Reads without waiting: the number of bytes, 0 at EOF, or a negative errno. */
  read(buffer: Buffer, offset: number, length: number): number;
  /** Calls {@link TransportEvents.onContinue} in the next turn, once for any number of calls. */
  continueLater(): void;
  /**
   * Calls {@link TransportEvents.onTickEnd} when the running code and its microtasks are done, once
   * for any number of calls.
   */
  atTickEnd(): void;

  /** Takes back what the core has of it: bytes pass without JavaScript. See `passage.ts`. */
  regain?(): void;
  /** Half-close: sends FIN. The writer has sent everything before. */
  shutdownWrite(): void;
  /** The pending error, which no read would report; `null` without one. */
  takeError(): Error | null;
  /** Closes at once. `error` is the error of the stream. */
  close(error: Error | null): void;
}

/** A transport on a descriptor, for its writer. */
export interface FdSink {
  /** The descriptor, for one system call, now; -1 once it is closed or another file's. */
  readonly fd: number;
  /** The `MODE_` bits of the binding: a socket, or a file such as a pipe. */
  readonly mode: number;
  readonly isFile: boolean;
  readonly connected: boolean;
  /** A failure of the connection that the kernel has reported, and reads report in place of EOF; or 0. */
  failure: number;
  /** Bytes that its writers have sent: of the one that it has now, only when that is forgotten. */
  sent: number;
  /** The batch of the loop, see {@link queueFlush}. */
  readonly batch: SendBatch;
  /** The kernel has taken `bytes` bytes outside of the batch. */
  countSent(bytes: number): void;
  /** Bytes that a turn sends from the queue of one writer. */
  readonly sendBudget: number;
  /** Sends the batch at the end of the turn; outside of one, when the running code and its microtasks are done. */
  queueFlush(): void;
  /** See {@link Transport.regain}: the writer's state is another one then. */
  regain(): void;
  /** The kernel has no room: {@link TransportEvents.onWritable} follows when it has. */
  onFull(): void;
  continueLater(): void;
  atTickEnd(): void;
}

/** The events of a transport, for its stream. */
export interface TransportEvents {
  /** The writer, made if there is none: for what was staged without one, and is not sent at once. */
  readonly writer: Writer;
  /**
   * The bytes from `start` to `end` of a shared block have arrived: keeps them, and runs nothing
   * else. Never throws.
   */
  store(block: Block, start: number, end: number): void;
  /** Bytes were stored: serves the waiting read. */
  onStored(): void;
  /** {@link Transport.readable} has become true. */
  onReadable(): void;
  /** A receive in a turn brought no bytes: 0 for EOF, or a negative errno. */
  onReadResult(result: number): void;
  /** {@link Transport.peerClosed} has become true, or an error is pending. */
  onPeerClosed(): void;
  /** There may be room to send, or a connection attempt has ended. */
  onWritable(): void;
  /** The turn that {@link Transport.continueLater} asked for. */
  onContinue(): void;
  /** The end of the tick that {@link Transport.atTickEnd} asked for. */
  onTickEnd(): void;
  /** Bytes have left that were not sent at once, as {@link WriterOwner.onProgress}. */
  onProgress(): void;
  /**
   * Nothing will be read or written any more: the descriptor was closed below the stream, its loop is
   * closed, or TLS has failed.
   */
  onFailure(error: Error): void;
}

/** The writing side of a stream. Nothing here throws: failures are rejections. */
export interface Writer {
  /** Bytes that were written and are not with the kernel. */
  readonly buffered: number;
  /** {@link buffered} and the cost of small writes, which `maxBufferSize` limits. */
  readonly held: number;
  /** Above the high watermark, and not below the low one since. */
  readonly congested: boolean;
  /** {@link shutdown} was called, and FIN is not sent yet. */
  readonly isEnding: boolean;
  /** FIN is sent. */
  readonly isEnded: boolean;
  /** Bytes that the kernel has taken. */
  readonly sent: number;
  /** The owner is replaced when the connection goes on in another object. */
  owner: WriterOwner;
  /** Resolves when the last byte is with the kernel. */
  write(data: Data | readonly Data[]): Promise<void>;
  /**
   * {@link write} without a promise. False if the writer is congested, for which
   * {@link WriterOwner.onDrained} follows, or has ended: the data are dropped then.
   *
   * @throws `ERR_IOLOOP_BUFFER_FULL`, and argument errors: nothing of the data is taken then.
   */
  send(data: Data | readonly Data[]): boolean;
  /** Holds writes back until {@link uncork}, if that makes fewer packets. */
  cork(): void;
  uncork(): void;
  /** Resolves when {@link congested} is false. */
  drain(): Promise<void>;
  /** Half-close after all written bytes. Resolves when FIN is sent. */
  shutdown(): Promise<void>;
  /** {@link shutdown} without a promise; {@link WriterOwner.onWriteEnd} follows. */
  endSoon(): void;
  /** Offers the staged bytes to the kernel once. */
  flush(): void;
  /** There may be room to send. */
  onWritable(): void;
  /** See {@link TransportEvents.onContinue}. */
  onContinue(): void;
  /** See {@link TransportEvents.onTickEnd}. */
  onTickEnd(): void;
  /** Drops unsent bytes. Waiting promises reject with {@link WriterOwner.closedError}. */
  close(): void;
}

/** When a writer refuses, and when it is congested: bytes. */
export interface WriterLimits {
  /** A write that would raise {@link Writer.held} above is refused. */
  readonly maxBufferSize: number;
  readonly highWaterMark: number;
  readonly lowWaterMark: number;
  /** Bytes that can be written without a writer: neither of these limits is reached. */
  readonly staged: number;
}

/** The stream of a writer. */
export interface WriterOwner {
  /** A write has failed with this negative errno. */
  onWriteError(errno: number): void;
  /** The kernel is out of memory, and has no event for its end: calls `retry` after a delay. */
  retryLater(retry: () => void): void;
  /** The connection has failed with an error that has no errno. */
  onFailure(error: Error): void;
  /** Everything before a shutdown is with the kernel: sends FIN. The error, or `null`. */
  endWriting(): Error | null;
  /**
   * Everything is sent, and no promise waits: whether the owner has forgotten the writer, which then serves
   * others. Another one is made for the next write. Runs no user code.
   */
  forgets(writer: Writer): boolean;
  /** FIN was sent. */
  onWriteEnd(): void;
  /** Bytes have left that were not sent at once. Runs no user code: a batch may be flushing. */
  onProgress(): void;
  /** {@link Writer.congested} has become false. Runs no user code: a batch may be flushing. */
  onDrained(): void;
  closedError(): Error;
}
