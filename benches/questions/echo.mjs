// What does a message cost a server, with raw handlers and with streams, against node:net and
// against a bare epoll server in C?
import { interleave } from '../lib/run.mjs';
import { startServer, underLoad } from '../lib/servers.mjs';
import { column, compare } from '../lib/compare.mjs';

const PEERS = ['streams', 'handlers', 'node:net', 'bare epoll'];

/** @param {{ repetitions: number, seconds: number }} options */
export async function echo({ repetitions, seconds }) {
  const rows = [];
  for (const connections of [50, 1000]) {
    const samples = await interleave(PEERS, repetitions, (peer) =>
      measure(peer, { connections, size: 64 }, seconds),
    );
    const title = `echo 64 B, ${connections} connections`;
    for (const peer of ['streams', 'handlers']) {
      rows.push(
        compare(`${title}, ${peer}: user CPU per message`, 'µs', {
          ours: column(samples, peer, 'user'),
          peer: ['node:net', column(samples, 'node:net', 'user')],
          less: true,
          target: 3,
        }),
        compare(`${title}, ${peer}: messages`, '/s', {
          ours: column(samples, peer, 'rate'),
          peer: ['node:net', column(samples, 'node:net', 'rate')],
        }),
        compare(`${title}, ${peer}: messages`, '/s', {
          ours: column(samples, peer, 'rate'),
          peer: ['bare epoll', column(samples, 'bare epoll', 'rate')],
          target: 0.9,
        }),
      );
    }
  }
  return rows;
}

/** Large messages: bytes per second of CPU. @param {{ repetitions: number, seconds: number }} options */
export async function bulk({ repetitions, seconds }) {
  const rows = [];
  for (const size of [4096, 65_536, 1_048_576]) {
    const peers = ['bulk streams', 'node:net', 'bare epoll'];
    const samples = await interleave(peers, repetitions, (peer) =>
      measure(peer, { connections: 8, size }, seconds),
    );
    for (const [peer, target] of Object.entries({ 'node:net': 1, 'bare epoll': 0.9 })) {
      rows.push(
        compare(`echo ${size / 1024} KiB, 8 connections: CPU per message`, 'µs', {
          ours: column(samples, 'bulk streams', 'cpu'),
          peer: [peer, column(samples, peer, 'cpu')],
          less: true,
          target,
        }),
      );
    }
  }
  return rows;
}

/** One connection, one message under way: how long it takes. @param {{ repetitions: number, seconds: number }} options */
export async function latency({ repetitions, seconds }) {
  const peers = ['streams', 'node:net', 'bare epoll'];
  const samples = await interleave(peers, repetitions, (peer) =>
    measure(peer, { connections: 1, size: 64 }, seconds),
  );
  return ['node:net', 'bare epoll'].map((peer) =>
    compare('echo 64 B, 1 connection: p50 latency', 'µs', {
      ours: column(samples, 'streams', 'p50'),
      peer: [peer, column(samples, peer, 'p50')],
      less: true,
      ...(peer === 'bare epoll' ? { target: 0.97 } : {}),
    }),
  );
}

/** @param {string} peer @param {Record<string, number>} flags @param {number} seconds */
async function measure(peer, flags, seconds) {
  const server = await startServer(peer, flags);
  try {
    return await underLoad(server, flags, seconds);
  } finally {
    server.stop();
  }
}
