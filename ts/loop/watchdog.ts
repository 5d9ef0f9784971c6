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
import { backend, capabilities } from '../boundary/capabilities.js';
import { unsupportedBy } from '../boundary/unsupported.js';
import { isMainThread, Worker } from 'node:worker_threads';
import { native, type NativeWatch } from '../boundary/native.js';
import { environment } from '../support/environment.js';
import { systemError, unsupported } from '../support/errors.js';
import * as host from '../support/host.js';
import { hasLibuv } from '../support/environment.js';
import { OWN_URL } from '../support/own-url.js';

/** A block of the loop, for the action of `IOLoop.setBlockingSignalThreshold()`. */
export interface BlockedReport {
  /**
   * How long the loop was blocked, in seconds; at least the threshold. Without the time in which its
   * thread waited for a CPU (Linux).
   */
  readonly seconds: number;
  /**
   * The function that blocked, with its place: `name (url:line:column)`. It is the outermost function
   * of the program in {@link stack}. `null` if there is none.
   */
  readonly culprit: string | null;
  /** The JavaScript stack of the thread during the block, innermost function first. */
  readonly stack: string | null;
  /**
   * In debug mode, where the function was handed to the loop: `timeout name, registered at function
   * (url:line:column)`. `null` otherwise, and if {@link isExact} is false.
   */
  readonly origin: string | null;
  /** Why there is no stack; `null` if there is one. */
  readonly reason: string | null;
  /**
   * The system call that the thread was in, as `read of descriptor 23`, if it was in a native
   * function. `null` otherwise, and where it is not known (macOS).
   */
  readonly systemCall: string | null;
  /**
   * Whether the lines of the stack are those that ran. Otherwise they are those where the functions
   * begin: the stack was sampled, because the thread is a worker or was in a native function.
   */
  readonly isExact: boolean;
}

/** What follows a block: see the binding. */
export type BlockedAction = 'log' | 'kill' | ((report: BlockedReport) => unknown);

interface Settings {
  readonly seconds: number;
  readonly action: BlockedAction;
}

/** Writes a report to the console, in the words of the binding's `report.rs`. */
export function logReport(report: BlockedReport): void {
  const { seconds, culprit, stack, origin, reason, systemCall, isExact } = report;
  const place = culprit === null ? '' : ` in ${culprit}`;
  const call = systemCall === null ? '' : `, in the system call ${systemCall}`;
  const from = origin === null ? '' : `; ${origin}`;
  const note = isExact ? '' : '; functions by their first line';
  const rest = stack === null ? `; no stack: ${reason ?? 'unknown'}` : `${note}\n${stack}`;
  console.error('IOLoop blocked for %s seconds%s', seconds.toFixed(3), place + call + from + rest);
}

/** Watches one loop. */
export class Watchdog {
  /** The blocks that were reported. */
  blocks = 0;

  readonly #onBlocked: (report: BlockedReport) => void;
  readonly #onFailure: (error: unknown) => void;
  #settings: Settings | null = null;
  #watch: NativeWatch | null = null;
  #isRunning = false;

  /**
   * `onBlocked` is called after a block, before the action; `onFailure` if a watch cannot begin with
   * the loop, which runs without it.
   */
  constructor(onBlocked: (report: BlockedReport) => void, onFailure: (error: unknown) => void) {
    this.#onBlocked = onBlocked;
    this.#onFailure = onFailure;
  }

  /**
   * Watches with these settings from now on, or from the start of the loop.
   *
   * @throws `ERR_IOLOOP_UNSUPPORTED` on a runtime without libuv; `EAGAIN` if the loop runs and no
   * thread can be started. Nothing has changed then.
   */
  set(seconds: number, action: BlockedAction): void {
    if (!capabilities.watchdog) throw unsupportedBy('watchdog', backend);
    if (!hasLibuv()) throw unsupported('The detection of a blocked loop', 'It needs Node');
    const settings = { seconds, action };
    const watch = this.#isRunning ? this.#start(settings) : null;
    if (this.#settings === null) Sampler.use();
    this.#settings = settings;
    this.#end();
    this.#watch = watch;
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
    try {
      this.#watch = this.#start(this.#settings);
    } catch (error) {
      this.#onFailure(error);
    }
  };

  #start({ seconds, action }: Settings): NativeWatch {
    const watch = native.watchdogStart(
      seconds,
      typeof action === 'string' ? action : 'report',
      isMainThread,
      OWN_FOLDER,
      (duration, culprit, stack, origin, reason, systemCall, isExact) => {
        this.blocks += 1;
        const report = Object.freeze({
          seconds: duration,
          culprit: culprit ?? null,
          stack: stack ?? null,
          origin: origin ?? null,
          reason: reason ?? null,
          systemCall: systemCall ?? null,
          isExact,
        });
        this.#onBlocked(report);
        if (typeof action === 'function') action(report);
      },
    );
    if (typeof watch === 'number') throw systemError(watch, 'pthread_create');
    return watch;
  }

  #end(): void {
    if (this.#watch !== null) native.watchdogStop(this.#watch);
    this.#watch = null;
  }
}

/** The places of this package's functions begin with it. */
const OWN_FOLDER = new URL('.', OWN_URL).href;

/** The worker that takes stacks. Only the main thread has one: its stack is the one that can be taken. */
const Sampler = {
  users: 0,
  worker: null as Worker | null,

  use(): void {
    this.users += 1;
    if (!isMainThread || this.users > 1) return;
    // Without the options and preloaded modules of the program: it is not the program's thread. It
    // has the same binary, whose watchdog it serves.
    const options = { execArgv: [], env: ofBinary(), stdout: false, stderr: false };
    try {
      this.worker = new Worker(new URL('./stack-sampler.js', OWN_URL), options);
      this.worker.on('error', ignore);
      this.worker.unref();
    } catch {
      // No thread can be started: all stacks are sampled.
    }
  },

  unuse(): void {
    this.users -= 1;
    if (this.users > 0) return;
    void this.worker?.terminate();
    this.worker = null;
  },
};

/** The variable that chooses another binary. */
function ofBinary(): NodeJS.ProcessEnv {
  const path = environment('NAPI_RS_NATIVE_LIBRARY_PATH');
  return path === undefined ? {} : { NAPI_RS_NATIVE_LIBRARY_PATH: path };
}

/** Reports go without a stack then, and say so. */
function ignore(): void {}
