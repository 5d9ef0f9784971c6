/**
 * A warning for work that waits for a loop which never runs. Without it Node ends the process
 * silently.
 */

/** The members of an `IOLoop` that the warning needs. */
interface Loop {
  readonly running: boolean;
  readonly closed: boolean;
  addCallback(callback: () => void): void;
}

/**
 * Expects `loop` to run for `what`. If the process is about to end and the loop has not run since,
 * emits the warning `IOLOOP_NOT_RUNNING`, once per loop. Returns a function that cancels this.
 */
export function expectToRun(loop: Loop, what: string): () => void {
  if (loop.running) return nothing;
  if (waiting.size === 0) process.once('beforeExit', warn);
  const expectation = { what };
  const cancel = (): void => {
    if (waiting.get(loop) !== expectation) return;
    waiting.delete(loop);
    if (waiting.size === 0) process.removeListener('beforeExit', warn);
  };
  waiting.set(loop, expectation);
  loop.addCallback(cancel);
  return cancel;
}

/** By loop: the latest work that waits for its first turn. */
const waiting = new Map<Loop, { readonly what: string }>();

function warn(): void {
  for (const [loop, { what }] of waiting) {
    if (loop.closed) continue;
    process.emitWarning(
      `${what} waits for an event loop that does not run. Call it within loop.runSync(), ` +
        'or let await loop.start() follow',
      { code: 'IOLOOP_NOT_RUNNING' },
    );
  }
  waiting.clear();
}

function nothing(): void {}
