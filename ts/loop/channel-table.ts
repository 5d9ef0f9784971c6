/** The streams of one loop: what a turn brought them, and what they want sent. */
import { capacities } from '../support/capacities.js';
import { nextTick } from '../support/host.js';
import { native, type NativeHandle } from '../boundary/native.js';
import { receiveBlocks } from '../boundary/receive-blocks.js';
import type { Channel } from '../streams/channel.js';
import { SendBatch } from '../boundary/send-batch.js';

const { MODE_STREAM, MODE_RECEIVE, INTEREST_EDGE, INTEREST_VERIFY, READY_LOST } = native;
const FIRST_SIZE = 256;
const READ_WRITE = 0x05;

/** The hooks of the loop that the table calls. */
export interface ChannelTableHooks {
  /** There has to be a turn soon. */
  wake(): void;
  /** Reports an error that none of a stream's reads and writes rejects with. */
  report(error: unknown): void;
  /** This index, which may have been a handler's, is a channel's now. */
  displace(index: number): void;
}

/** The registered channels of one loop, by the core's index. */
export class ChannelTable {
  /** By index: 0 for what is no stream, else what the turn does with it. */
  modes = new Uint8Array(FIRST_SIZE);
  /** Bytes that a turn receives from one stream: one that had so many may have more. */
  readonly receiveBytes = capacities.receiveBytes;
  readonly #native: NativeHandle;
  readonly #hooks: ChannelTableHooks;
  readonly #byIndex: (Channel | undefined)[] = [];
  #size = 0;
  /** Collected at the entry of a turn, the first {@link #count} of them. */
  readonly #ready: (Channel | undefined)[] = [];
  readonly #words: number[] = [];
  #count = 0;
  #delivered = 0;
  /** Channels that have more to do than one turn allows. */
  #continuing: Channel[] = [];
  #batch: SendBatch | null = null;
  #atTickEnd: Channel[] = [];
  #tickEndQueued = false;

  constructor(handle: NativeHandle, hooks: ChannelTableHooks) {
    this.#native = handle;
    this.#hooks = hooks;
  }

  get size(): number {
    return this.#size;
  }

  /** Whether a channel asks for another turn. */
  get isContinuing(): boolean {
    return this.#continuing.length > 0;
  }

  /** The batch that is sent when the running code and its microtasks are done. */
  get batch(): SendBatch {
    if (this.#batch === null) {
      const { sendBytes, sendRecords } = capacities;
      this.#batch = new SendBatch(sendBytes, sendRecords, this.#hooks.report);
    }
    return this.#batch;
  }

  /** Watches a channel: its index, or a negative errno. */
  add(channel: Channel): number {
    const verify = channel.descriptor.isExposed ? INTEREST_VERIFY : 0;
    const interest = READ_WRITE | INTEREST_EDGE | verify;
    const index = native.loopRegister(this.#native, channel.fd, interest);
    if (index < 0) return index;
    if (index >= this.modes.length) this.#grow(index);
    this.displace(index);
    this.#hooks.displace(index);
    this.modes[index] = MODE_STREAM | channel.mode;
    this.#byIndex[index] = channel;
    this.#size += 1;
    return index;
  }

  remove(index: number): void {
    native.loopDeregister(this.#native, index);
    this.modes[index] = 0;
    this.#byIndex[index] = undefined;
    this.#size -= 1;
  }

  /** The number of a channel is known outside from now on. */
  verify(index: number): void {
    native.loopVerify(this.#native, index);
  }

  /** The core has dropped a registration whose number was closed, or is another file's. */
  displace(index: number): void {
    const channel = this.#byIndex[index];
    if (channel === undefined) return;
    this.modes[index] = 0;
    this.#byIndex[index] = undefined;
    this.#size -= 1;
    channel.onLost();
  }

  /** Whether the next turn is to receive for the channel at `index`. */
  setReceiving(index: number, receiving: boolean): void {
    const mode = this.modes[index] as number;
    this.modes[index] = receiving ? mode | MODE_RECEIVE : mode & ~MODE_RECEIVE;
  }

  /** Before a turn: there has to be room for what it receives. */
  prepare(): void {
    if (this.#size > 0) receiveBlocks.reserveTurn();
  }

  /**
   * Takes a ready channel out of the completions. What was received is stored now: a read that
   * starts before {@link dispatch} finds the bytes in the kernel's order.
   */
  collect(index: number, bits: number, result: number): void {
    const channel = this.#byIndex[index];
    const start = receiveBlocks.offset;
    if (result > 0) receiveBlocks.offset = start + result;
    if (channel === undefined) return;
    if ((bits & READY_LOST) !== 0) {
      this.displace(index);
      return;
    }
    channel.collect(bits, result, receiveBlocks.block, start);
    const at = this.#count;
    this.#ready[at] = channel;
    this.#words[2 * at] = bits;
    this.#words[2 * at + 1] = result;
    this.#count = at + 1;
  }

  /**
   * Delivers what was collected, and lets those continue that had more to do than fitted in. After
   * a failure the next call goes on after the channel that failed.
   */
  dispatch(): void {
    this.#continueAll();
    const words = this.#words;
    while (this.#delivered < this.#count) {
      const at = this.#delivered;
      this.#delivered = at + 1;
      const channel = this.#ready[at] as Channel;
      this.#ready[at] = undefined;
      channel.deliver(words[2 * at] as number, words[2 * at + 1] as number);
    }
    this.#count = this.#delivered = 0;
  }

  /** The channel wants to be called in the next turn. */
  continueLater(channel: Channel): void {
    this.#continuing.push(channel);
    this.#hooks.wake();
  }

  /** The channel wants to be called when the running code and its microtasks are done. */
  atTickEnd(channel: Channel): void {
    this.#atTickEnd.push(channel);
    this.queueTickEnd();
  }

  /**
   * Promise reactions run as microtasks after the turn, and what they write is sent together:
   * Node's tick queue is served when there are no more of them.
   */
  queueTickEnd(): void {
    if (this.#tickEndQueued) return;
    // First the effect, then the state: at the end of the stack either may throw.
    nextTick(this.#onTickEnd);
    this.#tickEndQueued = true;
  }

  /** The loop is being closed, and its streams with it. */
  close(): void {
    for (const channel of this.#byIndex.slice()) {
      try {
        channel?.reader.onLoopClosed();
      } catch (error) {
        this.#hooks.report(error);
      }
    }
    this.#byIndex.length = 0;
    this.#ready.length = 0;
    this.#continuing = [];
    this.#count = this.#delivered = 0;
  }

  #continueAll(): void {
    const continuing = this.#continuing;
    if (continuing.length === 0) return;
    this.#continuing = [];
    let next = 0;
    try {
      while (next < continuing.length) (continuing[next++] as Channel).onContinue();
    } finally {
      if (next < continuing.length) {
        this.#continuing = continuing.slice(next).concat(this.#continuing);
      }
    }
  }

  readonly #onTickEnd = (): void => {
    this.#tickEndQueued = false;
    this.#batch?.flush();
    const channels = this.#atTickEnd;
    if (channels.length === 0) return;
    this.#atTickEnd = [];
    for (const channel of channels) {
      try {
        channel.onTickEnd();
      } catch (error) {
        this.#hooks.report(error);
      }
    }
  };

  #grow(index: number): void {
    const larger = new Uint8Array(2 ** (32 - Math.clz32(index)));
    larger.set(this.modes);
    this.modes = larger;
  }
}
