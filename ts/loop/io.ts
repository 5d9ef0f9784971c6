/** The I/O of one loop: its sources, and the work of sources that is put off. */
import { SendBatch } from '../boundary/send-batch.js';
import type { Capacities } from '../support/capacities.js';
import { nextTick } from '../support/host.js';
import { IoCounters } from './counters.js';
import type { Guard } from './guard.js';
import type { Source, SourceTable } from './sources.js';
import { TurnShare } from './turn-share.js';

/** Work for {@link LoopIO.continueLater} and {@link LoopIO.atTickEnd}. */
export interface DeferredWork {
  /** The requested turn. */
  onContinue(): void;
  /** The running code and its microtasks are done. */
  onTickEnd(): void;
}

/** A closed connection, for {@link LoopIO.announceClose}. */
export interface ClosedWork {
  /** Calls the program. */
  announceClose(): void;
}

/** Something that moves bytes by turns of the loop and is no source of its selector. */
export interface LoopMember {
  /** The loop is being closed. */
  onLoopClosed(): void;
}

/** The readiness of two sources that the core has for a while: bytes pass from one to the other. */
export interface Lease {
  readonly source: Source;
  readonly sink: Source;
  /** Counts what has passed. Runs no user code. */
  sync(): void;
  /** Takes everything back. Idempotent. */
  end(): void;
}

/** The sources of one loop, its send batch, and two queues: for the next turn, for the tick's end. */
export class LoopIO {
  readonly sources: SourceTable;
  readonly counters = new IoCounters();
  readonly capacities: Capacities;
  /** When the last turn collected, in seconds of the loop's clock. */
  now = 0;
  readonly #guard: Guard;
  readonly #wake: () => void;
  readonly #call: (func: () => void) => void;
  #batch: SendBatch | null = null;
  #continuing: DeferredWork[] = [];
  #closed: ClosedWork[] = [];
  #atTickEnd: DeferredWork[] = [];
  #tickEndQueued = false;
  /** A turn runs, at the end of which its writes leave. */
  #isTurning = false;
  /** In a turn: the batch has writes. */
  #hasWrites = false;
  /**
   * The streams that were dispatched last have answered: their code has written, and to no more streams
   * than were dispatched. Writes after an `await` come when the turn is over. A broadcast goes to more
   * streams, and is sent once for the whole turn.
   */
  hasAnswered = false;
  readonly #members = new Set<LoopMember>();
  readonly #leases = new Set<Lease>();
  /** Made for the first pump. */
  #splices: TurnShare | null = null;

  /**
   * `wake` requests a turn. `call` requests a call in the next one, or when the running code is done, if
   * the loop is closed. `guard` reports errors that no promise can carry.
   */
  constructor(
    sources: SourceTable,
    guard: Guard,
    capacities: Capacities,
    wake: () => void,
    call: (func: () => void) => void,
  ) {
    this.sources = sources;
    this.capacities = capacities;
    this.#guard = guard;
    this.#wake = wake;
    this.#call = call;
  }

