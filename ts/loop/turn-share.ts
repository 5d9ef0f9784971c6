/**
 * A budget of a turn that its users share: as many as in the turn before, whose number is known. A lone
 * user gets all of it, and many do not make a long turn.
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
