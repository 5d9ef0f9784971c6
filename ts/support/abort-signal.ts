/** Waits that an `AbortSignal` gives up: one listener per signal, however many waits. */

/** Called with the reason of the signal. */
export interface Abortable {
  onAbort(reason: unknown): void;
}

/**
 * Calls `wait.onAbort` once when `signal` aborts, unless {@link unwatchSignal} comes first. The cost
 * does not depend on how many wait: a program may give one signal to all of its reads.
 */
export function watchSignal(signal: AbortSignal, wait: Abortable): void {
  let waits = watched.get(signal);
  if (waits === undefined) {
    waits = new Set();
    watched.set(signal, waits);
    signal.addEventListener('abort', onAbort, { once: true });
  }
  waits.add(wait);
}

/** The wait is over. After the last one the signal has no listener of ours. */
export function unwatchSignal(signal: AbortSignal, wait: Abortable): void {
  const waits = watched.get(signal);
  if (waits === undefined || !waits.delete(wait) || waits.size > 0) return;
  watched.delete(signal);
  signal.removeEventListener('abort', onAbort);
}

/** @throws The reason of a signal that has aborted. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted !== true) return;
  noteReason(signal.reason);
  throw signal.reason;
}

/**
 * True if `error` is the reason of a signal that has given up a wait: the program has asked for it,
 * so that it is not a failure. The reason of `AbortSignal.timeout()` is one, as a `timeout` is.
 */
export function isAbortReason(error: unknown): boolean {
  if (isObject(error)) return !isDeadline(error) && reasons.has(error);
  return primitiveReasons.has(error);
}

/** By signal, those who wait. A signal without waits has no entry. */
const watched = new WeakMap<AbortSignal, Set<Abortable>>();

/** One function for all signals. */
function onAbort(this: AbortSignal): void {
  const waits = watched.get(this);
  if (waits === undefined) return;
  watched.delete(this);
  noteReason(this.reason);
  for (const wait of waits) wait.onAbort(this.reason);
}

const reasons = new WeakSet();
/** The latest reasons that are not objects, such as strings. */
const primitiveReasons = new Set<unknown>();
const MOST_PRIMITIVES = 64;

function noteReason(reason: unknown): void {
  if (isObject(reason)) {
    reasons.add(reason);
    return;
  }
  primitiveReasons.add(reason);
  if (primitiveReasons.size <= MOST_PRIMITIVES) return;
  // A set is in the order of insertion.
  for (const oldest of primitiveReasons) {
    primitiveReasons.delete(oldest);
    break;
  }
}

function isObject(value: unknown): value is object {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function isDeadline(error: object): boolean {
  return error instanceof DOMException && error.name === 'TimeoutError';
}
