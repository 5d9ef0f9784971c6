/** The loops whose metrics are exported. */
import { invalidArgType } from '../support/errors.js';
import type { LoopMetrics } from '../loop/metrics.js';

/** An `IOLoop`, of which only the metrics are needed. */
export interface MeasuredLoop {
  /** As `IOLoop.metrics()`. */
  metrics(): LoopMetrics;
}

/** Loops by the value of their label `loop`; a single one is `main`. */
export type Loops = MeasuredLoop | Readonly<Record<string, MeasuredLoop>>;

/** The metrics of several loops, read once for all that one scrape collects. */
export class Snapshots {
  readonly #loops: readonly (readonly [string, MeasuredLoop])[];
  #current: readonly (readonly [string, LoopMetrics])[] | null = null;

  /** @throws `ERR_INVALID_ARG_TYPE`. */
  constructor(loops: Loops) {
    this.#loops = namedLoops(loops);
  }

  /** The metrics by the name of the loop: the same until the running code has returned. */
  read(): readonly (readonly [string, LoopMetrics])[] {
    if (this.#current === null) {
      this.#current = this.#loops.map(([name, loop]) => [name, loop.metrics()]);
      queueMicrotask(() => {
        this.#current = null;
      });
    }
    return this.#current;
  }
}

/** @throws `ERR_INVALID_ARG_TYPE`. */
export function namedLoops(loops: Loops): readonly (readonly [string, MeasuredLoop])[] {
  if (isLoop(loops)) return [['main', loops]];
  const isObject = typeof loops === 'object' && loops !== null;
  const named = isObject ? Object.entries(loops) : [];
  if (named.length === 0 || !named.every(([, loop]) => isLoop(loop))) {
    throw invalidArgType('loops', loops, 'an IOLoop, or an object of IOLoops by name');
  }
  return named;
}

function isLoop(value: unknown): value is MeasuredLoop {
  return typeof (value as Partial<MeasuredLoop> | null)?.metrics === 'function';
}
