/** Waits that end when an `AbortSignal` aborts: one listener per signal, however many waits. */
import { TimeoutError } from './errors.js';

/** A wait that a signal ends. */
export interface Abortable {
  /** Called once, with the reason of the signal. */
  onAbort(reason: unknown): void;
}

/**
 * Calls `wait.onAbort` when `signal` aborts, unless {@link unwatchSignal} is called first. The cost
 * does not depend on the number of waits: a program may give one signal to all of its reads.
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

/** Ends a wait. After the last one the listener is removed from the signal. */
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
 * Whether `error` is the reason of a signal that has ended a wait: the program has cancelled it, and
 * it is not a failure. A timeout is a failure, also that of `AbortSignal.timeout()`.
 */
export function isAbortReason(error: unknown): boolean {
  if (isObject(error)) return reasons.has(error) && !isTimeout(error);
  return primitiveReasons.has(error);
}

/** The waits of each signal. A signal without waits has no entry. */
const watched = new WeakMap<AbortSignal, Set<Abortable>>();

/** The listener of all signals. */
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

/** Of this package, or of `AbortSignal.timeout()`. */
function isTimeout(error: object): boolean {
  return (
    error instanceof TimeoutError ||
    (error instanceof DOMException && error.name === 'TimeoutError')
  );
}
