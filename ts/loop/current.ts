/**
 * The current loop of this JavaScript thread: each worker has its own module, so its own slot.
 * Generic over the loop so that it depends on nothing.
 */

/** What the slot needs to know of a loop. */
interface Closable {
  readonly closed: boolean;
}

/** Holds the current loop, or none: the innermost that runs, else the one that was marked. */
export class CurrentSlot<L extends Closable> {
  #marked: L | null = null;
  /** The loops that run, once more for a turn; the innermost is the last. */
  readonly #entered: L[] = [];

  /** The current loop. A closed one is none. */
  get loop(): L | null {
    if (this.#marked?.closed === true) this.#marked = null;
    return this.#entered.at(-1) ?? this.#marked;
  }

  /** Marks a loop, or clears the slot, whichever loops run. */
  set loop(loop: L | null) {
    this.#marked = loop;
    this.#entered.length = 0;
  }

  /** Makes `loop` current for a while. */
  enter(loop: L): void {
    this.#entered.push(loop);
  }

  /** Ends the while; somebody may have chosen another loop in it, which stays. */
  leave(loop: L): void {
    if (this.#entered.at(-1) === loop) {
      this.#entered.pop();
      return;
    }
    const at = this.#entered.lastIndexOf(loop);
    if (at !== -1) this.#entered.splice(at, 1);
  }
}
