/** Signals that end a group, or a worker that is a process. */
import { isMainThread } from 'node:worker_threads';

/**
 * Calls `onFirst` for the first of `signals`. The second one ends the process, as the signal does by
 * default, after a call of `onSecond`. Returns a function that ends this. Threads other than the main
 * one get no signals.
 */
export function onSignals(
  signals: readonly NodeJS.Signals[],
  onFirst: (signal: NodeJS.Signals) => void,
  onSecond: () => void = nothing,
): () => void {
  if (!isMainThread) return nothing;
  let isFirst = true;
  const listener = (signal: NodeJS.Signals): void => {
    if (isFirst) {
      isFirst = false;
      onFirst(signal);
      return;
    }
    onSecond();
    end();
    process.kill(process.pid, signal);
  };
  const end = (): void => {
    for (const signal of signals) process.removeListener(signal, listener);
  };
  for (const signal of signals) process.on(signal, listener);
  return end;
}

function nothing(): void {}
