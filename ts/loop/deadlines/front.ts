/** The front of a {@link DeadlineWheel}: entries of the tick at the cursor and before, in exact order. */

/** A binary heap of handles by (deadline, setting). */
export class Front {
  /** The deadlines as they were when the entries came. An entry may have been put off since. */
  #times: number[] = [];
  #handles: number[] = [];

  get length(): number {
    return this.#times.length;
  }

  /** The earliest deadline; `Infinity` if there is none. */
  get time(): number {
    return this.#times.length === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  push(time: number, handle: number): void {
    this.#times.push(time);
    this.#handles.push(handle);
    this.#rise(this.#times.length - 1, time, handle);
  }

  /** Removes the earliest. The front must not be empty. */
  pop(): number {
    const first = this.#handles[0] as number;
    const time = this.#times.pop() as number;
    const handle = this.#handles.pop() as number;
    if (this.#times.length > 0) this.#sink(0, time, handle);
    return first;
  }

  /** Keeps the handles for which `isLive` holds. */
  filter(isLive: (handle: number) => boolean): void {
    const times = this.#times;
    const handles = this.#handles;
    this.clear();
    for (let at = 0; at < times.length; at += 1) {
      if (isLive(handles[at] as number)) this.push(times[at] as number, handles[at] as number);
    }
  }

  clear(): void {
    this.#times = [];
    this.#handles = [];
  }

  #rise(from: number, time: number, handle: number): void {
    const times = this.#times;
    const handles = this.#handles;
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = times[above] as number;
      if (other < time || (other === time && (handles[above] as number) < handle)) break;
      times[at] = other;
      handles[at] = handles[above] as number;
      at = above;
    }
    times[at] = time;
    handles[at] = handle;
  }

  #sink(from: number, time: number, handle: number): void {
    const times = this.#times;
    const handles = this.#handles;
    const { length } = times;
    let at = from;
    for (let below = 2 * at + 1; below < length; below = 2 * at + 1) {
      if (below + 1 < length && this.#isBefore(below + 1, below)) below += 1;
      const other = times[below] as number;
      if (time < other || (time === other && handle < (handles[below] as number))) break;
      times[at] = other;
      handles[at] = handles[below] as number;
      at = below;
    }
    times[at] = time;
    handles[at] = handle;
  }

  #isBefore(one: number, other: number): boolean {
    const times = this.#times;
    const difference = (times[one] as number) - (times[other] as number);
    if (difference !== 0) return difference < 0;
    return (this.#handles[one] as number) < (this.#handles[other] as number);
  }
}
