// The load's process: connections of Node's own `net`, each with one message under way. Every echo
// is compared with what was sent, byte for byte.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { createHistogram } from 'node:perf_hooks';

const [port, connections, seconds] = process.argv.slice(2).map(Number);
const SIZE = 64;
const latency = createHistogram();
let opened = 0;
let received = 0;
let lost = 0;

const clients = await Promise.all(Array.from({ length: connections }, open));
const start = performance.now();
const end = start + seconds * 1e3;
const progress = setInterval(() => process.send({ opened, received }), 100);
await Promise.all(clients.map(talk));
clearInterval(progress);
const elapsed = (performance.now() - start) / 1e3;
// Microseconds.
const [p50, p99] = [50, 99].map((percentile) => latency.percentile(percentile));
process.send({ done: true, opened, received, lost, elapsed, p50, p99 }, () => process.disconnect());

/** A connection, tried again while the backlog is full. */
function open() {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.off('error', reject);
      opened += 1;
      resolve(socket);
    });
  });
}

/** Sends a message, waits for its echo, and so on until the time is up. */
function talk(socket) {
  return new Promise((resolve) => {
    let message = Buffer.alloc(0);
    let at = 0;
    let sent = 0;
    const next = () => {
      if (performance.now() >= end) {
        message = Buffer.alloc(0);
        socket.end();
        return;
      }
      message = randomBytes(SIZE);
      at = 0;
      sent = performance.now();
      socket.write(message);
    };
    socket.on('data', (chunk) => {
      const echo = message.subarray(at, at + chunk.length);
      if (!chunk.equals(echo)) lost += 1;
      at += chunk.length;
      if (at < message.length) return;
      latency.record(Math.max(Math.round((performance.now() - sent) * 1e3), 1));
      received += 1;
      next();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      // A message without its echo is lost.
      if (message.length > 0) lost += 1;
      resolve();
    });
    next();
  });
}
