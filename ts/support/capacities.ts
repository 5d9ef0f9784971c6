/**
 * The capacities of a turn, a batch and an array. Reaching one is not an error: the rest is done by
 * the next.
 */

/** The capacities of a loop and its streams. Each is at least 1. */
export interface Capacities {
  /** Submissions of one crossing. */
  submissions: number;
  /** Timers that fire in one turn. */
  timers: number;
  /** Events that a turn takes from the selector, and sources of the ready list that it rechecks. */
  events: number;
  /** Calls of other threads that wait for a turn. One more is refused with an error. */
  posts: number;
  /** Deadlines of a set that a turn looks at, beside those that expire. */
  deadlineVisits: number;
  /** Touches of a set of deadlines that have one reading of the clock. */
  touches: number;
  /** Streams that a turn receives for before their code runs and their answers leave, if it has answers. */
  receives: number;
  /** Bytes that a turn receives from one stream. */
  receiveBytes: number;
  /** Bytes of the block that the small reads of this thread share. */
  receiveBlock: number;
  /** Bytes of the room that the borrowed chunks of this thread share. */
  borrowedRoom: number;
  /** Records of a send batch: pieces of writes that do not continue the piece before. */
  sendRecords: number;
  /** Bytes of a send batch. */
  sendBytes: number;
  /** Bytes that one stream reads in one turn. */
  readBudget: number;
  /** Bytes that one stream sends in one turn from its queue. */
  sendBudget: number;
  /**
   * Bytes after which one direction of a pump waits for the next turn, about. Those that were unread
   * before it reach this in one turn; those that it reads from its source reach `readBudget` first.
   */
  pumpBudget: number;
  /** Bytes that all pumps of a loop splice in one turn, about: each direction has its share. */
  spliceBudget: number;
  /** The least share of a direction. */
  spliceShare: number;
  /** Bytes that a direction of a pump splices at one time from which it is a flow, which the core moves. */
  flow: number;
  /** Pipes of this thread that have bytes on their way between two sockets. */
  pipes: number;
}

const DEFAULTS: Readonly<Capacities> = {
  submissions: 2048,
  timers: 4096,
  events: 1024,
  posts: 65_536,
  deadlineVisits: 8192,
  touches: 1024,
  receives: 64,
  receiveBytes: 8 * 1024,
  receiveBlock: 128 * 1024,
  borrowedRoom: 256 * 1024,
  sendRecords: 2048,
  sendBytes: 256 * 1024,
  readBudget: 256 * 1024,
  sendBudget: 512 * 1024,
  pumpBudget: 512 * 1024,
  spliceBudget: 4 * 1024 * 1024,
  spliceShare: 256 * 1024,
  flow: 32 * 1024,
  pipes: 64,
};

/** The capacities of loops that this thread makes from now on. */
export const capacities: Capacities = { ...DEFAULTS };

/**
 * Changes the capacities of loops that are made from now on, and of this thread's receive blocks;
 * without an argument, back to the defaults. For tests: a small capacity is reached by little work.
 */
export function setCapacities(changed: Partial<Capacities> = {}): void {
  Object.assign(capacities, DEFAULTS, changed);
}
