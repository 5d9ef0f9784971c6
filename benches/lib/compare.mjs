// From samples of two peers to a row of the table.
import { median, pairedRatio } from './statistics.mjs';

/**
 * One value of a peer's samples, in their order.
 * @param {Map<string, Record<string, number>[]>} samples @param {string} peer @param {string} name
 */
export function column(samples, peer, name) {
  return (samples.get(peer) ?? []).map((sample) => sample[name] ?? Number.NaN);
}

/**
 * How much better we are: above 1 is better, whether more or less of it is.
 * @param {string} name @param {string} unit
 * @param {{ ours: number[], peer: [string, number[]], less?: boolean, target?: number }} options
 */
export function compare(name, unit, { ours, peer: [peerName, peer], less = false, target }) {
  return {
    name: `${name} (against ${peerName})`,
    unit,
    ioloop: median(ours),
    peer: median(peer),
    ratio: less ? pairedRatio(peer, ours) : pairedRatio(ours, peer),
    ...(target === undefined ? {} : { target: { atLeast: target } }),
  };
}
