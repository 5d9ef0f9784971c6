/** Listening sockets that a process inherits by `forkProcesses()`. */
import { invalidArgValue, systemError } from '../../support/errors.js';
import { native } from '../../boundary/native.js';
import { Socket } from '../../sockets/socket.js';
import { forkedTask, type InheritedSockets } from './task.js';

/** Identifies a call that binds sockets: the child makes the same call as its parent. */
export function keyOf(...parts: readonly (string | number | null | undefined)[]): string {
  return JSON.stringify(parts.map((part) => part ?? null));
}

/** The sockets that were bound by a call with this key, for its sockets. */
export function rememberCall<S extends readonly Socket[]>(key: string, sockets: S): S {
  const call = { key, sockets };
  for (const socket of sockets) calls.set(socket, call);
  return sockets;
}

/** The sockets that this process inherits for a call with this key, once; `null` if there are none. */
export function takeInherited(key: string): Socket[] | null {
  inherited ??= [...(forkedTask()?.sockets ?? [])];
  const at = inherited.findIndex((call) => call.key === key);
  if (at < 0) return null;
  const [call] = inherited.splice(at, 1) as [InheritedSockets];
  return [...rememberCall(key, call.numbers.map(Socket.fromFd))];
}

/** @throws `ERR_INVALID_ARG_VALUE` for a socket of another origin than a call of this package. */
export function checkOrigin(socket: Socket): void {
  callOf(socket);
}

/**
 * The sockets for a child whose inherited descriptors begin at `first`, and the numbers to pass, in
 * their order.
 */
export function bequeath(
  sockets: readonly Socket[],
  first: number,
): { readonly calls: InheritedSockets[]; readonly numbers: number[] } {
  const whole = new Set(sockets.map(callOf));
  const numbers: number[] = [];
  const heirs = Array.from(whole, ({ key, sockets: bound }) => ({
    key,
    numbers: bound.map((socket) => first + numbers.push(socket.fd) - 1),
  }));
  return { calls: heirs, numbers };
}

/**
 * A second descriptor of an open socket, perhaps one of another thread.
 *
 * @throws `EBADF`, `EMFILE`.
 */
export function duplicateSocket(fd: number): Socket {
  const duplicate = native.fdDuplicate(fd);
  if (duplicate < 0) throw systemError(duplicate, 'dup', { fd });
  return Socket.fromFd(duplicate);
}

interface BindCall {
  readonly key: string;
  readonly sockets: readonly Socket[];
}

const calls = new WeakMap<Socket, BindCall>();
/** Those that were not taken yet; `null` before the first call that binds. */
let inherited: InheritedSockets[] | null = null;

function callOf(socket: Socket): BindCall {
  const call = calls.get(socket);
  if (call !== undefined) return call;
  throw invalidArgValue('sockets', socket, 'sockets of bindSockets() or bindUnixSocket()');
}
