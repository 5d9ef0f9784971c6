/**
 * The listening sockets of a group. They belong to the thread that has called `serveWorkers()`, for
 * as long as the group lives: the kernel resets the connections in the backlog of a listener that is
 * closed, so the listener of a worker outlives it, and its successor finds what waits.
 */
import type { Address } from '../../sockets/address.js';
import type { Socket } from '../../sockets/socket.js';
import { bindSockets, bindUnixSocket, portOf } from '../bind.js';
import type { Balance, ListenAddress } from './group-options.js';
import { Refusal } from './refusal.js';

export class GroupListeners {
  readonly addresses: readonly Address[];
  /** By task. Tasks may share sockets. */
  readonly #ofTask: readonly (readonly Socket[])[];
  readonly #refusal: Refusal;

  /** @throws As `bindSockets()` and `bindUnixSocket()`. No socket is left open then. */
  constructor(listen: readonly ListenAddress[], balance: Balance, workers: number) {
    const ofTask: Socket[][] = Array.from({ length: workers }, () => []);
    this.#ofTask = ofTask;
    try {
      for (const address of listen) add(ofTask, address, balance === 'reuse-port');
    } catch (error) {
      for (const socket of this.all) socket.close();
      throw error;
    }
    this.#refusal = new Refusal(this.all);
    this.addresses = Array.from(ofTask[0] ?? [], (socket) => socket.localAddress);
  }

  /** The sockets of a task. */
  of(taskId: number): readonly Socket[] {
    return this.#ofTask[taskId] ?? [];
  }

  /** All sockets, each once. */
  get all(): Set<Socket> {
    return new Set(this.#ofTask.flat());
  }

  /** Before the workers accept for the last time: see {@link Refusal.begin}. */
  refuseNew(): void {
    this.#refusal.begin();
  }

  close(): void {
    this.#refusal.begin();
    for (const socket of this.all) socket.close();
  }
}

function add(ofTask: Socket[][], where: ListenAddress, isOwn: boolean): void {
  if ('path' in where) {
    const shared = bindUnixSocket(where.path, where);
    for (const sockets of ofTask) sockets.push(shared);
    return;
  }
  const { port, address = null, ...options } = where;
  const first = bindSockets(port, address, { ...options, reusePort: isOwn });
  for (const [id, sockets] of ofTask.entries()) {
    if (id === 0 || !isOwn) {
      sockets.push(...first);
      continue;
    }
    // The port that the system has chosen for the first one.
    const same = portOf(first[0] as Socket);
    sockets.push(...bindSockets(same, address, { ...options, reusePort: true }));
  }
}
