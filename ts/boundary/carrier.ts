/**
 * Values that only the host can pass to another thread: ports, shared memory, and what is transferred.
 * They go by a `MessagePort` beside the lane; a record of the lane has their number, which keeps them
 * in order with the other calls. The port is handed over once, by `postMessageToThread()`.
 *
 * | At the receiver | |
 * | --- | --- |
 * | the port has not come | {@link onCarrier} calls back when it has; calls of the lane are held until then |
 * | the port is here | a message is taken when its record is: it was sent before the record |
 * | the loop is closed | its carriers end, with the messages that no call has taken |
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
import { packageCopy } from './posts.js';

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

  /** To a loop of `thread`. `lane` names the carrier among those of this thread. */
  constructor(thread: number, loop: number, lane: number) {
    // Ids of threads are not used again.
    this.id = threadId * LANES + lane;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.unref();
    handOver(thread, { ioloopCarrier: this.id, copy: packageCopy(), loop, port: port2 });
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
class ReceivingCarrier {
  /** The id of the loop whose calls it has values for. */
  readonly loop: number;
  readonly #port: MessagePort;
  /** Those that came before they were taken, by number. */
  readonly #messages = new Map<number, readonly unknown[]>();

  /** The sender has ended. */
  #isClosed = false;
  readonly #onEnd: () => void;

  /** `onEnd` is called when the sender has ended and all its messages are taken. */
  constructor(port: MessagePort, loop: number, onEnd: () => void) {
    this.loop = loop;
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

  close(): void {
    this.#port.close();
  }

  #endIfTaken(): void {
    if (this.#isClosed && this.#messages.size === 0) this.#onEnd();
  }
}

/** The message that hands a port over. */
interface Arrival {
  readonly ioloopCarrier: number;
  /** The copy of the package whose loop it is. Each copy in the thread gets the message. */
  readonly copy: number;
  /** The id of the loop. */
  readonly loop: number;
  readonly port: MessagePort;
}

/** The carriers that have come to this thread, by id. */
const carriers = new Map<number, ReceivingCarrier>();
const waiting = new Map<number, () => void>();
/** The open loops of this thread that take carriers. */
const loops = new Set<number>();
let isListening = false;

/** A loop of this thread takes carriers from now on. */
export function acceptCarriers(loop: number): void {
  loops.add(loop);
  if (isListening) return;
  isListening = true;
  process.on('workerMessage', (message: unknown) => {
    if (isArrival(message)) arrive(message);
  });
}

/** The program may send messages of its own, and so does another copy of the package. */
function isArrival(message: unknown): message is Arrival {
  const { ioloopCarrier, copy, port } = (message ?? {}) as Partial<Arrival>;
  return typeof ioloopCarrier === 'number' && copy === packageCopy() && port instanceof MessagePort;
}

/** The loop is closed: nothing takes what its carriers have, or bring later. */
export function endCarriers(loop: number): void {
  loops.delete(loop);
  for (const [id, carrier] of carriers) {
    if (carrier.loop !== loop) continue;
    carriers.delete(id);
    carrier.close();
  }
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

function arrive({ ioloopCarrier: id, loop, port }: Arrival): void {
  // The loop is closed, and the sender closes the port; or another instance of the package in this
  // thread has it, as under test frameworks that load modules again.
  if (!loops.has(loop)) return;
  const carrier = new ReceivingCarrier(port, loop, () => carriers.delete(id));
  carriers.set(id, carrier);
  const callback = waiting.get(id);
  waiting.delete(id);
  callback?.();
}

function handOver(thread: number, message: Arrival): void {
  if (thread === threadId) {
    arrive(message);
    return;
  }
  const { postMessageToThread } = workerThreads as Partial<typeof workerThreads>;
  if (postMessageToThread === undefined) {
    throw notCloneable('this runtime passes no ports between threads by itself');
  }
  // A thread that ended now would take the message with it.
  const keepAlive = setTimeout(() => {}, HAND_OVER_MS);
  postMessageToThread(thread, message, [message.port], HAND_OVER_MS).then(
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
