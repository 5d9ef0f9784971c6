/**
 * Warnings for work that waits for a loop which never runs. Without them Node ends the process
 * silently, or connections wait in the backlog.
 */
import * as host from '../support/host.js';
import { siteHere } from './origins.js';

/** The members of an `IOLoop` that the warnings need. */
interface Loop {
  readonly running: boolean;
  readonly closed: boolean;
  readonly debug: boolean;
  addCallback(callback: () => void): void;
}

/** The work that waits, and where it was begun: that is known in debug mode. */
interface Expectation {
  readonly what: string;
  readonly site: string | null;
  /** Of debug mode. */
  readonly timer: NodeJS.Timeout | null;
}

/**
 * Expects `loop` to run for `what`. If the process is about to end and the loop has not run since,
 * emits the warning `IOLOOP_NOT_RUNNING`, once per loop; in debug mode after 1 s as well, if the
 * process lives on. Returns a function that cancels this.
 */
export function expectToRun(loop: Loop, what: string): () => void {
  if (loop.running) return nothing;
  if (waiting.size === 0) process.once('beforeExit', warnAll);
  const previous = waiting.get(loop);
  const expectation: Expectation = {
    what,
    site: loop.debug ? siteHere() : null,
    timer: previous?.timer ?? (loop.debug ? warnLater(loop) : null),
  };
  const cancel = (): void => {
    if (waiting.get(loop) === expectation) forget(loop, expectation);
  };
  waiting.set(loop, expectation);
  loop.addCallback(cancel);
  return cancel;
}

/** Whether there is work that has, or has had, a warning of its own. */
export function isExpectedToRun(loop: object): boolean {
  return waiting.has(loop as Loop) || warned.has(loop);
}

/** By loop: the latest work that waits for its first turn. */
const waiting = new Map<Loop, Expectation>();

/** Loops with a warning. */
const warned = new WeakSet<object>();

/** A timer that keeps no process alive. */
function warnLater(loop: Loop): NodeJS.Timeout {
  const timer = host.setTimeout(() => {
    const expectation = waiting.get(loop);
    if (expectation === undefined) return;
    forget(loop, expectation);
    warn(loop, expectation);
  }, PATIENCE);
  timer.unref();
  return timer;
}

function forget(loop: Loop, { timer }: Expectation): void {
  if (timer !== null) host.clearTimeout(timer);
  waiting.delete(loop);
  if (waiting.size === 0) process.removeListener('beforeExit', warnAll);
}

function warnAll(): void {
  for (const [loop, expectation] of waiting) {
    forget(loop, expectation);
    warn(loop, expectation);
  }
}

function warn(loop: Loop, { what, site }: Expectation): void {
  if (loop.closed) return;
  warned.add(loop);
  const place = site === null ? '' : `. Begun at ${site}`;
  process.emitWarning(
    `${what} waits for an event loop that does not run. Call it within loop.runSync(), ` +
      `or let await loop.start() follow${place}`,
    { code: 'IOLOOP_NOT_RUNNING' },
  );
}

/** Milliseconds: a program that starts its loop does so soon. */
const PATIENCE = 1_000;

function nothing(): void {}
