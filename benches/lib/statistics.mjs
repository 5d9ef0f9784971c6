// Medians, and ratios of what was measured in the same repetition.

/** @param {number[]} values */
export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * Median, least and greatest of the ratios a[i] / b[i]: paired, so that a slow moment of the
 * machine, which hits both, cancels out.
 * @param {number[]} a @param {number[]} b
 */
export function pairedRatio(a, b) {
  const ratios = a.map((value, index) => value / b[index]);
  return { median: median(ratios), min: Math.min(...ratios), max: Math.max(...ratios) };
}
