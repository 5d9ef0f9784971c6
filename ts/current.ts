/**
 * The current loop of this JavaScript thread: each worker has its own module, so its own slot.
 * Generic over the loop so that it depends on nothing.
 */

/** What the slot needs to know of a loop. */
interface Closable {
  readonly closed: boolean;
}

/** Holds the current loop, or none. */
export class CurrentSlot<L extends Closable> {
  #loop: L | null = null;

  /** The current loop. A closed one is none. */
  get loop(): L | null {
    if (this.#loop?.closed === true) this.#loop = null;
    return this.#loop;
  }

  set loop(loop: L | null) {
    this.#loop = loop;
  }

  /** Makes `loop` current for a while; gives what {@link leave} has to restore. */
  enter(loop: L): L | null {
    const previous = this.#loop;
    this.#loop = loop;
    return previous;
  }

  /** Ends the while, unless somebody has chosen another loop in it. */
  leave(loop: L, previous: L | null): void {
    if (this.#loop === loop) this.#loop = previous;
  }
}
