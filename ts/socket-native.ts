/**
 * The functions of the core for sockets. Each gives a result of 0 and above, or a negative errno.
 */
import { native as binding } from './native.js';

/** See `crates/ioloop-napi/src/socket.rs`. */
interface SocketBinding {
  socketOpen(domain: number): number;
  socketPair(out: Int32Array): number;
  socketBind(fd: number, address: Uint8Array): number;
  socketConnect(fd: number, address: Uint8Array): number;
  socketListen(fd: number, backlog: number): number;
  socketAccept(fd: number, addressOut: Uint8Array): number;
  socketAddress(fd: number, peer: boolean, out: Uint8Array): number;
  socketTakeError(fd: number): number;
  socketShutdown(fd: number, how: number): number;
  socketGetOption(fd: number, option: number, out: Int32Array): number;
  socketSetOption(fd: number, option: number, value: number): number;
  socketRecv(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  socketSend(fd: number, buffer: Uint8Array, offset: number, length: number): number;
  fdClose(fd: number): void;
}

export const native = binding as unknown as SocketBinding;
