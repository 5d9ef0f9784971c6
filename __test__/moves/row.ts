/** One row of `npm run test:moves`: a connection that moves around a ring of threads. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import type { NetConnectOpts } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, Worker } from 'node:worker_threads';
import { IOLoop, IOStream, Socket, type Address, type DetachedToken } from 'ioloop';
import type { Move, MoverData, Report } from './mover.js';
import type { PeerResult } from './peer.js';

export interface Row {
  readonly transport: 'tcp' | 'unix';
  readonly moves: number;
  readonly threads: number;
  readonly tiny: boolean;
}

export interface Outcome {
  readonly seconds: number;
  /** Bytes that the peer has sent, and got back. */
  readonly bytes: number;
  /** Moves with unread bytes, and the number of these bytes. */
  readonly loaded: number;
  readonly unread: number;
  /** What went wrong; empty if nothing did. */
  readonly note: string;
}

/** Moves a connection, and compares what its peer gets back. Nothing is left open. */
export async function runRow(row: Row): Promise<Outcome> {
  const before = openDescriptors();
  const folder = mkdtempSync(join(tmpdir(), 'ioloop-moves-'));
  const [server, address] = listen(row.transport, folder);
  const threads = ring(row);
  const peer = fork(new URL('peer.js', import.meta.url), [JSON.stringify(address)]);
  try {
    const peerEnd = Promise.all([once(peer, 'message'), once(peer, 'exit')]);
    const token = await accepted(server);
    const start = performance.now();
    const done = await moved(row, threads, token, () => peer.send('stop'));
    const [[result]] = await peerEnd;
    const seconds = (performance.now() - start) / 1e3;
    await Promise.all(threads.map((thread) => thread.terminate()));
    server.close();
    const left = await leftOpen(before);
    const note = noteOf(result as PeerResult, row, done, left);
    const { received: bytes } = result as PeerResult;
    return { seconds, bytes, loaded: done.loaded, unread: done.unread, note };
  } finally {
    server.close();
    peer.kill();
    await Promise.all(threads.map((thread) => thread.terminate()));
    rmSync(folder, { recursive: true });
  }
}

function listen(transport: Row['transport'], folder: string): [Socket, NetConnectOpts] {
  const isTcp = transport === 'tcp';
  const server = isTcp ? Socket.tcp() : Socket.unix();
  const path = join(folder, 'socket');
  server.bind(isTcp ? { host: '127.0.0.1', port: 0 } : { path });
  server.listen();
  return [server, server.localAddress];
}

/** Threads, each of which sends to the next. */
function ring({ threads, tiny }: Row): Worker[] {
  const channels = Array.from({ length: threads }, () => new MessageChannel());
  return channels.map(({ port2: previous }, at) => {
    const { port1: next } = channels[(at + 1) % threads] as MessageChannel;
    return new Worker(new URL('mover.js', import.meta.url), {
      workerData: { previous, next, tiny } satisfies MoverData,
      transferList: [previous, next],
    });
  });
}

/** The token of the next connection, on a stream that stays open after EOF. */
async function accepted(server: Socket): Promise<DetachedToken<'stream'>> {
  let connection = server.accept();
  await until(() => (connection ??= server.accept()) !== null);
  const [socket] = connection as unknown as [Socket, Address];
  const loop = new IOLoop({ makeCurrent: false });
  const token = new IOStream(socket, { loop, allowHalfOpen: true }).detach();
  loop.close();
  return token;
}

/** Moves the stream of `token` until all moves are made; calls `stop`, and waits for the rest. */
function moved(
  { moves }: Row,
  threads: readonly Worker[],
  token: DetachedToken<'stream'>,
  stop: () => void,
): Promise<Move> {
  return new Promise((resolve, reject) => {
    for (const thread of threads) {
      thread.on('error', reject);
      thread.on('message', (report: Report) => {
        if (report === 'moved') stop();
        else if ('done' in report) resolve(report.done);
        else reject(new Error(report.failed));
      });
    }
    const first: Move = { token, moves: 0, most: moves, loaded: 0, unread: 0 };
    threads[0]?.postMessage(first, []);
  });
}

function noteOf({ sent, wrong, error }: PeerResult, row: Row, done: Move, left: string[]): string {
  const notes = [
    error === null ? '' : `the peer: ${error}`,
    wrong < 0 ? '' : `byte ${wrong} of ${sent} is lost or wrong`,
    done.moves === row.moves ? '' : `${done.moves} moves`,
    // Unread bytes are the point of a row.
    done.loaded > row.moves / 20 ? '' : `only ${done.loaded} moves with unread bytes`,
    Socket.detachedCount === 0 ? '' : `${Socket.detachedCount} detached`,
    left.length === 0 ? '' : `left open: ${left.join(' ')}`,
  ];
  return notes.filter((note) => note !== '').join(', ');
}

/** What is open, by number: its file. */
function openDescriptors(): Map<string, string> {
  const folder = '/proc/self/fd';
  const numbers = existsSync(folder) ? readdirSync(folder) : [];
  return new Map(numbers.map((number) => [number, target(join(folder, number))]));
}

function target(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    // That of the directory, which is closed by now.
    return '';
  }
}

/** The files that are open now and were not before, once those of the threads are closed. */
async function leftOpen(before: ReadonlyMap<string, string>): Promise<string[]> {
  const left = (): string[] =>
    [...openDescriptors()]
      .filter(([number, file]) => file !== '' && before.get(number) !== file)
      .map(([, file]) => file);
  await until(() => left().length === 0);
  return left();
}

/** Waits until `condition` holds, for some seconds at most. */
async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 10_000 && !condition(); tries += 1) await sleep(1);
}
