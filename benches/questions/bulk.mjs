// How many bytes does a second of CPU move, in messages of some KiB up to a MiB?
import { atLeast, column, compare } from '../lib/compare.mjs';
import { measureServer } from '../lib/servers.mjs';
import { median } from '../lib/statistics.mjs';

/** @typedef {import('../lib/run.mjs').Options} Options */
/** @typedef {import('../lib/run.mjs').Question} Question */

const KIB = 1024;
const PEERS = ['bulk streams', 'handlers', 'node:net', 'bare epoll'];
/** What large messages have to reach; small ones are asked for in `echo`. */
const TARGETS = { 'node:net': atLeast(4, 1), 'bare epoll': atLeast(4, 0.9) };

/** @param {Options} options @returns {Question} */
export function bulk({ quick, seconds }) {
  const loads = quick
    ? [{ size: 64 * KIB, counts: [50] }]
    : [
        { size: 4 * KIB, counts: [50, 1000] },
        { size: 64 * KIB, counts: [1, 50, 1000] },
        // A thousand of them under way would be a gigabyte in the generator.
        { size: 1024 * KIB, counts: [1, 50] },
      ];
  const cases = loads.flatMap(({ size, counts }) =>
    counts.map((connections) => ({ size, connections, key: title(size, connections) })),
  );
  return {
    name: 'bulk',
    cases: cases.map(({ size, connections, key }) => ({
      key,
      peers: PEERS,
      measure: (peer) => measure(peer, connections, size, seconds),
    })),
    rows: (samples) =>
      cases.flatMap(({ size, key }) =>
        ['bulk streams', 'handlers'].flatMap((ours) =>
          Object.entries(TARGETS).flatMap(([against, target]) =>
            compare(samples.get(key), {
              name: `${key}, ${ours.replace('bulk ', '')}: in a second of CPU`,
              unit: 'MB',
              ours,
              against,
              value: 'megabytes',
              target: size < 64 * KIB || ours === 'handlers' ? undefined : target,
            }),
          ),
        ),
      ),
    plots: (samples) => [
      {
        id: 'bulk',
        title: 'Megabytes echoed in a second of CPU, by size and connections',
        kind: 'line',
        unit: 'MB',
        axis: 'KiB × connections',
        categories: cases.map(({ size, connections }) => `${size / KIB} × ${connections}`),
        series: PEERS.map((peer) => ({
          name: peer,
          data: cases.map(({ key }) => median(column(samples.get(key), peer, 'megabytes'))),
        })),
      },
    ],
  };
}

/** @param {number} size @param {number} count */
function title(size, count) {
  return `echo ${size / KIB} KiB, ${count} connection${count === 1 ? '' : 's'}`;
}

/** @param {string} peer @param {number} connections @param {number} size @param {number} seconds */
async function measure(peer, connections, size, seconds) {
  const result = await measureServer(peer, { connections, size }, seconds);
  return { ...result, megabytes: size / result.cpu };
}
