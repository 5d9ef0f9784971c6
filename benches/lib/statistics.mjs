// Medians with their spread, and ratios of runs of the same repetition.

/** @typedef {{ median: number, min: number, max: number }} Spread */

/** @param {readonly number[]} values @returns {Spread} */
export function spread(values) {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/**
 * The ratios a[i] / b[i]. Paired: a slow moment of the machine hits both and cancels out. A run that
 * was interrupted may have a repetition more of one of them.
 * @param {readonly number[]} a @param {readonly number[]} b
 */
export function pairedRatio(a, b) {
  const pairs = a.slice(0, b.length);
  return spread(pairs.map((value, index) => value / (b[index] ?? Number.NaN)));
}
