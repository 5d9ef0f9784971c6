/** Descriptors for tests, and their state in the system. */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readlinkSync,
  fstatSync,
  readSync,
  rmSync,
  unlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Socket } from 'ioloop';

/**
 * A pipe, non-blocking at both ends. Node has no `pipe(2)`: it is a FIFO without a name, by a
 * program that makes many at a time.
 */
export function pipe(): [reader: number, writer: number] {
  const { O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;
  const path = fifos.pop() ?? makeFifos();
  const reader = openSync(path, O_RDONLY | O_NONBLOCK);
  const writer = openSync(path, O_WRONLY | O_NONBLOCK);
  unlinkSync(path);
  return [reader, writer];
}

const fifos: string[] = [];
let fifoFolder = '';
let fifoCount = 0;

function makeFifos(): string {
  if (fifoFolder === '') {
    // In memory on Linux, where the number of an inode is not used again soon.
    fifoFolder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'ioloop-'));
    process.once('exit', () => rmSync(fifoFolder, { recursive: true, force: true }));
  }
  const paths = Array.from({ length: 32 }, () => join(fifoFolder, String((fifoCount += 1))));
  const { status } = spawnSync('mkfifo', paths);
  if (status !== 0) throw new Error(`mkfifo: ${status}`);
  const [path = '', ...rest] = paths;
  fifos.push(...rest);
  return path;
}

/** What can be read from a non-blocking descriptor now; `null` at the end of the file. */
export function drain(fd: number): string | null {
  const buffer = Buffer.alloc(4096);
  let text = '';
  for (;;) {
    try {
      const count = readSync(fd, buffer);
      if (count === 0) return text === '' ? null : text;
      text += buffer.toString('utf8', 0, count);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return text;
      throw error;
    }
  }
}

/** At most `size` bytes of a non-blocking descriptor; `null` when there are none now. */
export function readSome(fd: number, size: number): Buffer | null {
  const buffer = Buffer.alloc(Math.min(size, 65_536));
  try {
    return buffer.subarray(0, readSync(fd, buffer));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return null;
    throw error;
  }
}

/** Two connected sockets of which the first has `data` to read. */
export function readablePair(data = 'x'): [readable: Socket, peer: Socket] {
  const [readable, peer] = Socket.pair();
  peer.send(data);
  return [readable, peer];
}

/** Runs `body` with sockets that have a byte to read, and closes them. */
export async function withReadables(
  count: number,
  body: (readables: Socket[]) => Promise<unknown>,
): Promise<void> {
  const pairs = Array.from({ length: count }, () => Socket.pair());
  for (const [, writer] of pairs) writer.send('x');
  try {
    await body(pairs.map(([readable]) => readable));
  } finally {
    for (const socket of pairs.flat()) socket.close();
  }
}

/** Two TCP sockets, connected to each other over the loopback interface. */
export async function tcpPair(): Promise<[client: Socket, server: Socket]> {
  const listener = Socket.tcp();
  listener.bind({ host: '127.0.0.1', port: 0 });
  listener.listen();
  const client = Socket.tcp();
  client.connect(listener.localAddress);
  let accepted = listener.accept();
  await until(() => (accepted ??= listener.accept()) !== null, 'a connection');
  listener.close();
  if (accepted === null) throw new Error('no connection');
  return [client, accepted[0]];
}

/** A pair of which one socket has the number `fd`, which is free. */
export function pairAt(fd: number): { readonly at: Socket; readonly peer: Socket; close(): void } {
  const pairs: [Socket, Socket][] = [];
  for (let tries = 0; tries < 100; tries += 1) {
    const [first, second] = Socket.pair();
    pairs.push([first, second]);
    if (first.fd !== fd && second.fd !== fd) continue;
    const at = first.fd === fd ? first : second;
    const close = (): void => closeAll(...pairs.flat());
    return { at, peer: at === first ? second : first, close };
  }
  throw new Error(`the number ${fd} is not free`);
}

export function closeAll(...files: readonly (Socket | number)[]): void {
  for (const file of files) {
    if (typeof file === 'number') closeSync(file);
    else file.close();
  }
}

/** Whether the number `fd` is open. */
export function isOpen(fd: number): boolean {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
}

/** What each open descriptor of a process is, by number; by default of this one. */
export function openFds(pid: number | 'self' = 'self'): Map<number, string> {
  const folder = `/proc/${pid}/fd`;
  const found = new Map<number, string>();
  for (const name of readdirSync(folder)) {
    try {
      found.set(Number(name), readlinkSync(`${folder}/${name}`));
    } catch {
      // The descriptor of the folder itself, closed by now.
    }
  }
  return found;
}

/** Waits until `condition` holds, between turns of Node's loop; bounded. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + TIMEOUT;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`waited too long for ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 1);
    });
  }
}

/** Lets Node's loop turn several times: whatever is ready by now has been handled then. */
export async function nodeTurns(count = 5): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 0);
    });
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** Whether `/proc` lists descriptors and threads. */
export const HAS_PROC = process.platform === 'linux';

const TIMEOUT = 20_000;
