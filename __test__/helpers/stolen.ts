/** Descriptors that were closed by their number, and the files that have the number next. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import net from 'node:net';
import { Socket } from 'ioloop';
import { closeAll, isOpen, pairAt, tcpPair, until } from './fds.js';

/** Connected sockets of each kind, by name. */
export const PAIRS: Readonly<Record<string, () => Promise<[Socket, Socket]>>> = {
  tcp: tcpPair,
  unix: () => Promise.resolve(Socket.pair()),
};

/** A file that got a number which had another one before. */
export interface Stranger {
  /** Sends `text` so that the number can be read. */
  send(text: string): void;
  /** What has arrived through the number at the other side; what it holds is unread. */
  received(): string | null;
  close(): void;
}

/** Takes the number `fd`, which is closed, and all free ones below. */
function takeUpTo(fd: number): number[] {
  const fillers: number[] = [];
  for (;;) {
    const number = openSync('/dev/null', 'r');
    if (number === fd) return fillers;
    fillers.push(number);
    if (number > fd) throw new Error(`the number ${fd} is not free`);
  }
}

/** How a closed number is used again, by the type of its new owner. */
export const STRANGERS: Readonly<Record<string, (fd: number) => Promise<Stranger>>> = {
  Socket(fd) {
    const { peer, close } = pairAt(fd);
    const received = (): string | null => peer.recv(1000)?.toString() ?? null;
    return Promise.resolve({ send: (text) => peer.send(text), received, close });
  },

  async 'net.Socket'(fd) {
    const fillers = takeUpTo(fd);
    const server = net.createServer();
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as net.AddressInfo;
    const accepted = once(server, 'connection') as Promise<[net.Socket]>;
    // The lowest free number now, for the next that is opened.
    closeSync(fd);
    // Paused: its bytes stay in the kernel, for a reader that takes them by mistake.
    const client = net.connect({ port, host: '127.0.0.1' }).pause();
    await once(client, 'connect');
    closeAll(...fillers);
    const [peer] = await accepted;
    const { _handle } = client as unknown as { _handle: { fd: number } };
    if (_handle.fd !== fd) throw new Error(`it has ${_handle.fd}, not ${fd}`);
    let text = '';
    peer.on('data', (chunk) => (text += String(chunk)));
    return {
      send: (data) => peer.write(data),
      received: () => (text === '' ? null : text),
      close() {
        client.destroy();
        peer.destroy();
        server.close();
      },
    };
  },
};

/** A process that holds a copy of `fd` until it is released. */
export async function heldByChild(fd: number): Promise<() => Promise<void>> {
  const holder: ChildProcess = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', fd] });
  await once(holder, 'spawn');
  return async () => {
    const ended = once(holder, 'close');
    holder.stdin?.end();
    await ended;
  };
}

export { isOpen, until };
