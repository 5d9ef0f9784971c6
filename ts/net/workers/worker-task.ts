/** `WorkerTask`: what the program of a worker has to do with its group. */
import { checkFunction } from '../../support/checks.js';
import { invalidArgType, serverState, workersState } from '../../support/errors.js';
import type { IOLoop } from '../../loop/ioloop.js';
import { Socket } from '../../sockets/socket.js';
import { TCPServer } from '../tcp-server.js';
import { duplicateSocket } from './inherited.js';
import type { Beginning } from './messages.js';

/**
 * The program of a worker: the default export of its module. The worker is ready when it has called
 * {@link WorkerTask.listen}, or else when its promise is resolved.
 */
export type WorkerMain<D = unknown> = (task: WorkerTask<D>) => unknown;

/**
 * `main`, with the types of a {@link WorkerMain}:
 *
 * ```js
 * export default defineWorker(({ listen }) => listen(new TCPServer(handleStream)));
 * ```
 *
 * @throws `ERR_INVALID_ARG_TYPE`.
 */
export function defineWorker<D = unknown>(main: WorkerMain<D>): WorkerMain<D> {
  checkFunction('main', main);
  return main;
}

/** The argument of a {@link WorkerMain}. `D` is the type of the option `data`. */
export class WorkerTask<D = unknown> {
  /** The id of the worker, from 0 to {@link workers} - 1. */
  readonly taskId: number;
  /** The number of workers of the group. */
  readonly workers: number;
  /** The current loop of the worker. It runs; the worker ends when it is stopped. */
  readonly loop: IOLoop;
  /** A copy of the option `data`. */
  readonly data: D;
  /**
   * Aborts when the worker is to end. Its servers have stopped to accept then, and are drained; end
   * here what does not end by itself, such as subscriptions.
   */
  readonly signal: AbortSignal;
  readonly #beginning: Beginning;
  readonly #isThread: boolean;
  readonly #onListen: (server: TCPServer) => void;
  #isTaken = false;

  /** @internal */
  constructor(
    beginning: Beginning,
    loop: IOLoop,
    signal: AbortSignal,
    isThread: boolean,
    onListen: (server: TCPServer) => void,
  ) {
    this.taskId = beginning.id;
    this.workers = beginning.workers;
    this.loop = loop;
    this.data = beginning.data as D;
    this.signal = signal;
    this.#beginning = beginning;
    this.#isThread = isThread;
    this.#onListen = onListen;
    // For `({ listen }) => listen(server)`.
    this.listen = this.listen.bind(this);
  }

  /**
   * Gives the connections of the group that are for this worker to `server`, which is stopped with
   * `drain` when the worker is to end. So are other servers of the worker, which listen by themselves.
   * Connections of a server that was stopped before are waited for as well.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_IOLOOP_WORKERS` for a second server, or if the group does not
   * listen; `ERR_IOLOOP_SERVER` if `server` was stopped.
   */
  listen(server: TCPServer): void {
    const { listeners, isListening, isHandedOver } = this.#beginning;
    if (!isListening) {
      throw workersState('The group does not listen. Pass the option "listen" to serveWorkers()');
    }
    if (!(server instanceof TCPServer)) throw invalidArgType('server', server, 'a TCPServer');
    if (server.stopped) throw serverState('The server was stopped. Make another one');
    if (this.#isTaken) throw workersState('Another server has the connections of this worker');
    // It came too late: the next worker gets them.
    if (this.signal.aborted) return;
    this.#isTaken = true;
    if (!isHandedOver) {
      const open = this.#isThread ? duplicateSocket : Socket.fromFd;
      server.addSockets(listeners.map(open));
    }
    this.#onListen(server);
  }
}
