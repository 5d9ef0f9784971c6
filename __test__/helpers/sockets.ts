/** Sockets that are closed after their test, and what a test waits for on them. */
import { mkdtempSync, rmSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { IOLoop, Socket, type Address, type SystemError } from 'ioloop';

export const LOOPBACK = '127.0.0.1';

/** A socket that is closed after the test. */
export function owned(t: ExecutionContext, socket: Socket): Socket {
  t.teardown(() => {
    socket.close();
  });
  return socket;
}

export function pair(t: ExecutionContext): [Socket, Socket] {
  const [first, second] = Socket.pair();
  return [owned(t, first), owned(t, second)];
}

export function listener(t: ExecutionContext, host = LOOPBACK): Socket {
  const socket = owned(t, Socket.tcp({ family: isIPv6(host) ? 6 : 4 }));
  socket.bind({ host, port: 0 });
  socket.listen();
  return socket;
}

/** Resolves when the socket is ready. */
export async function ready(socket: Socket, events: number): Promise<void> {
  const loop = new IOLoop({ makeCurrent: false });
  await loop.runSync(
    () =>
      new Promise<void>((resolve) => {
        loop.addHandler(
          socket,
          () => {
            loop.removeHandler(socket);
            resolve();
          },
          events,
        );
      }),
  );
  loop.close();
}

export async function accepted(t: ExecutionContext, server: Socket): Promise<[Socket, Address]> {
  await ready(server, IOLoop.READ);
  const result = server.accept();
  if (result === null) throw new Error('no connection waits');
  owned(t, result[0]);
  return result;
}

/** Reads to the end of the file. */
export async function readAll(socket: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  for (;;) {
    const chunk = socket.recv(65_536);
    if (chunk === null) await ready(socket, IOLoop.READ);
    else if (chunk.length === 0) return Buffer.concat(chunks).toString();
    else chunks.push(chunk);
  }
}

export function caught(run: () => unknown): SystemError {
  try {
    run();
  } catch (error) {
    return error as SystemError;
  }
  throw new Error('nothing was thrown');
}

export function directory(t: ExecutionContext): string {
  const path = mkdtempSync(join(tmpdir(), 'ioloop-'));
  t.teardown(() => {
    rmSync(path, { recursive: true });
  });
  return path;
}
