// The targets of the project. A row of a question names the target that it belongs to by its number;
// targets without one are further ones.

/**
 * `times`: ours is at least that many times better than the peer's. `share`: ours is at most that
 * share of the peer's. `own`: ours is at most that much, whatever the peer's is.
 * @typedef {{ kind: 'times' | 'share' | 'own', bound: number, number: number | null }} Target
 */

/** By number: the workload. The table of a run has them all, also those that it has not measured. */
export const TARGETS = new Map([
  [1, 'echo 64 B, protocol: user CPU a message'],
  [2, 'echo 64 B, protocol: messages a second'],
  [3, 'echo 64 B, streams: user CPU a message, on Node 20 and on Node 24'],
  [4, 'memory of an idle connection'],
  [5, 'connections that come and go, protocol'],
  [6, '16 lines or commands a packet, protocol'],
  [7, 'node:http on streams'],
  [8, 'deadlines in bulk, beside 10⁶'],
  [9, 'timers'],
  [10, 'proxy by pump()'],
  [11, 'echo 64 KiB, 1,000 connections, protocol'],
  [12, 'one connection: p50 latency'],
]);

/** @param {number} bound @param {number | null} [number] @returns {Target} */
export function timesBetter(bound, number = null) {
  return { kind: 'times', bound, number };
}

/** @param {number} bound @param {number | null} [number] @returns {Target} */
export function shareOfPeer(bound, number = null) {
  return { kind: 'share', bound, number };
}

/** @param {number} bound @param {number | null} [number] @returns {Target} */
export function atMost(bound, number = null) {
  return { kind: 'own', bound, number };
}
