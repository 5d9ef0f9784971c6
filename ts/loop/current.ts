/**
 * The current loop of this JavaScript thread. Each worker has its own copy of this module, so its
 * own current loop. The class is generic, so that `ioloop.ts` can import it.
 */

interface Closable {
  readonly closed: boolean;
}

/** The current loop: the innermost running loop, else the marked one. */
export class CurrentSlot<L extends Closable> {
  #marked: L | null = null;
  /** Running loops, innermost last. A loop is entered by `start()` and again by each turn. */
  readonly #entered: L[] = [];

  /** The current loop, or `null`. A closed loop is not current. */
  get loop(): L | null {
    if (this.#marked?.closed === true) this.#marked = null;
    return this.#entered.at(-1) ?? this.#marked;
  }

  /** Marks a loop, or with `null` clears the slot; also while loops run. */
  set loop(loop: L | null) {
    this.#marked = loop;
    this.#entered.length = 0;
  }

  /** Makes `loop` current until {@link leave}. */
  enter(loop: L): void {
    this.#entered.push(loop);
  }

  /** Restores the previous loop, unless user code has set another one meanwhile. */
  leave(loop: L): void {
    if (this.#entered.at(-1) === loop) {
      this.#entered.pop();
    } else {
      this.#leaveOuter(loop);
    }
  }

  /** Apart, so that the compiler inlines {@link leave} into a turn. */
  #leaveOuter(loop: L): void {
    const at = this.#entered.lastIndexOf(loop);
    if (at !== -1) this.#entered.splice(at, 1);
  }
}
