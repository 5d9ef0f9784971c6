/**
 * Distributions of durations, in the layout of HdrHistogram: an octave, the values from one power of
 * two to the next, has 128 buckets of the same width.
 *
 * Each turn of a loop records in one. A record of a histogram of `node:perf_hooks` is a call of C++,
 * which costs five times as much; {@link HistogramSummary.toHistogram} makes one on request.
 */
import perfHooks, { type RecordableHistogram } from 'node:perf_hooks';
import { checkPercent, checkSeconds } from './checks.js';

/** Binary logarithm of the buckets of an octave. */
const BITS = 7;
/** A duration beyond 32 bits is in the bucket of its upper bits, so many octaves higher. */
const HIGH = 16;
/** Nanoseconds, 73 minutes. Longer durations are in the last bucket. */
const LARGEST = 2 ** 42 - 1;
const SIZE = bucketOf(LARGEST) + 1;
/** Of a second. */
const NANOSECONDS = 1e9;

/** After the buckets: the sum, the shortest and the longest duration. */
const SUM = SIZE;
const MIN = SIZE + 1;
const MAX = SIZE + 2;

/** Records durations. */
export class DurationHistogram {
  /** Doubles, as 2^32 turns can be an hour. All in one array: a property would be a box on the heap. */
  readonly #words = new Float64Array(SIZE + 3);

  constructor() {
    this.#words[MIN] = Number.POSITIVE_INFINITY;
  }

  /** The sum of the durations, in nanoseconds. */
  get sum(): number {
    return this.#words[SUM] as number;
  }

  /** Takes a duration in nanoseconds, 0 or more, that stands for `weight` durations. */
  record(duration: number, weight: number): void {
    const words = this.#words;
    (words[bucketOf(Math.min(duration, LARGEST))] as number) += weight;
    (words[SUM] as number) += weight * duration;
    if (duration < (words[MIN] as number)) words[MIN] = duration;
    if (duration > (words[MAX] as number)) words[MAX] = duration;
  }

  /** What was recorded until now. */
  summary(): HistogramSummary {
    const [sum = 0, min = 0, max = 0] = this.#words.subarray(SUM);
    return new HistogramSummary(this.#words.slice(0, SIZE), min, max, sum);
  }
}

/**
 * A distribution of times until the call of `metrics()`. All numbers but `count` are in seconds; 0
 * while `count` is 0. `count`, `sum`, `min`, `max` and `mean` are those of the recorded times; `stddev`
 * and percentiles are within 0.4 % of them.
 *
 * The numbers are own properties: they cross threads (structured clone) and become JSON.
 */
export class HistogramSummary {
  /** The number of recorded times. */
  readonly count: number;
  /** The sum of the recorded times. */
  readonly sum: number;
  /** The shortest time. */
  readonly min: number;
  /** The longest time. */
  readonly max: number;
  /** The arithmetic mean. */
  readonly mean: number;
  /** The standard deviation. */
  readonly stddev: number;
  /** The median. */
  readonly p50: number;
  /** The 90th percentile. */
  readonly p90: number;
  /** The 99th percentile. */
  readonly p99: number;
  /** The 99.9th percentile. */
  readonly p999: number;

  readonly #counts: Float64Array;

  /** @internal `counts` is owned by this object from now on. The others are in nanoseconds. */
  constructor(counts: Float64Array, min: number, max: number, sum: number) {
    this.#counts = counts;
    this.count = counts.reduce((total, count) => total + count, 0);
    const isEmpty = this.count === 0;
    this.sum = sum / NANOSECONDS;
    this.min = isEmpty ? 0 : min / NANOSECONDS;
    this.max = max / NANOSECONDS;
    this.mean = isEmpty ? 0 : this.sum / this.count;
    this.stddev = this.#deviation();
    this.p50 = this.percentile(50);
    this.p90 = this.percentile(90);
    this.p99 = this.percentile(99);
    this.p999 = this.percentile(99.9);
    Object.freeze(this);
  }

