/** A warning of work that waits for a loop which never runs: otherwise Node ends without a word. */
import type { IOLoop } from './ioloop.js';

/**
 * Notes that `what` needs `loop` to run, unless it runs. When the process is about to end and the loop
 * has not run since, it is warned of (`IOLOOP_NOT_RUNNING`), once per loop. Returns what takes the note
 * back.
 */
export function expectToRun(loop: IOLoop, what: string): () => void {
  if (loop.running) return nothing;
  if (waiting.size === 0) process.once('beforeExit', warn);
  const note = { what };
  const takeBack = (): void => {
    if (waiting.get(loop) !== note) return;
    waiting.delete(loop);
    if (waiting.size === 0) process.removeListener('beforeExit', warn);
  };
  waiting.set(loop, note);
  loop.addCallback(takeBack);
  return takeBack;
}

/** By loop, what waits for its first turn. */
const waiting = new Map<IOLoop, { readonly what: string }>();

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
