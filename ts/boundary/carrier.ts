/**
 * Values that only the host can pass to another thread: ports, shared memory, and what is transferred.
 * They go by a `MessagePort` beside the lane; a record of the lane has their number, which keeps them
 * in order with the other calls. The port is handed over once, by `postMessageToThread()`.
 *
 * | At the receiver | |
 * | --- | --- |
 * | the port has not come | {@link onCarrier} calls back when it has; calls of the lane are held until then |
 * | the port is here | a message is taken when its record is: it was sent before the record |
 */
import workerThreads, {
  MessageChannel,
  MessagePort,
  receiveMessageOnPort,
  threadId,
  type Transferable,
} from 'node:worker_threads';
import { notCloneable } from '../support/errors.js';
import { clearTimeout, setTimeout } from '../support/host.js';

/** What a carrier sends. */
interface Message {
  readonly number: number;
  readonly values: readonly unknown[];
}

/** The sending end of a carrier. Keeps no process alive. */
export class SendingCarrier {
  /** Names the carrier in the process. */
  readonly id: number;
  readonly #port: MessagePort;
  #last = 0;

  /** `lane` names the carrier among those of this thread. */
  constructor(thread: number, lane: number) {
    // Ids of threads are not used again.
    this.id = threadId * LANES + lane;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.unref();
    handOver(thread, this.id, port2);
  }

  /**
   * Sends values, and returns their number. Those of `list` are transferred.
   *
   * @throws `ERR_IOLOOP_NOT_CLONEABLE`: nothing is sent or transferred.
   */
  send(values: readonly unknown[], list: readonly Transferable[]): number {
    const nextNumber = (): number => (this.#last += 1);
    const message: Message = {
      values,
      // Read after the values, whose getters may send a message before this one.
      get number() {
        return nextNumber();
      },
    };
    try {
      this.#port.postMessage(message, list);
    } catch (error) {
      throw notCloneable(error);
    }
    return this.#last;
  }

  close(): void {
    this.#port.close();
  }
}

/** The receiving end of a carrier. Keeps no process alive. */
export class ReceivingCarrier {
  readonly #port: MessagePort;
  /** Those that came before they were taken, by number. */
  readonly #messages = new Map<number, readonly unknown[]>();

  /** The sender has ended. */
  #isClosed = false;
  readonly #onEnd: () => void;

  /** `onEnd` is called when the sender has ended and all its messages are taken. */
  constructor(port: MessagePort, onEnd: () => void) {
    this.#port = port;
    this.#onEnd = onEnd;
    port.on('message', ({ number, values }: Message) => this.#messages.set(number, values));
    port.on('close', () => {
      this.#isClosed = true;
      this.#endIfTaken();
    });
    port.unref();
  }

  /** Values by their number, once. Those of smaller numbers belong to calls that were refused. */
  take(number: number): readonly unknown[] {
    for (;;) {
      const received = receiveMessageOnPort(this.#port) as { message: Message } | undefined;
      if (received === undefined) break;
      this.#messages.set(received.message.number, received.message.values);
    }
    const values = this.#messages.get(number);
    for (const known of this.#messages.keys()) if (known <= number) this.#messages.delete(known);
    this.#endIfTaken();
    if (values === undefined) throw notCloneable('its message was lost');
    return values;
  }

  #endIfTaken(): void {
    if (this.#isClosed && this.#messages.size === 0) this.#onEnd();
  }
}

/** The carriers that have come to this thread, by id. */
const carriers = new Map<number, ReceivingCarrier>();
const waiting = new Map<number, () => void>();
let isListening = false;

/** This thread takes carriers from now on. */
export function acceptCarriers(): void {
  if (isListening) return;
  isListening = true;
  process.on('workerMessage', (message: unknown) => {
    const { ioloopCarrier: id, port } = (message ?? {}) as {
      ioloopCarrier?: unknown;
      port?: unknown;
    };
    if (typeof id === 'number' && port instanceof MessagePort) arrive(id, port);
  });
}

/** The carrier of an id; `null` if it has not come. */
export function carrierOf(id: number): ReceivingCarrier | null {
  return carriers.get(id) ?? null;
}

/** Calls back, once, when the carrier has come. */
export function onCarrier(id: number, callback: () => void): void {
  waiting.set(id, callback);
}

/** The callback of {@link onCarrier} is not called any more. */
export function offCarrier(id: number): void {
  waiting.delete(id);
}

function arrive(id: number, port: MessagePort): void {
  const carrier = new ReceivingCarrier(port, () => carriers.delete(id));
  carriers.set(id, carrier);
  const callback = waiting.get(id);
  waiting.delete(id);
  callback?.();
}

function handOver(thread: number, id: number, port: MessagePort): void {
  if (thread === threadId) {
    arrive(id, port);
    return;
  }
  const { postMessageToThread } = workerThreads as Partial<typeof workerThreads>;
  if (postMessageToThread === undefined) {
    throw notCloneable('this runtime passes no ports between threads by itself');
  }
  // A thread that ended now would take the message with it.
  const keepAlive = setTimeout(() => {}, HAND_OVER_MS);
  const message = { ioloopCarrier: id, port };
  postMessageToThread(thread, message, [port], HAND_OVER_MS).then(
    () => {
      clearTimeout(keepAlive);
    },
    () => {
      // The thread has ended, and its loop with it, or is blocked.
      clearTimeout(keepAlive);
    },
  );
}

/** Until a port has come. It is lost if the thread of the sender was terminated at once. */
export const HAND_OVER_MS = 10_000;

/** More than the loops that a thread calls. */
const LANES = 2 ** 32;