  /** The batch of small writes, see {@link queueFlush}. */
  get batch(): SendBatch {
    if (this.#batch === null) {
      const { sendBytes, sendRecords } = this.capacities;
      this.#batch = new SendBatch(sendBytes, sendRecords, (error) => {
        this.#guard.report(null, error);
      });
    }
    return this.#batch;
  }

  /** The streams in the loop: on sources of the selector, and others. */
  get streams(): number {
    return this.sources.streams + this.#members.size;
  }

  /** Calls {@link LoopMember.onLoopClosed} when the loop is closed, until {@link remove}. */
  add(member: LoopMember): void {
    this.#members.add(member);
  }

  remove(member: LoopMember): void {
    this.#members.delete(member);
  }

  /** The core has the readiness of two sources, until {@link endLease}. */
  beginLease(lease: Lease): void {
    this.#leases.add(lease);
  }

  endLease(lease: Lease): void {
    this.#leases.delete(lease);
  }

  /** Ends the leases of a source. */
  endLeasesOf(source: Source): void {
    for (const lease of this.#leases) {
      if (lease.source === source || lease.sink === source) lease.end();
    }
  }

  /** Brings the counters up to date. */
  sync(): void {
    for (const lease of this.#leases) lease.sync();
  }

  /** Bytes of streams that the kernel has taken. */
  get bytesSent(): number {
    return this.counters.sent + (this.#batch?.sent ?? 0);
  }

  /** Whether {@link continueAll} has work to do. */
  get isContinuing(): boolean {
    return this.#continuing.length > 0;
  }

  /** Bytes that one direction of a pump may splice now. It is called once for each of them in a turn. */
  spliceShare(): number {
    const { spliceBudget, spliceShare } = this.capacities;
    return (this.#splices ??= new TurnShare()).take(spliceBudget, spliceShare);
  }

  /** Calls {@link DeferredWork.onContinue} in the next turn: a budget of this one is spent. */
  continueLater(work: DeferredWork): void {
    this.#continuing.push(work);
    this.#wake();
  }

  /** Calls {@link DeferredWork.onTickEnd} when the running code and its microtasks are done. */
  atTickEnd(work: DeferredWork): void {
    this.#atTickEnd.push(work);
    this.#queueTickEnd();
  }

  /**
   * Calls {@link ClosedWork.announceClose} in the next turn. If the loop is closed, now or before that
   * turn, calls it when the running code is done: like rejections of reads, it is never lost.
   */
  announceClose(work: ClosedWork): void {
    // The first of them asks for a call of all.
    if (this.#closed.push(work) === 1) this.#call(this.#announceAll);
  }

  /**
   * Sends the batch: in a turn at its end, otherwise when the running code and its microtasks are done.
   * Promise reactions run as microtasks after the turn, and their writes are sent together.
   */
  queueFlush(): void {
    if (this.#isTurning) this.#hasWrites = true;
    else this.#queueTickEnd();
  }

  /** A turn begins. {@link endTurn} follows. */
  beginTurn(): void {
    this.#isTurning = true;
  }

  /** In the middle of a turn, after the code of `dispatched` streams: sends what was written, if it answers. */
  sendAnswers(dispatched: number): void {
    if (this.#isAnswer(dispatched)) this.#sendWrites();
  }

  /**
   * The code of the turn is done, its microtasks are not: sends what was written. The code of `dispatched`
   * streams was the last.
   */
  endTurn(dispatched: number): void {
    this.#isTurning = false;
    if (dispatched > 0) this.hasAnswered = this.#isAnswer(dispatched);
    if (this.#hasWrites) this.#sendWrites();
  }

  #isAnswer(dispatched: number): boolean {
    return this.#hasWrites && this.batch.chains <= dispatched;
  }

  #sendWrites(): void {
    this.#hasWrites = false;
    // Work for the end of the tick is done after a flush, which then sends both.
    if (!this.#tickEndQueued) this.#batch?.flush();
  }

  /** Node runs its tick queue when there are no more microtasks. */
  #queueTickEnd(): void {
    if (this.#tickEndQueued) return;
    // First the effect, then the state: at the end of the stack either may throw.
    nextTick(this.#onTickEnd);
    this.#tickEndQueued = true;
  }

  /** Continues the work that a budget of the last turn has cut. After a failure the rest stays queued. */
  continueAll(): void {
    this.#splices?.nextTurn();
    const continuing = this.#continuing;
    if (continuing.length === 0) return;
    this.#continuing = [];
    let next = 0;
    try {
      while (next < continuing.length) (continuing[next++] as DeferredWork).onContinue();
    } finally {
      if (next < continuing.length) {
        this.#continuing = continuing.slice(next).concat(this.#continuing);
      }
    }
  }

  /** The loop is being closed: no turn follows. */
  close(): void {
    for (const member of this.#members) this.#guard.attempt(endWithLoop, member);
    this.#continuing = [];
    // Those of the last turn, too.
    if (this.#closed.length > 0) this.#call(this.#announceAll);
  }

  readonly #announceAll = (): void => {
    const closed = this.#closed;
    this.#closed = [];
    for (const work of closed) this.#guard.attempt(announce, work);
  };

  readonly #onTickEnd = (): void => {
    this.#tickEndQueued = false;
    this.#batch?.flush();
    const queued = this.#atTickEnd;
    if (queued.length === 0) return;
    this.#atTickEnd = [];
    for (const work of queued) this.#guard.attempt(endTick, work);
  };
}

function endWithLoop(member: LoopMember): void {
  member.onLoopClosed();
}

function announce(work: ClosedWork): void {
  work.announceClose();
}

function endTick(work: DeferredWork): void {
  work.onTickEnd();
}
