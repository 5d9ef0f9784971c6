/**
 * Accepts the connections of a group, and hands them over to its workers, as tokens of
 * `Socket.detach()`.
 *
 * | State of a connection | Next |
 * | --- | --- |
 * | in the backlog | pending: a worker is chosen that is not full |
 * | pending: it belongs to the table of the process | attached: the worker says so; waiting: the worker has ended, or refuses it |
 * | waiting for a worker | pending: there is one; closed: {@link HandOver.close} |
 * | attached: it belongs to the worker | |
 *
 * A worker may have attached a connection and ended before it could say so: the next worker then finds
 * that the token was attached, and the connection has ended with its thread.
 */
import { queueMicrotask } from '../../support/host.js';
import type { DetachedToken } from '../../sockets/detached.js';
import { Socket } from '../../sockets/socket.js';
import { runAside } from '../../loop/internals.js';
import { IOLoop } from '../../loop/ioloop.js';
import { Acceptor, DEFAULT_BATCH } from '../acceptor.js';
import { leastConnections, roundRobin, type Balancer, type Candidate } from './balancer.js';
import type { Report } from './messages.js';
import type { WorkerRun } from './worker-run.js';

type Token = DetachedToken<'socket'>;

export class HandOver {
  /** Of its own: it runs as long as the group listens, whether others run or not. Never current. */
  readonly #loop = new IOLoop({ makeCurrent: false });
  readonly #acceptors: readonly Acceptor[];
  readonly #choose: Balancer<Share>;
  /** The workers that take connections, in the order of their tasks. */
  readonly #shares: Share[] = [];
  /** By worker, until it has ended. */
  readonly #byRun = new Map<WorkerRun, Share>();
  /** Connections without a worker. */
  #waiting: Token[] = [];
  #isClosed = false;

  constructor(sockets: Iterable<Socket>, balance: 'round-robin' | 'least-connections') {
    this.#choose = balance === 'round-robin' ? roundRobin() : leastConnections();
    const accept = this.#onAccept;
    this.#acceptors = Array.from(
      sockets,
      (socket) => new Acceptor(this.#loop, socket, accept, DEFAULT_BATCH),
    );
    this.#regulate();
    runAside(this.#loop, () => {
      // After the turn.
      queueMicrotask(() => {
        this.#loop.close();
      });
    });
  }

  /** The connections that a worker has, those on their way included. */
  loadOf(run: WorkerRun): number {
    return this.#byRun.get(run)?.load ?? 0;
  }

  /** The worker takes up to `capacity` connections at a time. */
  add(run: WorkerRun, capacity: number): void {
    const share = new Share(run, capacity);
    this.#byRun.set(run, share);
    this.#shares.push(share);
    this.#shares.sort((one, other) => one.run.taskId - other.run.taskId);
    this.#distribute();
  }

  /** The worker gets no more connections. */
  leave(run: WorkerRun): void {
    const at = this.#shares.findIndex((share) => share.run === run);
    if (at >= 0) this.#shares.splice(at, 1)[0]?.flush();
    this.#regulate();
  }

  /** The worker has ended. What it had not attached goes to others. */
  end(run: WorkerRun): void {
    this.leave(run);
    const share = this.#byRun.get(run);
    this.#byRun.delete(run);
    if (share !== undefined) this.#give(share.takePending());
  }

  onReport(run: WorkerRun, report: Extract<Report, { type: 'connections' }>): void {
    const share = this.#byRun.get(run);
    if (share === undefined) return;
    share.open = report.open;
    share.settle(report.attached);
    if (report.refused.length > 0) {
      // Its server was stopped.
      const refused = share.settle(report.refused);
      this.leave(run);
      this.#give(refused);
    }
    this.#distribute();
  }

  /** Accepts what is in the backlogs, hands it over, and ends. The sockets stay open. */
  close(): void {
    if (this.#isClosed) return;
    // What stays in the backlogs is reset.
    for (const share of this.#shares) share.mostPending = Infinity;
    this.#distribute();
    for (const acceptor of this.#acceptors) {
      acceptor.acceptAll();
      acceptor.close();
    }
    this.#isClosed = true;
    for (const share of this.#shares) share.flush();
    this.#drop();
    this.#loop.stop();
  }

  readonly #onAccept = (connection: Socket): void => {
    this.#give([connection.detach()]);
    this.#regulate();
  };

  #give(tokens: readonly Token[]): void {
    this.#waiting.push(...tokens);
    this.#distribute();
  }

  /** Hands over what waits, as far as there are workers. */
  #distribute(): void {
    let count = 0;
    for (const token of this.#waiting) {
      const share = this.#choose(this.#shares);
      if (share === null) break;
      share.hand(token);
      count += 1;
    }
    if (count > 0) this.#waiting = this.#waiting.slice(count);
    if (this.#isClosed) this.#drop();
    this.#regulate();
  }

  /** Accepts while a worker takes connections. */
  #regulate(): void {
    if (this.#isClosed) return;
    const held = this.#waiting.length > 0 || this.#shares.every(({ isFull }) => isFull);
    for (const acceptor of this.#acceptors) acceptor.held = held;
  }

  /** There is no worker any more for those that wait. */
  #drop(): void {
    for (const token of this.#waiting.splice(0)) {
      try {
        Socket.attach(token).close();
      } catch {
        // A worker that has ended had attached it.
      }
    }
  }
}

/** The connections of one worker. */
class Share implements Candidate {
  readonly run: WorkerRun;
  /** Those that the worker has, by its latest report. */
  open = 0;
  /** Connections on their way to it, beyond which it is full. */
  mostPending = MOST_PENDING;
  readonly #capacity: number;
  readonly #pending = new Map<number, Token>();
  /** Pending ones that are not sent yet: one message for those of a turn. */
  #outbox: Token[] = [];

  constructor(run: WorkerRun, capacity: number) {
    this.run = run;
    this.#capacity = capacity;
  }

  get load(): number {
    return this.open + this.#pending.size;
  }

  get isFull(): boolean {
    return this.#pending.size >= this.mostPending || this.load >= this.#capacity;
  }

  hand(token: Token): void {
    this.#pending.set(token.detached, token);
    if (this.#outbox.length === 0) queueMicrotask(this.flush);
    this.#outbox.push(token);
  }

  /** Sends what is to be sent. */
  readonly flush = (): void => {
    if (this.#outbox.length === 0) return;
    this.run.send({ type: 'connections', tokens: this.#outbox });
    this.#outbox = [];
  };

  /** The tokens with these ids, which are pending no more. */
  settle(ids: readonly number[]): Token[] {
    return ids.flatMap((id) => {
      const token = this.#pending.get(id);
      this.#pending.delete(id);
      return token === undefined ? [] : [token];
    });
  }

  takePending(): Token[] {
    this.#outbox = [];
    return this.settle([...this.#pending.keys()]);
  }
}

/** Connections on their way to one worker. A worker that is blocked does not get all of them. */
const MOST_PENDING = 256;
