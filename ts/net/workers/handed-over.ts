/** The connections that a worker is handed, and their reports to the supervisor. */
import { queueMicrotask } from '../../support/host.js';
import { INTERNALS } from '../../support/internals.js';
import type { DetachedToken } from '../../sockets/detached.js';
import { Socket } from '../../sockets/socket.js';
import { guardOf } from '../../loop/internals.js';
import type { TCPServer } from '../tcp-server.js';
import type { Report } from './messages.js';

export class HandedOver {
  readonly #send: (report: Report) => void;
  #server: TCPServer | null = null;
  #attached: number[] = [];
  #refused: number[] = [];
  #isScheduled = false;

  constructor(send: (report: Report) => void) {
    this.#send = send;
  }

  /** The server that gets the connections. */
  serve(server: TCPServer): void {
    this.#server = server;
    server[INTERNALS].onConnectionClosed = this.#schedule;
  }

  /** Attaches connections. Those that the server does not take go back. */
  receive(tokens: readonly DetachedToken<'socket'>[]): void {
    for (const token of tokens) {
      const server = this.#server;
      if (server === null || server.stopped) this.#refused.push(token.detached);
      else this.#attach(server, token);
    }
    this.#schedule();
  }

  #attach(server: TCPServer, token: DetachedToken<'socket'>): void {
    this.#attached.push(token.detached);
    let socket: Socket;
    try {
      socket = Socket.attach(token);
    } catch {
      // A worker that has ended had attached it, and it was closed with its thread.
      return;
    }
    try {
      server.addConnection(socket);
    } catch (error) {
      socket.close();
      guardOf(server.loop).report(null, error);
    }
  }

  /** One report for what happens in a task. */
  readonly #schedule = (): void => {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(this.#report);
  };

  readonly #report = (): void => {
    this.#isScheduled = false;
    const [attached, refused] = [this.#attached, this.#refused];
    this.#attached = [];
    this.#refused = [];
    const open = this.#server?.connections ?? 0;
    this.#send({ type: 'connections', open, attached, refused });
  };
}
