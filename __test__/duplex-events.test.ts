/** The same script on a `net.Socket` and on a duplex of ours: events, their order, states, bytes. */
import { once } from 'node:events';
import { createServer, Socket as NetSocket, type AddressInfo } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { setImmediate as immediate } from 'node:timers/promises';
import test from 'ava';
import { IOStream, Socket, type IOLoop, type IOStreamDuplex } from 'ioloop';
import { until } from './helpers/fds.js';
import { onLoop } from './helpers/loop.js';

/** What both kinds have. */
type Either = NetSocket | IOStreamDuplex;

interface Scene {
  readonly socket: Either;
  readonly peer: NetSocket;
  /** What the socket has emitted so far, with its state. */
  readonly log: string[];
  note(text: string): void;
}

interface Script {
  readonly name: string;
  readonly halfOpen?: boolean;
  /** Whether 'data' is listened to, as by default. */
  readonly silent?: boolean;
  play(scene: Scene): unknown;
}

const EVENTS = ['connect', 'ready', 'end', 'finish', 'drain', 'timeout', 'error', 'close'];

function stateOf(socket: Either): string {
  const { readyState, destroyed, pending, connecting } = socket;
  const flags = { destroyed, pending, connecting };
  const set = Object.entries(flags).filter(([, value]) => value);
  return [readyState, ...set.map(([name]) => name)].join(' ');
}

/** Plays `script` on a socket that `make` gives: its log, and that of its peer. */
async function perform(script: Script, make: () => Either): Promise<string[]> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const accepted = once(server, 'connection');
  const socket = make();
  const log: string[] = [];
  const note = (text: string): void => void log.push(text);
  let received = 0;
  for (const event of EVENTS) {
    socket.on(event, (argument: unknown) => {
      const detail =
        argument instanceof Error ? (argument as NodeJS.ErrnoException).code : argument;
      note(`${event} ${String(detail ?? '')}: ${stateOf(socket)}`);
    });
  }
  if (script.silent !== true) socket.on('data', (chunk: Buffer) => (received += chunk.length));
  note(`new: ${stateOf(socket)}`);
  socket.connect((server.address() as AddressInfo).port, '127.0.0.1');
  note(`connect(): ${stateOf(socket)}`);
  const [peer] = (await accepted) as [NetSocket];
  const peerEvents: string[] = [];
  let body = '';
  peer.on('data', (chunk: Buffer) => (body += String(chunk)));
  peer.on('end', () => peerEvents.push('end'));
  peer.on('error', (error: NodeJS.ErrnoException) => peerEvents.push(String(error.code)));
  try {
    await until(() => !socket.connecting, 'the connection');
    await script.play({ socket, peer, log, note });
    await until(() => log.some((line) => line.startsWith('close')), 'the close');
    peer.end();
    await until(() => peerEvents.length > 0 || peer.destroyed, 'the end of the peer');
    const { bytesRead, bytesWritten, localAddress, bufferSize } = socket;
    note(`at last: ${stateOf(socket)}`);
    note(JSON.stringify({ received, bytesRead, bytesWritten, localAddress, bufferSize }));
    note(`the peer got ${body} ${peerEvents.join(' ')}`);
    return log;
  } finally {
    socket.destroy();
    peer.destroy();
    server.close();
  }
}

const has = (log: string[], event: string) => (): boolean =>
  log.some((line) => line.startsWith(`${event} `));

