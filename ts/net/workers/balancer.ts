/** Which worker gets the next connection. */

/** A worker that takes connections. */
export interface Candidate {
  /** Its open connections, those that are on their way to it included. */
  readonly load: number;
  /** Whether it takes no more at the moment. */
  readonly isFull: boolean;
}

/** Chooses among workers; `null` if all are full. */
export type Balancer<C extends Candidate> = (candidates: readonly C[]) => C | null;

/** In turn, without those that are full. */
export function roundRobin<C extends Candidate>(): Balancer<C> {
  let next = 0;
  return (candidates) => {
    for (let step = 0; step < candidates.length; step += 1) {
      const at = (next + step) % candidates.length;
      const candidate = candidates[at] as C;
      if (candidate.isFull) continue;
      next = at + 1;
      return candidate;
    }
    return null;
  };
}

/** The one with the lowest load; in turn among several. */
export function leastConnections<C extends Candidate>(): Balancer<C> {
  const inTurn = roundRobin<C>();
  return (candidates) => {
    let lowest = Infinity;
    for (const { load, isFull } of candidates) if (!isFull && load < lowest) lowest = load;
    return inTurn(candidates.filter(({ load, isFull }) => !isFull && load === lowest));
  };
}
