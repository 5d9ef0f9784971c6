// The time and memory of a timer beside many others; CPU and lateness of many that fire at once.
import { byPeer } from '../lib/question.mjs';
import { runProgram } from '../lib/run.mjs';
import { atMost, timesBetter } from '../lib/targets.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/question.mjs').Question} Question */

const THOUSAND = 1_000;
const MILLION = 1_000_000;
/** Runtimes whose heap has room for ten million timers. */
const ROOMY = new Set(['ioloop', 'tokio']);
const POWERS = ['10³', '10⁴', '10⁵', '10⁶', '10⁷'];
const SPREADS = { equal: 'at one deadline', far: 'in days' };

/** Beside many others. @param {Options} options @returns {Question} */
export function timers({ quick, runtimes }) {
  const counts = quick ? [MILLION] : POWERS.map((_, at) => THOUSAND * 10 ** at);
  const spreads = quick ? [] : Object.entries(SPREADS);
  const ours = { of: beside(MILLION), peer: 'ioloop', unit: 'ns', less: true };
  const runtime =
    (/** @type {readonly (string | number)[]} */ args) => (/** @type {string} */ name) =>
      runProgram(name, 'timers', ['pending', ...args]);
  return {
    name: 'timers',
    cases: [
      ...counts.map((count) => ({
        key: beside(count),
        peers: runtimes.filter((name) => count <= MILLION || ROOMY.has(name)),
        measure: runtime([count, 'random']),
      })),
      ...spreads.map(([key]) => ({ key, peers: runtimes, measure: runtime([MILLION, key]) })),
    ],
    rows: [
      {
        ...ours,
        name: 'timers: schedule 10⁶, then cancel all, each',
        value: 'all',
        against: ['node', 'Bun'],
        targets: { node: timesBetter(8, 9), Bun: timesBetter(1.2, 9) },
      },
      {
        ...ours,
        name: 'timers: schedule and cancel at once beside 10⁶',
        value: 'atOnce',
        against: ['node', 'Bun'],
        targets: { node: timesBetter(5) },
      },
      {
        ...ours,
        of: beside(10 * MILLION),
        name: 'timers: the same beside 10⁷',
        value: 'atOnce',
        against: { 'beside 10³': { of: beside(THOUSAND) } },
        targets: { 'beside 10³': timesBetter(0.67) },
      },
      {
        ...ours,
        name: 'timers: put off (refresh) beside 10⁶',
        value: 'move',
        against: ['node'],
      },
      ...spreads.map(([of, deadlines]) => ({
        ...ours,
        of,
        name: `timers: schedule 10⁶, then cancel all, ${deadlines}`,
        value: 'all',
        against: ['node'],
      })),
      {
        of: beside(MILLION),
        peer: 'ioloop',
        value: 'bytes',
        name: 'timers: resident memory, each of 10⁶',
        unit: 'B',
        target: atMost(64),
      },
    ],
    plots: [
      ...(quick ? [] : [growthPlot(runtimes, counts)]),
      {
        id: 'timers-cancelled',
        title: 'Schedule 10⁶ timers, then cancel all: each',
        kind: 'bar',
        unit: 'ns',
        best: 'least',
        of: beside(MILLION),
        categories: byPeer(runtimes),
        series: [['each', { value: 'all' }]],
      },
      {
        id: 'memory-timer',
        title: 'Resident memory of a pending timer, of 10⁶, without its callback',
        kind: 'bar',
        unit: 'B',
        best: 'least',
        of: beside(MILLION),
        categories: byPeer(runtimes),
        series: [['memory', { value: 'bytes' }]],
      },
    ],
  };
}

/**
 * @param {readonly string[]} runtimes @param {readonly number[]} counts
 * @returns {import('../lib/question.mjs').PlotSpec}
 */
function growthPlot(runtimes, counts) {
  return {
    id: 'timers',
    title: 'Schedule and cancel a timer at once, by timers pending',
    kind: 'line',
    unit: 'ns',
    logarithmic: true,
    axis: 'pending',
    value: 'atOnce',
    categories: counts.map((count, at) => [POWERS[at] ?? '', { of: beside(count) }]),
    series: byPeer(runtimes),
  };
}

/** All within 50 ms. @param {Options} options @returns {Question} */
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
    rows: counts.flatMap((count) => {
      const ours = { of: key(count), peer: 'ioloop', less: true, against: ['node', 'Bun'] };
      const targets = (/** @type {import('../lib/targets.mjs').Target} */ target) =>
        count === 200_000 ? { targets: { node: target } } : {};
      return [
        {
          ...ours,
          name: `${key(count)}: CPU of one`,
          unit: 'µs',
          value: 'cpu',
          ...targets(timesBetter(3, 9)),
        },
        {
          ...ours,
          name: `${key(count)}: p99 of how late`,
          unit: 'ms',
          value: 'late99',
          ...targets(timesBetter(1)),
        },
      ];
    }),
    plots: [
      {
        id: 'timers-late',
        title: 'How late timers fire, 200,000 of them within 50 ms',
        kind: 'bar',
        unit: 'ms',
        best: 'least',
        of: key(200_000),
        categories: byPeer(runtimes),
        series: [
          ['half of them at most', { value: 'late50' }],
          ['99 % of them at most', { value: 'late99' }],
        ],
      },
    ],
  };
}

/** @param {number} count */
function beside(count) {
  return `timers beside ${count.toLocaleString('en-US')}`;
}
