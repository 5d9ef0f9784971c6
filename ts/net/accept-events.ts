/** When a listening socket has connections to accept. */
import type { Context } from '../loop/async-context.js';
import { IOLoop } from '../loop/ioloop.js';
import type { Guard } from '../loop/guard.js';
import { internalsOf } from '../loop/internals.js';
import type { DeferredWork, LoopIO } from '../loop/io.js';
import type { NodeListener } from '../sockets/node-listener.js';
import { NodeSocket } from '../sockets/node-socket.js';
import type { Socket } from '../sockets/socket.js';

/** Calls back in a turn of the loop while connections wait, as a handler for READ. */
export interface AcceptEvents {
  /** Whether it calls back; true at first. @throws If the socket is not open any more. */
  want(wanted: boolean): void;
  close(): void;
}

/** The events of `socket`. @throws As {@link IOLoop.addHandler}. */
export function acceptEvents(loop: IOLoop, socket: Socket, accept: () => void): AcceptEvents {
  if (socket instanceof NodeSocket) return new ListenerEvents(loop, socket, accept);
  return new HandlerEvents(loop, socket, accept);
}

/** By a handler of the loop. */
class HandlerEvents implements AcceptEvents {
  readonly #loop: IOLoop;
  readonly #socket: Socket;

  constructor(loop: IOLoop, socket: Socket, accept: () => void) {
    this.#loop = loop;
    this.#socket = socket;
    loop.addHandler(socket, accept, IOLoop.READ);
  }

  want(wanted: boolean): void {
    this.#loop.updateHandler(this.#socket, wanted ? IOLoop.READ : IOLoop.NONE);
  }

  close(): void {
    this.#loop.removeHandler(this.#socket);
  }
}

/** By `node:net`, which accepts by itself. */
class ListenerEvents implements AcceptEvents, DeferredWork {
  readonly #io: LoopIO;
  readonly #guard: Guard;
  readonly #listener: NodeListener;
  readonly #accept: () => void;
  /** Of the code that has added it, as the context of a handler. */
  readonly #context: Context;
  #isWanted = true;
  #isClosed = false;
  /** Queued for the next turn: the loop's queue holds it once. */
  #isQueued = false;

  constructor(loop: IOLoop, socket: NodeSocket, accept: () => void) {
    const internals = internalsOf(loop);
    this.#io = internals.io;
    this.#guard = internals.guard;
    // As `accept(2)` for a socket that does not listen.
    if (socket.listener === null) socket.accept();
    this.#listener = socket.listener as NodeListener;
    this.#accept = accept;
    this.#context = internals.contextOf('handler', accept);
    this.#listener.onWaiting = () => {
      this.#queue();
    };
    this.#listener.isTaken = true;
    this.#queue();
  }

  want(wanted: boolean): void {
    this.#isWanted = wanted;
    this.#listener.isTaken = wanted;
    this.#queue();
  }

  close(): void {
    this.#isClosed = true;
    this.#listener.onWaiting = null;
    this.#listener.isTaken = false;
  }

  onContinue(): void {
    this.#isQueued = false;
    if (!this.#isReady()) return;
    this.#guard.runHandler(this.#accept, this.#listener, IOLoop.READ, this.#context);
    // The rest of a batch.
    this.#queue();
  }

  onTickEnd(): void {
    // It asks for turns only.
  }

  #queue(): void {
    if (this.#isQueued || !this.#isReady()) return;
    this.#isQueued = true;
    this.#io.continueLater(this);
  }

  #isReady(): boolean {
    return this.#isWanted && !this.#isClosed && this.#listener.isWaiting;
  }
}