  /**
   * The time that `percent` of the recorded times do not exceed, in seconds.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` unless `percent` is above 0 and at most 100.
   */
  percentile(percent: number): number {
    checkPercent('percent', percent);
    const rank = Math.max(1, Math.ceil((percent * this.count) / 100));
    let passed = 0;
    const bucket = this.#counts.findIndex((count) => (passed += count) >= rank);
    return bucket < 0 ? 0 : this.#timeOf(bucket);
  }

  /**
   * The number of recorded times of at most `seconds`, as in a bucket of Prometheus: without those
   * that are less than 0.8 % below it.
   *
   * @throws `ERR_INVALID_ARG_TYPE`.
   */
  countUntil(seconds: number): number {
    checkSeconds('seconds', seconds);
    if (seconds >= this.max) return this.count;
    // The bucket of `seconds` has longer times as well.
    const end = seconds <= 0 ? 0 : bucketOf(Math.min(seconds * NANOSECONDS, LARGEST));
    return this.#counts.subarray(0, end).reduce((total, count) => total + count, 0);
  }

  /**
   * The same distribution as a histogram of `node:perf_hooks`, in nanoseconds from 1 on. It takes
   * some milliseconds.
   */
  toHistogram(): RecordableHistogram {
    let histogram = emptyHistogram();
    if (this.count === 0) return histogram;
    const counts = this.#withoutExtremes();
    const largest = counts.reduce((one, other) => Math.max(one, other), 0);
    // A histogram of Node takes one value at a time, and can be added to another: by the bits of the
    // counts, the highest first, each time doubled.
    for (let bit = Math.floor(Math.log2(Math.max(largest, 1))); bit >= 0; bit -= 1) {
      const doubled = emptyHistogram();
      doubled.add(histogram);
      doubled.add(histogram);
      for (const [bucket, count] of counts.entries()) {
        if (Math.floor(count / 2 ** bit) % 2 === 1) doubled.record(recordable(middleOf(bucket)));
      }
      histogram = doubled;
    }
    histogram.record(recordable(this.min * NANOSECONDS));
    if (this.count > 1) histogram.record(recordable(this.max * NANOSECONDS));
    return histogram;
  }

  /** The counts without one shortest and one longest time, which are known exactly. */
  #withoutExtremes(): Float64Array {
    const counts = this.#counts.slice();
    (counts[counts.findIndex((count) => count > 0)] as number) -= 1;
    const last = counts.findLastIndex((count) => count > 0);
    if (last >= 0) (counts[last] as number) -= 1;
    return counts;
  }

  #deviation(): number {
    if (this.count === 0) return 0;
    const squares = this.#counts.reduce(
      (sum, count, bucket) =>
        count === 0 ? sum : sum + count * (this.#timeOf(bucket) - this.mean) ** 2,
      0,
    );
    return Math.sqrt(squares / this.count);
  }

  /** The time that stands for those of a bucket, in seconds. */
  #timeOf(bucket: number): number {
    return Math.min(Math.max(middleOf(bucket) / NANOSECONDS, this.min), this.max);
  }
}

/** The bucket of a duration in nanoseconds, at most {@link LARGEST}. */
function bucketOf(duration: number): number {
  // Bits are those of 32-bit integers. Values below the first octave have buckets of their own.
  if (duration < 2 ** 31) {
    const value = duration | 0;
    const shift = 31 - BITS - Math.clz32(value | (1 << BITS));
    return (shift << BITS) + (value >> shift);
  }
  return (HIGH << BITS) + bucketOf(duration / 2 ** HIGH);
}

/** The middle of a bucket, in nanoseconds. */
function middleOf(bucket: number): number {
  const shift = Math.max((bucket >> BITS) - 1, 0);
  return (bucket - (shift << BITS) + 0.5) * 2 ** shift;
}

function emptyHistogram(): RecordableHistogram {
  return perfHooks.createHistogram({ lowest: 1, highest: LARGEST, figures: 3 });
}

/** A value that a histogram of Node takes. */
function recordable(nanoseconds: number): number {
  return Math.min(Math.max(Math.round(nanoseconds), 1), LARGEST);
}
