/** Sockets whose bytes wait, for tests of `sendLater()`. */
import { IOLoop, type Socket } from 'ioloop';
import { nodeTurns } from './fds.js';

/** Bytes that a batch copies. */
export const PIECE = 4096;

/** Sends bytes from `source` until the kernel is full. Returns how many. */
export async function congest(socket: Socket, source: Buffer): Promise<number> {
  let at = 0;
  while (socket.unsent === 0) {
    while (socket.sendLater(source.subarray(at, at + PIECE))) at += PIECE;
    at += PIECE;
    await nodeTurns(1);
  }
  return at;
}

/** The next `length` bytes, by a handler. */
export function receive(loop: IOLoop, socket: Socket, length: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let left = length;
    const read = (): void => {
      for (let chunk = socket.recv(left); chunk !== null; chunk = socket.recv(left)) {
        if (chunk.length === 0) {
          loop.removeHandler(socket);
          reject(new Error(`EOF with ${left} bytes to come`));
          return;
        }
        chunks.push(chunk);
        left -= chunk.length;
        if (left > 0) continue;
        loop.removeHandler(socket);
        resolve(Buffer.concat(chunks));
        return;
      }
    };
    loop.addHandler(socket, read, IOLoop.READ);
  });
}

/** The first call of a handler: its events. The handler stays. */
export function called(loop: IOLoop, socket: Socket, events: number): Promise<number> {
  return new Promise((resolve) => {
    loop.addHandler(socket, (_, reported) => resolve(reported), events);
  });
}
