/** A connection with the peer of the integrity runs. */
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IOLoop, IOStream, Socket, type Address, type IOStreamOptions } from 'ioloop';
import { selfSigned, type Identity } from '../helpers/certificates.js';
import { startPeer, startTlsPeer } from './peer.js';

export type Transport = 'tcp' | 'unix' | 'tls';

/** Starts the peer, which connects: the socket of its connection. */
export async function acceptPeer(
  loop: IOLoop,
  transport: Transport,
  command: 'send' | 'check',
  args: readonly (string | number)[],
): Promise<{ readonly socket: Socket; readonly peer: ChildProcess }> {
  const listener = listen(transport);
  const address = addressText(listener.localAddress);
  const start = transport === 'tls' ? startTlsPeer : startPeer;
  const peer = start([command, address, ...args]);
  const socket = await accept(loop, listener);
  if (transport === 'unix') rmSync(address);
  return { socket, peer };
}

/** A stream on the socket of {@link acceptPeer}; over TLS after the handshake. */
export async function openStream(
  transport: Transport,
  socket: Socket,
  options: IOStreamOptions,
): Promise<IOStream> {
  const stream = new IOStream(socket, options);
  if (transport !== 'tls') return stream;
  return stream.startTls({ serverSide: true, tls: (identity ??= selfSigned('localhost')) });
}

let identity: Identity | null = null;

function listen(transport: Transport): Socket {
  if (transport !== 'unix') {
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
