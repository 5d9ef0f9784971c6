/**
 * A budget of each turn, shared by its users: it is divided by their number in the turn before, or in
 * this one, once that is larger. So a lone user gets all of it, and many do not make a long turn.
 */
export class TurnShare {
  /** Users of this turn, so far. */
  #users = 0;
  #usersBefore = 0;

  /** A turn begins. */
  nextTurn(): void {
    this.#usersBefore = this.#users;
    this.#users = 0;
  }

  /** The share of one more user of this turn. Never less than `least`, which may exceed the budget. */
  take(budget: number, least: number): number {
    this.#users += 1;
    return Math.max(least, Math.floor(budget / Math.max(this.#users, this.#usersBefore)));
  }
}
