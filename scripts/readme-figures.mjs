// The figures of the README, from docs/benchmarks/results.md. Run it after a full `npm run bench`
// whose report was copied there; a test compares.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { root } from './lib/process.mjs';

/**
 * One row of the README: a question of results.md, the plain program on Node, and the strongest
 * peer. `null` where results.md has none.
 * @type {[shown: string, question: string, plain: string, strongest: string | null][]}
 */
const ROWS = [
  [
    'echo 64 B, 50 connections, streams: throughput',
    'echo 64 B, 50 connections, streams: messages',
    'node:net',
    'bare epoll',
  ],
  [
    'the same: user CPU per message',
    'echo 64 B, 50 connections, streams: user CPU a message',
    'node:net',
    'Bun.listen',
  ],
  [
    'echo 64 B, 1,000 connections, streams: throughput',
    'echo 64 B, 1000 connections, streams: messages',
    'node:net',
    'bare epoll',
  ],
  [
    'the same: user CPU per message',
    'echo 64 B, 1000 connections, streams: user CPU a message',
    'node:net',
    'Bun.listen',
  ],
  [
    'echo 64 B, 1,000 connections, handlers: throughput',
    'echo 64 B, 1000 connections, handlers: messages',
    'node:net',
    'bare epoll',
  ],
  [
    '16 lines per packet: CPU per packet',
    '16 lines of 32 B a packet: CPU a packet',
    'node:net',
    'node:net, corked',
  ],
  [
    'Redis protocol, 16 commands per packet, GET: CPU per command',
    'redis-benchmark -P 16, get: CPU a request',
    'node:net',
    'node:net, corked',
  ],
  ['the same, SET', 'redis-benchmark -P 16, set: CPU a request', 'node:net', 'node:net, corked'],
  [
    'echo 64 KiB, 1,000 connections, streams: per second of CPU',
    'echo 64 KiB, 1000 connections, streams: in a second of CPU',
    'node:net',
    'bare epoll',
  ],
  ['latency, 1 connection: p50', 'echo 64 B, 1 connection: p50 latency', 'node:net', 'bare epoll'],
  [
    'latency at 10,000 messages/s, 50 connections: p99',
    'echo 64 B at 10,000/s: p99 latency',
    'node:net',
    'bare epoll',
  ],
  [
    'latency at 40,000 messages/s, 50 connections: p99',
    'echo 64 B at 40,000/s: p99 latency',
    'node:net',
    'bare epoll',
  ],
  [
    'connections opened and closed',
    'connections that come and go, streams',
    'node:net',
    'bare epoll',
  ],
  [
    'throughput beside 100 clients that hardly read',
    '50 connections beside 100 that send and hardly read: messages',
    'node:net, piped',
    'bare epoll',
  ],
  [
    '`node:http` on our streams: requests',
    'HTTP by node:http on streams, 50 connections: requests',
    'on its own',
    null,
  ],
  [
    'memory per idle connection, streams',
    'memory of an idle connection, of 18000, streams',
    'node:net',
    null,
  ],
  [
    'memory per idle connection, handlers',
    'memory of an idle connection, of 18000, handlers',
    'node:net',
    null,
  ],
  [
    '10⁶ timers armed, then cancelled: each',
    'timers: schedule 10⁶, then cancel all, each',
    'node',
    'Bun',
  ],
  [
    'a timer put off (`refresh()`), beside 10⁶',
    'timers: put off (refresh) beside 10⁶',
    'node',
    null,
  ],
  [
    '`addCallback` in a batch: each',
    'addCallback, batch of 2·10⁵, each',
    'setImmediate',
    'array, AsyncResource',
  ],
  [
    '`addCallback` in a chain, one turn each',
    'addCallback, chain (a turn each)',
    'setImmediate',
    null,
  ],
  [
    'handlers that read and write a byte, calls per second of CPU',
    'handler calls in a second of CPU, they read and write a byte',
    'npm epoll',
    null,
  ],
];

const results = readFileSync(join(root, 'docs/benchmarks/results.md'), 'utf8');
const readme = join(root, 'README.md');
const before = readFileSync(readme, 'utf8');
const after = await format(
  before.replace(
    /(<!-- figures: .* -->\n)[^]*(<!-- \/figures -->)/,
    (_, start, end) => `${start}\n${figures()}\n\n${end}`,
  ),
  { ...(await resolveConfig(readme)), parser: 'markdown' },
);
if (process.argv.includes('--check')) {
  if (after === before) process.exit(0);
  console.error(
    'The figures of the README are not those of docs/benchmarks/results.md: run node scripts/readme-figures.mjs',
  );
  process.exit(1);
}
writeFileSync(readme, after);

function figures() {
  // The line below the title says when, of which commit, and on what machine.
  const [conditions] = results.match(/^\d{4}-\d\d-\d\d, commit .*$/m) ?? [];
  if (conditions === undefined) throw new Error('results.md does not say when it was measured');
  const rows = ROWS.map(([shown, question, plain, strongest]) => {
    const [ours, theirs] = row(question, plain);
    const best = strongest === null ? '' : row(question, strongest)[1];
    return `| ${shown} | ${ours} | ${theirs} | ${best} |`;
  });
  return [
    `Measured ${conditions} In brackets: times better than that peer; below 1 the peer is better. The kernel's work is the same for all, so the ratio of throughputs is smaller than that of user CPU.`,
    '',
    '| | ioloop | plain program | strongest peer |',
    '| --- | --- | --- | --- |',
    ...rows,
  ].join('\n');
}

/**
 * Our value, and the peer's with the ratio.
 * @param {string} question @param {string} peer
 * @returns {[string, string]}
 */
function row(question, peer) {
  for (const line of results.split('\n')) {
    const [, asked, ours, against = '', ratio = ''] = line.split('|').map((cell) => cell.trim());
    if (asked !== question || ours === undefined || !against.startsWith(`${peer}: `)) continue;
    const [times] = ratio.split(' ');
    return [ours, `${against} (**${times}**)`];
  }
  throw new Error(`results.md has no row "${question}" against ${peer}`);
}