/** Without waiting for a time: the loops of both have turned. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await immediate();
}

const scripts: Script[] = [
  { name: 'the peer ends', play: ({ peer }) => peer.end('bye') },
  { name: 'the peer ends, and nothing reads', silent: true, play: ({ peer }) => peer.end() },
  {
    name: 'the peer ends, half open: writing goes on',
    halfOpen: true,
    async play({ socket, peer, log, note }) {
      peer.end('bye');
      await until(has(log, 'end'), 'the end');
      await settle();
      note(`half open: ${stateOf(socket)}`);
      socket.write('more');
      socket.end('last');
    },
  },
  { name: 'the peer resets', play: ({ peer }) => peer.resetAndDestroy() },
  {
    name: 'the peer resets, and nothing reads',
    silent: true,
    play: ({ peer }) => peer.resetAndDestroy(),
  },
  {
    name: 'end(), then the peer ends',
    async play({ socket, peer, log, note }) {
      socket.end('done');
      note(`ended: ${stateOf(socket)}`);
      await until(has(log, 'finish'), 'the finish');
      await settle();
      note(`finished: ${stateOf(socket)}`);
      peer.end('answer');
    },
  },
  { name: 'destroy()', play: ({ socket }) => socket.destroy() },
  {
    name: 'destroy() in the tick of a write',
    play: ({ socket }) => {
      socket.write('heard');
      socket.destroy();
    },
  },
  {
    name: 'destroy(error)',
    play: ({ socket }) => {
      socket.write('heard');
      socket.destroy(Object.assign(new Error('enough'), { code: 'EENOUGH' }));
    },
  },
  {
    name: 'destroySoon()',
    play: ({ socket }) => {
      socket.write('a');
      socket.write('b');
      socket.destroySoon();
    },
  },
  { name: 'resetAndDestroy()', play: ({ socket }) => socket.resetAndDestroy() },
  {
    name: 'a write after destroy()',
    play: ({ socket, note }) => {
      socket.destroy();
      socket.write('late', (error) => note(`late: ${(error as NodeJS.ErrnoException)?.code}`));
    },
  },
  {
    name: 'a pipeline whose source fails',
    play: ({ socket, note }) => {
      const source = new Readable({
        read: () => source.destroy(Object.assign(new Error('enough'), { code: 'EENOUGH' })),
      });
      pipeline(source, socket, (error) => note(`pipeline: ${error?.code}`));
    },
  },
  {
    name: 'an iteration that a reset ends',
    silent: true,
    async play({ socket, peer, note }) {
      peer.resetAndDestroy();
      try {
        for await (const chunk of socket) note(String(chunk));
      } catch (error) {
        note(`iteration: ${(error as NodeJS.ErrnoException).code}`);
      }
    },
  },
  {
    name: 'end() while corked',
    play({ socket, peer, note }) {
      socket.cork();
      for (const text of ['a', 'b', 'c']) socket.write(text, () => note(`written ${text}`));
      note(`${socket.bytesWritten} bytes, ${socket.bufferSize} wait`);
      socket.end('d', () => note('ended'));
      peer.on('end', () => peer.end());
    },
  },
  {
    name: 'a write after end()',
    play: ({ socket }) => {
      socket.end('a');
      socket.write('b', (error) => void error);
    },
  },
  {
    name: 'a write after the peer has ended',
    async play({ socket, peer, log, note }) {
      socket.on('end', () => {
        process.nextTick(() => {
          socket.write('late', (error) => note(`late: ${(error as NodeJS.ErrnoException)?.code}`));
        });
      });
      peer.end();
      await until(has(log, 'end'), 'the end');
    },
  },
  {
    name: 'pause() and resume()',
    async play({ socket, peer, note }) {
      socket.pause();
      peer.end('while it is paused');
      await until(() => socket.bytesRead === 18, 'the bytes');
      await settle();
      note(`paused: ${socket.bytesRead} ${stateOf(socket)}`);
      socket.resume();
    },
  },
  {
    name: 'the end while it is paused',
    halfOpen: true,
    async play({ socket, peer, log, note }) {
      socket.pause();
      peer.end();
      await until(has(log, 'end'), 'the end');
      note(`paused: ${socket.isPaused()} ${stateOf(socket)}`);
      socket.end();
    },
  },
  {
    name: 'two idle periods, with activity between',
    async play({ socket, peer, log, note }) {
      let called = 0;
      socket.setTimeout(20, () => (called += 1));
      const timeouts = (): number => log.filter((line) => line.startsWith('timeout')).length;
      await until(() => timeouts() === 1, 'the first timeout');
      peer.write('activity');
      await until(() => timeouts() === 2, 'the second timeout');
      note(`${socket.timeout} ms, callback called ${called} times`);
      socket.setTimeout(0);
      socket.destroy();
    },
  },
];

for (const script of scripts) {
  test(`as net.Socket: ${script.name}`, async (t) => {
    const allowHalfOpen = script.halfOpen ?? false;
    const theirs = await perform(script, () => new NetSocket({ allowHalfOpen }));
    const ours = await onLoop((loop: IOLoop) =>
      perform(script, () => new IOStream(Socket.tcp(), { loop, allowHalfOpen }).toDuplex()),
    );
    t.deepEqual(ours, theirs);
  });
}
