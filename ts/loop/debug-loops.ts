/** Loops in debug mode that are forgotten: never started, or garbage collected without `close()`. */
import { warnFrom } from '../support/debug-warnings.js';
import { isExpectedToRun } from './not-running.js';
import { siteHere } from './origins.js';

/** The members of a loop that show whether it was forgotten. */
interface Loop {
  readonly closed: boolean;
}

/** The work that waits in a loop, and the turns that it has had. */
interface Work {
  readonly turnCount: number;
  readonly callbacks: { readonly size: number };
  readonly timeouts: { readonly size: number };
  readonly handlers: { readonly size: number };
}

/** One loop. It refers to the loop weakly, and so does its work. */
export class LoopWatch {
  readonly site = siteHere();
  readonly #loop: WeakRef<Loop>;
  readonly #work: WeakRef<Work>;
  readonly #onCollected: () => void;

  /** `onCollected` is called if the loop is garbage collected before {@link end}. */
  constructor(loop: Loop, work: Work, onCollected: () => void) {
    this.#loop = new WeakRef(loop);
    this.#work = new WeakRef(work);
    this.#onCollected = onCollected;
    if (watches.size === 0) process.on('beforeExit', warnOfUnstarted);
    watches.add(this);
    collected.register(loop, this, this);
  }

  /** The loop is closed. */
  end(): void {
    collected.unregister(this);
    this.#remove();
  }

  onCollected(): void {
    this.#remove();
    this.#onCollected();
    const place = this.site === null ? '' : `. Made at ${this.site}`;
    warnFrom(
      this.site ?? '',
      'IOLOOP_UNCLOSED',
      `An IOLoop was garbage collected, and not closed${place}`,
    );
  }

  /** The process ends, unless the listeners of this event add work to it. */
  warnIfUnstarted(): void {
    const loop = this.#loop.deref();
    const work = this.#work.deref();
    if (loop === undefined || work === undefined || work.turnCount > 0) return;
    const { callbacks, timeouts, handlers } = work;
    const left = [
      counted(callbacks.size, 'callback'),
      counted(timeouts.size, 'timeout'),
      counted(handlers.size, 'handler'),
    ].filter((text) => text !== null);
    // A server or a client that waits has a warning of its own.
    if (left.length === 0 || isExpectedToRun(loop)) return;
    const place = this.site === null ? '' : `. Made at ${this.site}`;
    warnFrom(
      this.site ?? '',
      'IOLOOP_NOT_RUNNING',
      `An IOLoop was never started, and has ${left.join(', ')}. Let await loop.start() follow, or ` +
        `use loop.runSync()${place}`,
    );
  }

  #remove(): void {
    watches.delete(this);
    if (watches.size === 0) process.removeListener('beforeExit', warnOfUnstarted);
  }
}

const watches = new Set<LoopWatch>();
const collected = new FinalizationRegistry((watch: LoopWatch) => {
  watch.onCollected();
});

function warnOfUnstarted(): void {
  for (const watch of watches) watch.warnIfUnstarted();
}

function counted(count: number, what: string): string | null {
  return count === 0 ? null : `${count} ${what}${count === 1 ? '' : 's'}`;
}
