/** The listening sockets of a server. */
import type { Address } from '../sockets/address.js';
import { peekSocket, type Socket } from '../sockets/socket.js';
import { guardOf } from '../loop/internals.js';
import type { IOLoop } from '../loop/ioloop.js';
import { Acceptor, type AcceptCallback } from './acceptor.js';

/** Owns its sockets: those that accept, and those that are only bound. */
export class Listeners {
  readonly #loop: IOLoop;
  readonly #onAccept: AcceptCallback;
  /** Most connections that one turn accepts from a socket. */
  readonly #batch: number;
  readonly #acceptors = new Map<Socket, Acceptor>();
  #bound: Socket[] = [];

  constructor(loop: IOLoop, onAccept: AcceptCallback, batch: number) {
    this.#loop = loop;
    this.#onAccept = onAccept;
    this.#batch = batch;
  }

  /** Whether there is a socket that accepts. */
  get listening(): boolean {
    return this.#acceptors.size > 0;
  }

  /** The addresses of the sockets that accept. */
  get addresses(): Address[] {
    return Array.from(this.#acceptors.keys(), (socket) => socket.localAddress);
  }

  /** As {@link addresses}, for display: nothing is asked of the kernel. */
  get addressTexts(): (string | null)[] {
    return Array.from(this.#acceptors.keys(), (socket) => peekSocket(socket).local);
  }

  /** Whether accepting is paused because descriptors or memory have run out. */
  get paused(): boolean {
    return [...this.#acceptors.values()].some(({ paused }) => paused);
  }

  /** Keeps sockets that do not accept until {@link takeBound}. */
  bind(sockets: readonly Socket[]): void {
    this.#bound.push(...sockets);
  }

  /** The sockets of {@link bind}. */
  get bound(): readonly Socket[] {
    return this.#bound;
  }

  takeBound(): Socket[] {
    return this.#bound.splice(0);
  }

  /**
   * Accepts on `socket`. With `onWaiting`, does not accept, and calls it once when the first
   * connection waits; {@link acceptWaiting} ends that.
   */
  add(socket: Socket, onWaiting: (() => void) | null): void {
    const acceptor = new Acceptor(this.#loop, socket, this.#onAccept, this.#batch);
    acceptor.onLost = (error) => {
      this.#acceptors.delete(socket);
      guardOf(this.#loop).report(null, error);
    };
    acceptor.onWaiting = onWaiting;
    this.#acceptors.set(socket, acceptor);
  }

  acceptWaiting(): void {
    for (const acceptor of this.#acceptors.values()) acceptor.onWaiting = null;
  }

  /** While `isFull` or `isUntaken`, connections wait in the backlog; the first is waited for. */
  regulate(isFull: boolean, isUntaken: boolean): void {
    for (const acceptor of this.#acceptors.values()) {
      acceptor.held = isFull || (isUntaken && acceptor.onWaiting === null);
    }
  }

  /** Accepts what is in the backlogs, unless they are held. Before {@link close}. */
  acceptAll(): void {
    for (const acceptor of this.#acceptors.values()) acceptor.acceptAll();
  }

  /** Closes all sockets. */
  close(): void {
    for (const [socket, acceptor] of this.#acceptors) {
      acceptor.close();
      socket.close();
    }
    this.#acceptors.clear();
    for (const socket of this.takeBound()) socket.close();
  }
}
