// Prepares the peers of the questions. Names those that are left out.
import { ASK_RUNTIMES, ASK_SERVERS } from '../questions/index.mjs';
import { ECHO_PEERS, prepare, programOf, RUNTIMES, WATCHERS } from './peers.mjs';

/** Peers that are always measured. */
const ALWAYS = new Set(['streams', 'handlers', 'node:net', 'bare epoll', 'ioloop', 'node']);

/** Peers that can be named on the command line. */
export const PEERS = [...new Set([...ECHO_PEERS, ...RUNTIMES])];

/**
 * Builds and fetches only peers that are measured.
 * @param {readonly string[]} names Of the questions. @param {readonly string[]} wanted
 */
export function getReady(names, wanted) {
  const isWanted = (/** @type {readonly string[]} */ askers) => {
    const isAsked = names.some((name) => askers.includes(name));
    return (/** @type {string} */ peer) => ALWAYS.has(peer) || (isAsked && wanted.includes(peer));
  };
  const servers = prepare(ECHO_PEERS.filter(isWanted(ASK_SERVERS)));
  const runtimes = prepare(RUNTIMES.filter(isWanted(ASK_RUNTIMES)), (name) => {
    programOf(name, 'timers');
    programOf(name, 'callbacks');
  });
  const watchers = prepare(names.includes('readiness') ? WATCHERS : [], programOf);
  return {
    peers: servers.ready,
    runtimes: runtimes.ready,
    watchers: watchers.ready,
    missing: Object.fromEntries([...servers.missing, ...runtimes.missing, ...watchers.missing]),
  };
}
