// Readiness of descriptors from elsewhere. Ring: bytes go round in a ring of sockets, and a handler
// reads each and writes it to the next. Unread: sockets that are never read are reported repeatedly.
// Prints handler calls per second of CPU.
//
//   readiness.mjs ioloop|PATH-OF-NPM-EPOLL
import { readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { performance } from 'node:perf_hooks';
import { IOLoop, Socket } from 'ioloop';

const PAIRS = 64;
const UNDER_WAY = 16;
const MILLISECONDS = 500;
const pairs = Array.from({ length: PAIRS }, () => Socket.pair());
const api = process.argv[2] === 'ioloop' ? ioloop() : npmEpoll(process.argv[2]);
const byte = Buffer.alloc(1);

const unread = await rate(countOnly);
for (const [mine] of pairs) mine.recvInto(byte);
const ring = await rate(passOn, UNDER_WAY);
console.log(JSON.stringify({ unread, ring }));
process.exit();

/** @param {(fd: number, other: number) => boolean} handler @param {number} [count] Sockets with a byte. */
async function rate(handler, count = PAIRS) {
  let calls = 0;
  const next = new Map(pairs.map(([mine], at) => [mine.fd, pairs[(at + 1) % PAIRS][1].fd]));
  const handle = (fd) => {
    if (handler(fd, next.get(fd))) calls += 1;
  };
  const fds = [...next.keys()];
  for (const fd of fds) api.add(fd, handle);
  for (const [, other] of pairs.slice(0, count)) other.send(byte);
  await until(performance.now() + MILLISECONDS / 2);
  calls = 0;
  const before = process.cpuUsage();
  await until(performance.now() + MILLISECONDS);
  const { user, system } = process.cpuUsage(before);
  const result = (calls * 1e6) / (user + system);
  for (const fd of fds) api.remove(fd);
  return result;
}

function countOnly() {
  return true;
}

/** Counts a spurious second report once: npm's epoll waits on its own thread. */
function passOn(fd, other) {
  try {
    readSync(fd, byte, 0, 1, null);
  } catch (error) {
    if (error.code === 'EAGAIN') return false;
    throw error;
  }
  writeSync(other, byte, 0, 1, null);
  return true;
}

function until(deadline) {
  return new Promise((resolve) => {
    setTimeout(resolve, deadline - performance.now());
  });
}

function ioloop() {
  const loop = new IOLoop();
  void loop.start();
  return {
    add: (fd, handle) => loop.addHandler(fd, handle, IOLoop.READ),
    remove: (fd) => loop.removeHandler(fd),
  };
}

function npmEpoll(path) {
  const { Epoll } = createRequire(import.meta.url)(path);
  const handlers = new Map();
  const poller = new Epoll((_, fd) => handlers.get(fd)?.(fd));
  return {
    add: (fd, handle) => {
      handlers.set(fd, handle);
      poller.add(fd, Epoll.EPOLLIN);
    },
    remove: (fd) => {
      handlers.delete(fd);
      poller.remove(fd);
    },
  };
}
