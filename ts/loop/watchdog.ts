/**
 * The watchdog of one loop: its settings, and the watch while the loop runs.
 *
 * | Settings | Loop | Watch |
 * | --- | --- | --- |
 * | none | any | none |
 * | some | stopped | none |
 * | some | running | from the first turn to the last; see `crates/ioloop-napi/src/watchdog` |
 *
 * The sampler, a worker that takes stacks of the main thread, exists while a loop of the main thread
 * has settings.
 */
import { isMainThread, Worker } from 'node:worker_threads';
import { native, type NativeWatch } from '../boundary/native.js';
import { unsupported } from '../support/errors.js';
import * as host from '../support/host.js';
import { hasLibuv } from './driver.js';

/** A block of the loop, for the action of `IOLoop.setBlockingSignalThreshold()`. */
export interface BlockedReport {
  /** How long the loop was blocked, in seconds; at least the threshold. */
  readonly seconds: number;
  /**
   * The function that blocked, with its place: `name (url:line:column)`. It is the outermost function
   * of the program in {@link stack}. `null` if there is no stack.
   */
  readonly culprit: string | null;
  /** The JavaScript stack of the thread during the block, innermost function first. */
  readonly stack: string | null;
  /** Why there is no stack; `null` if there is one. */
  readonly reason: string | null;
}

/** What follows a block: see the binding. */
export type BlockedAction = 'log' | 'kill' | ((report: BlockedReport) => void);

interface Settings {
  readonly seconds: number;
  readonly action: BlockedAction;
}

/** Writes a report to the console, in the words of the binding's `report.rs`. */
export function logReport({ seconds, culprit, stack, reason }: BlockedReport): void {
  const place = culprit === null ? '' : ` in ${culprit}`;
  const rest = stack === null ? `; no stack: ${reason ?? 'unknown'}` : `\n${stack}`;
  console.error('IOLoop blocked for %s seconds%s%s', seconds.toFixed(3), place, rest);
}

/** Watches one loop. */
export class Watchdog {
  #settings: Settings | null = null;
  #watch: NativeWatch | null = null;
  #isRunning = false;

  /**
   * Watches with these settings from now on, or from the start of the loop.
   *
   * @throws `ERR_IOLOOP_UNSUPPORTED` on a runtime without libuv.
   */
  set(seconds: number, action: BlockedAction): void {
    if (!hasLibuv()) throw unsupported('The detection of a blocked loop', 'It needs Node');
    if (this.#settings === null) Sampler.use();
    this.#settings = { seconds, action };
    this.#end();
    this.#begin();
  }

  /** Ends the watch and forgets the settings. */
  unset(): void {
    if (this.#settings === null) return;
    this.#settings = null;
    this.#end();
    Sampler.unuse();
  }

  /** The loop is about to start. What runs before its first turn is not watched. */
  onStart(): void {
    this.#isRunning = true;
    if (this.#settings !== null) host.setImmediate(this.#begin);
  }

  /** The loop has stopped, or has not started. */
  onStop(): void {
    this.#isRunning = false;
    this.#end();
  }

  readonly #begin = (): void => {
    if (this.#settings === null || !this.#isRunning || this.#watch !== null) return;
    const { seconds, action } = this.#settings;
    const name = typeof action === 'string' ? action : 'report';
    this.#watch = native.watchdogStart(
      seconds,
      name,
      isMainThread,
      (duration, culprit = null, stack = null, reason = null) => {
        if (typeof action === 'function') {
          action({ seconds: duration, culprit, stack, reason });
        }
      },
    );
  };

  #end(): void {
    if (this.#watch !== null) native.watchdogStop(this.#watch);
    this.#watch = null;
  }
}

/** The worker that takes stacks. Only the main thread has one: its stack is the one that can be taken. */
const Sampler = {
  users: 0,
  worker: null as Worker | null,

  use(): void {
    this.users += 1;
    if (!isMainThread || this.users > 1) return;
    const options = { execArgv: [], env: {}, stdout: false, stderr: false };
    // Without the options and preloaded modules of the program: it is not the program's thread.
    this.worker = new Worker(new URL('./stack-sampler.js', import.meta.url), options);
    this.worker.on('error', ignore);
    this.worker.unref();
  },

  unuse(): void {
    this.users -= 1;
    if (this.users > 0) return;
    void this.worker?.terminate();
    this.worker = null;
  },
};

/** Reports go without a stack then, and say so. */
function ignore(): void {}
