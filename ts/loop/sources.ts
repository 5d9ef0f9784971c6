/**
 * The sources of one loop: one table for everything that is watched.
 *
 * An entry is added with {@link SourceTable.add}, and ends in one of four ways: its owner removes
 * it; the core reports that its number was closed elsewhere; another entry gets its index, since
 * the core has found the same when it registered that; the loop is closed.
 *
 * A turn collects all reports before it runs anything. An index that is freed and used again in the
 * middle of a turn causes no mix-up, as the collected reports refer to objects.
 */
import { native, type NativeHandle } from '../boundary/native.js';
import { STALE } from '../boundary/readiness.js';
import { receiveBlocks, type Block } from '../boundary/receive-blocks.js';
import type { NativeLoop } from '../boundary/native-loop.js';
import type { Guard } from './guard.js';
import { LaterReceives } from './later-receives.js';

const { MODE_RECEIVE, RECEIVED_LATER } = native;

/** The phases of a turn that dispatch sources, in their order. */
export const HANDLERS = 0;
export const STREAMS = 1;
export type SourcePhase = typeof HANDLERS | typeof STREAMS;

/** An entry of the table: a handler, a stream's descriptor. */
export interface Source {
  /** The phase of the turn in which it is dispatched. */
  readonly phase: SourcePhase;
  /** `MODE_` bits of the binding: how a turn receives for it. */
  readonly mode: number;
  /**
   * Takes a report: readiness bits, and the result of receiving, whose bytes lie from `start` on in
   * `block`. Changes state only: user code runs before {@link dispatch}, and may read or close.
   */
  collect(bits: number, result: number, block: Block, start: number): void;
  /** Acts on a collected report. The entry may have ended meanwhile. */
  dispatch(bits: number, result: number): void;
  /** The registration has ended: the number was closed, and may be another file's. */
  onStale(): void;
  /** The registration has ended: the loop is being closed. */
  onLoopClosed(): void;
}

/** The registered sources of one loop, by the core's index. */
export class SourceTable {
  /** By index: the mode of each source. The core reads it in each turn. */
  modes = new Uint8Array(FIRST_SIZE);
  /** The core of the loop. */
  readonly handle: NativeHandle;
  readonly #guard: Guard;
  readonly #byIndex: (Source | undefined)[] = [];
  readonly #handlers = new Reports();
  readonly #streams = new Reports();
  readonly #later: LaterReceives<Source>;
  /** Collected as stale. */
  #stale: { readonly source: Source; readonly index: number }[] = [];
  /** Sources with MODE_RECEIVE. */
  #receiving = 0;
  #streamCount = 0;

  constructor(handle: NativeHandle, guard: Guard, receives: number) {
    this.handle = handle;
    this.#guard = guard;
    this.#later = new LaterReceives(receives);
  }

  /** The number of registered sources of streams. */
  get streams(): number {
    return this.#streamCount;
  }

  /** The number of reports to handlers that were dispatched, by turns. */
  get handlerReports(): number {
    return this.#handlers.total;
  }

  /** The number of reports to streams that were dispatched, by turns. */
  get streamReports(): number {
    return this.#streams.total;
  }

  /** The number of streams that the last turn has reported. */
  get collected(): number {
    return this.#streams.ofTurn;
  }

  /** The number of streams that were dispatched together last. */
  get dispatched(): number {
    return this.#streams.last;
  }

  /** A turn begins. */
  beginTurn(): void {
    this.#streams.beginTurn();
  }

  /** Watches `fd` for `source`, with bits of an interest: its index, or a negative errno. */
  add(source: Source, fd: number, interest: number): number {
    const index = native.loopRegister(this.handle, fd, interest);
    if (index < 0) return index;
    if (index >= this.modes.length) this.#grow(index);
    const stale = this.#take(index);
    this.#byIndex[index] = source;
    this.modes[index] = source.mode;
    if (source.phase === STREAMS) this.#streamCount += 1;
    if (stale !== undefined) this.#guard.attempt(lose, stale);
    return index;
  }

  /** Changes the interest: 0, or a negative errno, `-ENOENT` when the number was closed. */
  update(index: number, interest: number): number {
    return native.loopReregister(this.handle, index, interest);
  }

  /** Ends the registration of the source that is at `index`. */
  remove(index: number): void {
    native.loopDeregister(this.handle, index);
    this.#take(index);
  }

  /** The source at `index`, which bytes pass from, waits for room. See `passages.ts`. */
  heed(index: number): void {
    native.passageHeed(this.handle, index);
  }

  /** The source at `index` is drained of READ or WRITE: an edge-triggered one is reported again. */
  rearm(index: number, bits: number): void {
    native.loopRearm(this.handle, index, bits);
  }

  /** The number of a source is known outside from now on: each report is verified. */
  verify(index: number): void {
    native.loopVerify(this.handle, index);
  }

  /** Whether the number of a source still is the file that was registered. */
  isRegistered(index: number): boolean {
    return native.loopIsRegistered(this.handle, index);
  }

