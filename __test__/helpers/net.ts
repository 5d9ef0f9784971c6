/** Servers and connections for tests, on loopback ports that the system chooses. */
import { readFileSync } from 'node:fs';
import {
  IOStream,
  Socket,
  type Address,
  type IOLoop,
  type IOStreamOptions,
  type TCPServer,
} from 'ioloop';

/** The port that a server listens on. */
export function portOf(server: TCPServer): number {
  const [address] = server.addresses;
  if (address === undefined || !('port' in address)) throw new Error('the server does not listen');
  return address.port;
}

/** The address that a server listens on. */
export function addressOf(server: TCPServer): Address {
  return { host: '127.0.0.1', port: portOf(server) };
}

/** A connected stream. */
export function connectTo(
  loop: IOLoop,
  address: Address,
  options: IOStreamOptions = {},
): Promise<IOStream> {
  return new IOStream(Socket.tcp(), { loop, ...options }).connect(address);
}

/** Closes so that the peer is reset. */
export function reset(stream: IOStream): void {
  stream.socket?.setOption('linger', 0);
  stream.close();
}

/** Resolves with what closed the stream. */
export function closing(stream: IOStream): Promise<Error | null> {
  return new Promise((resolve) => {
    stream.setCloseCallback(resolve);
  });
}

/** A file of `__test__/fixtures`. */
export function fixture(name: string): Buffer {
  // Compiled, this file is in `build/__test__/helpers`.
  return readFileSync(new URL(`../../../__test__/fixtures/${name}`, import.meta.url));
}
