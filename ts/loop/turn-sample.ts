/**
 * The turns of a loop that are measured: all, unless they are so short that a measurement is more than
 * half a percent of them. Then it is one of several, and stands for them.
 *
 * A block is `weight` turns in a row, of which a random one is measured. The size of a block is chosen
 * before it begins, by the turns that were measured until then: whatever a turn takes, its expected
 * weight is 1, so that counts, sums and the shares of a distribution are unbiased. A fixed stride would
 * not do: programs whose turns alternate are common.
 */
import { monotonic } from '../support/host.js';

/** A measurement, which is two readings of the clock and a record, takes as long as three readings. */
const READINGS = 3;
/** Of a turn, at most, that its measurement may take. */
const SHARE = 0.005;
/** The largest block. */
const MOST = 32;
/** Of the moving average: the last measured turn counts one in so many. */
const INERTIA = 8;
/** Averages that it counts at most: a turn that has lost its CPU is no reason to measure more. */
const MOST_MEANS = 4;
/** Nanoseconds. At first all turns are measured. */
const FIRST_MEAN = 1e6;
/** Pairs of readings, of which the shortest is the cost of one. */
const PAIRS = 256;

/** Decides turn by turn. */
export class TurnSample {
  /** Turns that the next measured one stands for, itself included. */
  weight = 1;
  /** Turns to pass over before the next measured one. */
  #left = 0;
  /** Turns of the block after the measured one. */
  #rest = 0;
  /** Of the measured turns, lately; nanoseconds. */
  #mean = FIRST_MEAN;
  /** The shortest turn that is always measured; nanoseconds. */
  readonly #shortest: number;
  /** Of a generator of random numbers (xorshift), which is not 0. */
  #seed = 0x9e3779b9 | 0;

  /** `reading` is the nanoseconds that a reading of the clock takes. */
  constructor(reading = readingTime()) {
    this.#shortest = (READINGS * reading) / SHARE;
  }

  /** A turn begins. Whether it is passed over; if not, {@link measured} has to follow. */
  passes(): boolean {
    if (this.#left === 0) return false;
    this.#left -= 1;
    return true;
  }

  /** The turn that was not passed over has taken so many nanoseconds. */
  measured(duration: number): void {
    // Of turns that take no time it would not grow again.
    const mean = Math.max(this.#mean, 1);
    this.#mean = mean + (Math.min(duration, MOST_MEANS * mean) - mean) / INERTIA;
    if (this.#mean >= this.#shortest) {
      // The rest of the block before is passed over, for which its measured turn stands.
      this.weight = 1;
      this.#left = this.#rest;
      this.#rest = 0;
      return;
    }
    this.weight = Math.min(MOST, Math.ceil(this.#shortest / this.#mean));
    const before = this.#random() % this.weight;
    this.#left = this.#rest + before;
    this.#rest = this.weight - 1 - before;
  }

  #random(): number {
    let seed = this.#seed;
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    this.#seed = seed;
    return seed >>> 0;
  }
}

/** Nanoseconds; 0 where the clock is coarse, so that all turns are measured. */
function readingTime(): number {
  let shortest = Number.POSITIVE_INFINITY;
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const start = monotonic();
    shortest = Math.min(shortest, monotonic() - start);
  }
  return 1e6 * shortest;
}
