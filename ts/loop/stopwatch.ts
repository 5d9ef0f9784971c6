/**
 * The time that code of the program takes, in debug mode: of calls by the guard, and of steps of
 * async functions. A step is the code from one `await` to the next, or a reaction of a promise; it
 * runs after the turn, as a microtask. The time of a call within another one, or within a step, is
 * not counted twice.
 */
import asyncHooks from 'node:async_hooks';
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

/** A step that runs. */
interface Step<Call> {
  readonly lap: Lap;
  /** `undefined`: the context of the step is entered after its beginning, and not left before its end. */
  readonly context: { readonly call: Call | undefined } | undefined;
}

/**
 * Measures the steps on this thread while there is a user. `running` returns the call of the async
 * context; `onStep` takes that of the step, and must not throw. Runtimes without hooks of promises have
 * no steps.
 *
 * Node 20 and 22 enter and leave async contexts by hooks of promises, too, before or after these ones:
 * it depends on what the program has enabled first.
 */
export class Steps<Call> {
  #users = 0;
  #step: Step<Call> | null = null;
  #stop: (() => void) | null = null;
  readonly #running: () => Call | undefined;
  readonly #onStep: (call: Call, milliseconds: number) => void;

  constructor(running: () => Call | undefined, onStep: (call: Call, milliseconds: number) => void) {
    this.#running = running;
    this.#onStep = onStep;
  }

  use(): void {
    this.#users += 1;
    if (this.#users > 1) return;
    const { promiseHooks: hooks } = nodeV8() as Partial<ReturnType<typeof nodeV8>>;
    if (hooks === undefined) return;
    this.#stop = hooks.createHook({
      before: (promise) => {
        const isEntered = asyncHooks.executionAsyncResource() === promise;
        const context = isEntered ? { call: this.#running() } : undefined;
        this.#step = { lap: begin(), context };
      },
      after: () => {
        const step = this.#step;
        this.#step = null;
        // The hook was made within a step.
        if (step === null) return;
        const milliseconds = end(step.lap);
        const { call } = step.context ?? { call: this.#running() };
        if (call !== undefined) this.#onStep(call, milliseconds);
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
