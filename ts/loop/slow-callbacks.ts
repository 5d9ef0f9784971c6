/** Reports of calls and steps that have taken too long, in debug mode. */
import { slowCallback } from '../support/channels.js';
import { debug } from '../support/debug-log.js';
import { warnFrom } from '../support/debug-warnings.js';
import { originText, type CallOrigin } from './origins.js';

/** The loop that is slowed down. */
interface Loop {
  /** Seconds. */
  readonly slowCallbackDuration: number;
}

/** The slow calls and steps of one loop. */
export class SlowCallbacks {
  readonly #loop: Loop;

  constructor(loop: Loop) {
    this.#loop = loop;
  }

  /** A call with this origin has taken so long; or a step, after an `await` in it. */
  onEnd(origin: CallOrigin, isStep: boolean, milliseconds: number): void {
    const seconds = milliseconds / 1e3;
    if (seconds < this.#loop.slowCallbackDuration) return;
    const what = originText(origin);
    const after = isStep ? ' after an await' : '';
    const message = `Executing ${what}, took ${seconds.toFixed(3)} seconds${after}`;
    if (debug.enabled) debug('slow: %s', message);
    if (slowCallback.hasSubscribers) {
      slowCallback.publish({ loop: this.#loop, origin, isStep, seconds });
    }
    warnFrom(`${what}${after}`, 'IOLOOP_SLOW_CALLBACK', message);
  }
}
