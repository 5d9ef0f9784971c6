// The short of a report, which the README has: servers of small messages side by side, the other
// workloads with the plain program and the strongest peer, and the plots.
import { medianOf } from '../lib/question.mjs';
import { cell, markdown } from '../lib/table.mjs';

/** @typedef {import('../lib/measure.mjs').Answer} Answer */
/** @typedef {import('../lib/compare.mjs').Row} Row */

/** The columns of the servers: their title, and the peer. */
const SERVERS = [
  ['ioloop protocol', 'protocol'],
  ['ioloop streams', 'streams'],
  ['ioloop handlers', 'handlers'],
  ['Bun.listen', 'Bun.listen'],
  ['`node:net`', 'node:net'],
  ['C, bare epoll', 'bare epoll'],
];
/** Where a server of another program does the work. @type {Record<string, Record<string, string>>} */
const OTHERS = { bulk: { streams: 'bulk streams' } };

/**
 * The rows of the servers: title, question, case, value, unit.
 * @type {readonly (readonly [string, string, string, string, string])[]}
 */
const SERVER_ROWS = [
  ['user CPU of an echo, 50 connections', 'echo', 'echo 64 B, 50 connections', 'user', 'µs'],
  ['the same, 1,000 connections', 'echo', 'echo 64 B, 1000 connections', 'user', 'µs'],
  ['echoes, 50 connections', 'echo', 'echo 64 B, 50 connections', 'rate', '/s'],
  ['the same, 1,000 connections', 'echo', 'echo 64 B, 1000 connections', 'rate', '/s'],
  ['latency of one connection, p50', 'latency', 'alone', 'p50', 'µs'],
  ['memory of an idle connection', 'connections', 'idle', 'bytes', 'B'],
  ['connections that come and go', 'accept', 'accept', 'rate', '/s'],
  [
    '64 KiB echoed, 1,000 connections, in a second of CPU',
    'bulk',
    'echo 64 KiB, 1000 connections',
    'megabytes',
    'MB',
  ],
];

/**
 * The other rows: their title, the row of the report, the label of the plain program, and that of the
 * strongest peer.
 * @type {readonly (readonly [string, string, string, string?])[]}
 */
export const ROWS = [
  [
    'latency of one connection with `busyPoll` of 20 µs, protocol: p50',
    'echo 64 B, 1 connection, busy-polling protocol: p50 latency',
    'node:net',
    'bare epoll',
  ],
  [
    '16 lines in a packet, protocol: CPU of a packet',
    '16 lines of 32 B a packet, protocol: CPU a packet',
    'node:net',
    'node:net, corked',
  ],
  [
    'Redis, 16 commands in a packet, protocol: CPU of a GET',
    'redis-benchmark -P 16, get, protocol: CPU a request',
    'node:net',
    'node:net, corked',
  ],
  [
    'the same, SET',
    'redis-benchmark -P 16, set, protocol: CPU a request',
    'node:net',
    'node:net, corked',
  ],
  [
    'Redis, 16 commands in a packet, streams: CPU of a GET',
    'redis-benchmark -P 16, get, streams: CPU a request',
    'node:net',
    'node:net, corked',
  ],
  [
    '`node:http` on our streams: requests',
    'HTTP by node:http on streams, 50 connections: requests',
    'on its own',
  ],
  [
    'a proxy, `pump()`: bytes in a second of CPU',
    'proxy, 1024 MB both ways: in a second of CPU',
    'node:net',
    'splice in C',
  ],
  [
    '10⁶ timers armed, then cancelled: each',
    'timers: schedule 10⁶, then cancel all, each',
    'node',
    'Bun',
  ],
  [
    '200,000 timers that fire: CPU of each',
    '200,000 timers fire within 50 ms: CPU of one',
    'node',
    'Bun',
  ],
  [
    'a deadline of 10⁶ put off, `DeadlineSet`',
    'DeadlineSet: touch beside 10⁶, anywhere',
    'node',
    'Bun',
  ],
  [
    '`addCallback` in a batch: each',
    'addCallback, batch of 2·10⁵, each',
    'setImmediate',
    'array, AsyncResource',
  ],
  [
    'handlers that read and write a byte, in a second of CPU',
    'handler calls in a second of CPU, they read and write a byte',
    'npm epoll',
  ],
];

/** The plots, by id. */
export const PLOTS = [
  'echo-cpu',
  'echo-messages',
  'memory-connection',
  'redis',
  'timers-cancelled',
  'proxy',
];

/** The cells of the servers. */
export const CELLS = SERVER_ROWS.flatMap(([, question, of, value]) =>
  SERVERS.map(([, peer = '']) => ({ question, of, value, peer: peerOf(question, peer) })),
);

/**
 * @param {readonly Answer[]} answers @param {readonly Row[]} rows
 * @param {readonly { id: string, title: string }[]} plots
 */
export function shortOf(answers, rows, plots) {
  const images = PLOTS.flatMap((id) => plots.filter((plot) => plot.id === id)).map(
    ({ id, title }) => `![${title}](${id}.svg)`,
  );
  return [serversTable(answers), othersTable(rows), ...images].filter((part) => part !== '');
}

/** @param {readonly Answer[]} answers */
function serversTable(answers) {
  const lines = SERVER_ROWS.flatMap(([title, question, of, value, unit]) => {
    const samples = answers.find((answer) => answer.question.name === question)?.samples;
    if (samples === undefined) return [];
    const figures = SERVERS.map(([, peer = '']) =>
      medianOf(samples, { of, value, peer: peerOf(question, peer) }),
    );
    if (figures.every((figure) => Number.isNaN(figure))) return [];
    return [[title, ...figures.map((figure) => cell(figure, unit))]];
  });
  if (lines.length === 0) return '';
  return markdown(['', ...SERVERS.map(([title = '']) => title)], lines);
}

/** In brackets, how many times better ours is. @param {readonly Row[]} rows */
function othersTable(rows) {
  const lines = ROWS.flatMap(([title, name, ...labels]) => {
    const found = labels.map((label) =>
      rows.find((row) => row.name === name && row.against === label),
    );
    const [first] = found;
    if (first === undefined) return [];
    const peers = [found[0], found[1]].map((row) => (row === undefined ? '' : peerCell(row)));
    return [[title, cell(first.ours.median, first.unit), ...peers]];
  });
  if (lines.length === 0) return '';
  return markdown(['', 'ioloop', 'plain program', 'strongest peer'], lines);
}

/** @param {Row} row */
function peerCell({ against, unit, peer, ratio }) {
  return `${against}: ${cell(peer?.median, unit)} (**${ratio?.median.toFixed(2)}**)`;
}

/** @param {string} question @param {string} peer */
function peerOf(question, peer) {
  return OTHERS[question]?.[peer] ?? peer;
}