  /** Whether turns receive for the source at `index`. */
  setReceiving(index: number, receiving: boolean): void {
    const mode = this.modes[index] as number;
    if (receiving === ((mode & MODE_RECEIVE) !== 0)) return;
    this.modes[index] = mode ^ MODE_RECEIVE;
    this.#receiving += receiving ? 1 : -1;
  }

  /** Before a turn: makes room for what it receives. */
  prepare(): void {
    if (this.#receiving > 0) receiveBlocks.reserveTurn();
  }

  /**
   * Takes one report. Received bytes are stored now: a read that starts before the dispatch finds
   * the bytes in the kernel's order. {@link endStale} follows the last report.
   */
  collect(index: number, bits: number, result: number): void {
    const source = this.#byIndex[index];
    if (source === undefined) {
      if (result > 0) receiveBlocks.advance(result);
    } else if ((bits & STALE) !== 0) this.#stale.push({ source, index });
    else if (result === RECEIVED_LATER) this.#later.push(source, index, bits);
    else this.take(source, bits, result);
  }

  /** Takes the report of a source. */
  take(source: Source, bits: number, result: number): void {
    const { block } = receiveBlocks;
    const start = result > 0 ? receiveBlocks.advance(result) : 0;
    source.collect(bits, result, block, start);
    const reports = source.phase === HANDLERS ? this.#handlers : this.#streams;
    reports.push(source, bits, result);
  }

  /** Whether streams were reported that the turn receives for later. */
  get isReceiving(): boolean {
    return !this.#later.isEmpty;
  }

  /** Receives for the next of them, and takes their reports. Returns the bytes received. */
  receive(core: NativeLoop, onFailure: (error: unknown) => void): number {
    receiveBlocks.reserveTurn();
    return this.#later.receive(core, this, onFailure);
  }

  /** Whether `source` is registered at `index`. */
  isAt(index: number, source: Source | undefined): boolean {
    return this.#byIndex[index] === source;
  }

  /**
   * Ends the entries that were collected as stale. Not earlier: it may run user code, and an entry
   * that this adds may get an index with a report.
   */
  endStale(): void {
    if (this.#stale.length === 0) return;
    const stale = this.#stale;
    this.#stale = [];
    for (const { source, index } of stale) {
      // Its index may be another's already.
      if (this.#byIndex[index] !== source) continue;
      this.#take(index);
      this.#guard.attempt(lose, source);
    }
  }

  /** Dispatches the collected reports. After a failure the next call goes on with the next source. */
  dispatch(phase: SourcePhase): void {
    const reports = phase === HANDLERS ? this.#handlers : this.#streams;
    reports.dispatch();
  }

  /** Ends all registrations: the loop is being closed. */
  close(): void {
    this.#handlers.clear();
    this.#streams.clear();
    this.#later.clear();
    this.#stale = [];
    for (const source of this.#byIndex.slice()) {
      if (source !== undefined) this.#guard.attempt(endWithLoop, source);
    }
    this.#byIndex.length = 0;
  }

  /** Frees an index. Returns its source. */
  #take(index: number): Source | undefined {
    const source = this.#byIndex[index];
    if (source === undefined) return undefined;
    this.#byIndex[index] = undefined;
    if (source.phase === STREAMS) this.#streamCount -= 1;
    this.setReceiving(index, false);
    this.modes[index] = 0;
    return source;
  }

  #grow(index: number): void {
    const larger = new Uint8Array(2 ** (32 - Math.clz32(index)));
    larger.set(this.modes);
    this.modes = larger;
  }
}

/**
 * The reports of one turn for one phase, in their order. The arrays stay for the next turn;
 * entries beyond the count are `undefined`.
 */
class Reports {
  readonly #sources: (Source | undefined)[] = [];
  /** Two words for each report: bits and result. */
  readonly #words: number[] = [];
  #count = 0;
  #dispatched = 0;
  /** Reports that were dispatched: of all turns, of the last one, and of the last call. */
  #total = 0;
  #ofTurn = 0;
  #last = 0;

  get total(): number {
    return this.#total;
  }

  get ofTurn(): number {
    return this.#ofTurn;
  }

  get last(): number {
    return this.#last;
  }

  beginTurn(): void {
    this.#ofTurn = 0;
  }

  push(source: Source, bits: number, result: number): void {
    const at = this.#count;
    this.#sources[at] = source;
    this.#words[2 * at] = bits;
    this.#words[2 * at + 1] = result;
    this.#count = at + 1;
  }

  dispatch(): void {
    const words = this.#words;
    while (this.#dispatched < this.#count) {
      const at = this.#dispatched;
      this.#dispatched = at + 1;
      const source = this.#sources[at] as Source;
      this.#sources[at] = undefined;
      source.dispatch(words[2 * at] as number, words[2 * at + 1] as number);
    }
    this.#last = this.#count;
    this.#ofTurn += this.#count;
    this.#total += this.#count;
    this.#count = this.#dispatched = 0;
  }

  clear(): void {
    this.#sources.length = 0;
    this.#count = this.#dispatched = 0;
  }
}

function lose(source: Source): void {
  source.onStale();
}

function endWithLoop(source: Source): void {
  source.onLoopClosed();
}

const FIRST_SIZE = 256;
