/** A connection with the peer of the integrity runs. */
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IOLoop, Socket, type Address } from 'ioloop';
import { startPeer } from './peer.js';

export type Transport = 'tcp' | 'unix';

/** Starts the peer, which connects: the socket of its connection. */
export async function acceptPeer(
  loop: IOLoop,
  transport: Transport,
  command: 'send' | 'check',
  args: readonly (string | number)[],
): Promise<{ readonly socket: Socket; readonly peer: ChildProcess }> {
  const listener = listen(transport);
  const address = addressText(listener.localAddress);
  const peer = startPeer([command, address, ...args]);
  const socket = await accept(loop, listener);
  if (transport === 'unix') rmSync(address);
  return { socket, peer };
}

function listen(transport: Transport): Socket {
  if (transport === 'tcp') {
    const listener = Socket.tcp();
    listener.bind({ host: '127.0.0.1', port: 0 });
    listener.listen();
    return listener;
  }
  const listener = Socket.unix();
  listener.bind({ path: join(tmpdir(), `ioloop-${process.pid}-${(sockets += 1)}`) });
  listener.listen();
  return listener;
}

let sockets = 0;

function addressText(address: Address): string {
  if ('path' in address) return String(address.path);
  return String(address.port);
}

function accept(loop: IOLoop, listener: Socket): Promise<Socket> {
  return new Promise((resolve) => {
    const onReadable = (): void => {
      const accepted = listener.accept();
      if (accepted === null) return;
      loop.removeHandler(listener);
      listener.close();
      resolve(accepted[0]);
    };
    loop.addHandler(listener, onReadable, IOLoop.READ);
  });
}
