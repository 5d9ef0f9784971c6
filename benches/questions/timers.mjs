// How much does a timer cost, in time and in memory, beside how many others? And when it fires?
import { atLeast, atMost, column, compare, compareColumns, figure } from '../lib/compare.mjs';
import { runProgram } from '../lib/run.mjs';
import { median } from '../lib/statistics.mjs';

/** @typedef {import('../lib/run.mjs').Case} Case */
/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */

const THOUSAND = 1_000;
const MILLION = 1_000_000;
/** Ten million timers of the others need more memory than a heap of theirs may have. */
const ROOMY = new Set(['ioloop', 'tokio']);
const POWERS = ['10³', '10⁴', '10⁵', '10⁶', '10⁷'];

/** Beside many others. @param {Options} options @returns {Question} */
export function timers({ quick, runtimes }) {
  const counts = quick ? [MILLION] : POWERS.map((_, at) => THOUSAND * 10 ** at);
  const spreads = quick ? [] : ['equal', 'far'];
  return {
    name: 'timers',
    cases: [
      ...counts.map((count) => ({
        key: beside(count),
        peers: runtimes.filter((name) => count <= MILLION || ROOMY.has(name)),
        measure: (/** @type {string} */ name) =>
          runProgram(name, 'timers', ['pending', count, 'random']),
      })),
      ...spreads.map((deadlines) => ({
        key: deadlines,
        peers: runtimes,
        measure: (/** @type {string} */ name) =>
          runProgram(name, 'timers', ['pending', MILLION, deadlines]),
      })),
    ],
    rows: (samples) => {
      const found = samples.get(beside(MILLION));
      const look = { unit: 'ns', ours: 'ioloop', less: true };
      const growth = (/** @type {number} */ count) =>
        column(samples.get(beside(count)), 'ioloop', 'atOnce');
      return [
        ...['node', 'Bun'].flatMap((against) =>
          compare(found, {
            ...look,
            name: 'timers: schedule 10⁶, then cancel all, each',
            against,
            value: 'all',
            target: against === 'node' ? atLeast(7, 10) : atLeast(7, 1.5),
          }),
        ),
        ...['node', 'Bun'].flatMap((against) =>
          compare(found, {
            ...look,
            name: 'timers: schedule and cancel at once beside 10⁶',
            against,
            value: 'atOnce',
            target: against === 'node' ? atLeast(8, 5) : undefined,
          }),
        ),
        ...compareColumns(growth(10 * MILLION), growth(THOUSAND), {
          ...look,
          name: 'timers: the same beside 10⁷',
          against: 'beside 10³',
          target: atLeast(8, 0.67),
        }),
        ...compare(found, {
          ...look,
          name: 'timers: put off (refresh) beside 10⁶',
          against: 'node',
          value: 'move',
        }),
        ...spreads.flatMap((deadlines) =>
          compare(samples.get(deadlines), {
            ...look,
            name: `timers: schedule 10⁶, then cancel all, ${deadlines === 'equal' ? 'at one deadline' : 'in days'}`,
            against: 'node',
            value: 'all',
          }),
        ),
        ...figure(column(found, 'ioloop', 'bytes'), {
          name: 'timers: resident memory, each of 10⁶',
          unit: 'B',
          target: atMost(12, 64),
        }),
      ];
    },
    plots: (samples) => [
      ...(quick ? [] : [growthPlot(samples, runtimes, counts)]),
      {
        id: 'memory-timer',
        title: 'Resident memory of a pending timer, of 10⁶, without its callback',
        kind: 'bar',
        unit: 'B',
        categories: [...runtimes],
        series: [
          {
            name: 'memory',
            data: runtimes.map((name) =>
              median(column(samples.get(beside(MILLION)), name, 'bytes')),
            ),
          },
        ],
      },
    ],
  };
}

/**
 * @param {Map<string, import('../lib/run.mjs').Samples>} samples
 * @param {readonly string[]} runtimes @param {readonly number[]} counts
 * @returns {import('../report/plots.mjs').Plot}
 */
function growthPlot(samples, runtimes, counts) {
  return {
    id: 'timers',
    title: 'Schedule and cancel a timer at once, by timers pending',
    kind: 'line',
    unit: 'ns',
    logarithmic: true,
    axis: 'pending',
    categories: POWERS,
    series: runtimes.map((name) => ({
      name,
      data: counts.map((count) => median(column(samples.get(beside(count)), name, 'atOnce'))),
    })),
  };
}

/** All of them within 50 ms. @param {Options} options @returns {Question} */
export function fire({ quick, runtimes }) {
  const counts = quick ? [200_000] : [10_000, 200_000];
  const key = (/** @type {number} */ count) =>
    `${count.toLocaleString('en-US')} timers fire within 50 ms`;
  return {
    name: 'fire',
    cases: counts.map((count) => ({
      key: key(count),
      peers: runtimes,
      measure: (name) => runProgram(name, 'timers', ['fire', count]),
    })),
    rows: (samples) =>
      counts.flatMap((count) => {
        const isAsked = count === 200_000;
        const look = { ours: 'ioloop', against: 'node', less: true };
        return [
          ...compare(samples.get(key(count)), {
            ...look,
            name: `${key(count)}: CPU of one`,
            unit: 'µs',
            value: 'cpu',
            target: isAsked ? atLeast(9, 4) : undefined,
          }),
          ...compare(samples.get(key(count)), {
            ...look,
            name: `${key(count)}: p99 of how late`,
            unit: 'ms',
            value: 'late99',
            target: isAsked ? atLeast(9, 1) : undefined,
          }),
        ];
      }),
    plots: (samples) => [
      {
        id: 'timers-late',
        title: 'How late timers fire, 200,000 of them within 50 ms',
        kind: 'bar',
        unit: 'ms',
        stacked: false,
        categories: [...runtimes],
        series: [
          ['half of them at most', 'late50'],
          ['99 % of them at most', 'late99'],
        ].map(([name = '', value = '']) => ({
          name,
          data: runtimes.map((peer) => median(column(samples.get(key(200_000)), peer, value))),
        })),
      },
    ],
  };
}

/** @param {number} count */
function beside(count) {
  return `timers beside ${count.toLocaleString('en-US')}`;
}
