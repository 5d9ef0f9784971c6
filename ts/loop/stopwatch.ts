/**
 * The time that code of the program takes, in debug mode: of calls by the guard, and of steps of
 * async functions. A step is the code from one `await` to the next, or a reaction of a promise; it
 * runs after the turn, as a microtask. The time of a call within another one, or within a step, is
 * not counted twice.
 */
import { nodeV8 } from '../support/builtins.js';
import { monotonic } from '../support/host.js';

/** A measurement that has begun. */
interface Lap {
  readonly start: number;
  /** The time of measurements that have ended within the outer one. */
  readonly outer: number;
}

/** Milliseconds of measurements that have ended within the current one. */
let within = 0;

/** Runs `func`, and passes its own time in milliseconds to `onEnd`, which must not throw. */
export function measure(func: () => void, onEnd: (milliseconds: number) => void): void {
  const lap = begin();
  try {
    func();
  } finally {
    onEnd(end(lap));
  }
}

function begin(): Lap {
  const lap = { start: monotonic(), outer: within };
  within = 0;
  return lap;
}

/** Returns the own time of a measurement. */
function end({ start, outer }: Lap): number {
  const elapsed = monotonic() - start;
  const own = elapsed - within;
  within = outer + elapsed;
  return own;
}

/**
 * Measures the steps on this thread while there is a user. `onStep` is called in the async context of
 * the step, and must not throw. Runtimes without hooks of promises have no steps.
 */
export class Steps {
  #users = 0;
  #step: Lap | null = null;
  #stop: (() => void) | null = null;
  readonly #onStep: (milliseconds: number) => void;

  constructor(onStep: (milliseconds: number) => void) {
    this.#onStep = onStep;
  }

  use(): void {
    this.#users += 1;
    if (this.#users > 1) return;
    const { promiseHooks: hooks } = nodeV8() as Partial<ReturnType<typeof nodeV8>>;
    if (hooks === undefined) return;
    this.#stop = hooks.createHook({
      before: () => {
        this.#step = begin();
      },
      after: () => {
        const step = this.#step;
        this.#step = null;
        // The hook was made within a step.
        if (step !== null) this.#onStep(end(step));
      },
    }) as () => void;
  }

  unuse(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#stop?.();
    this.#stop = null;
    this.#step = null;
  }
}
