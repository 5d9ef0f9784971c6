// The table of results.

const format = new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 });

/** @param {number | undefined} value @param {string} unit */
function cell(value, unit) {
  return value === undefined ? '–' : `${format.format(value)}${unit === '' ? '' : ` ${unit}`}`;
}

/** The head of the table. */
export function head() {
  const titles = ['question'.padEnd(48), 'ioloop'.padStart(12), 'peer'.padStart(12)];
  return [...titles, 'ratio (min–max)'.padStart(22), '  target'].join(' ');
}

/** One row; the ratio is above 1 where ioloop is better. */
export function line({ name, unit, ioloop, peer, ratio, target }) {
  const shown = ratio
    ? `${ratio.median.toFixed(2)} (${ratio.min.toFixed(2)}–${ratio.max.toFixed(2)})`
    : '–';
  const cells = [name.padEnd(48), cell(ioloop, unit).padStart(12), cell(peer, unit).padStart(12)];
  return [...cells, shown.padStart(22), `  ${verdict({ ioloop, ratio, target })}`].join(' ');
}

function verdict({ ioloop, ratio, target }) {
  if (target === undefined) return '';
  if (target.atLeast !== undefined) {
    return `≥ ${target.atLeast} ${ratio.median >= target.atLeast ? 'met' : 'MISSED'}`;
  }
  return `≤ ${target.ioloopAtMost} ${ioloop <= target.ioloopAtMost ? 'met' : 'MISSED'}`;
}
