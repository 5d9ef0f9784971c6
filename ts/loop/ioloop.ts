/** The event loop, with Tornado's surface and Node's manners. */
import { argumentsFrom, fewArguments } from './arguments.js';
import { capture } from './async-context.js';
import type { Callback } from './callback-queue.js';
import { epochSeconds, guardedClock } from './clock.js';
import { CurrentSlot } from './current.js';
import { checkFunction, checkSeconds, isThenable } from '../support/checks.js';
import { Deferred } from '../support/deferred.js';
import { INTERNALS } from '../support/internals.js';
import { secondsOf, type Duration } from '../support/duration.js';
import { Engine } from './engine.js';
import {
  closedLoop,
  currentExists,
  invalidArgType,
  invalidArgValue,
  invalidSubclass,
  runningLoop,
  unsupported,
} from '../support/errors.js';
import { closeFd, fdOf, isClosedFile, type FdLike } from '../sockets/fd.js';
import { Future } from './future.js';
import { ERROR_OR_HANG_UP, NONE, PRI, READ, WRITE } from '../boundary/readiness.js';
import { Guard, settled } from './guard.js';
import { native } from '../boundary/native.js';
import { chooseDriver, type Driver } from './driver.js';
import { runSync, type Main } from './run-sync.js';
import type { LoopInternals } from './internals.js';
import { Timeout } from './timeouts.js';

/** How to make an {@link IOLoop}. */
export interface IOLoopOptions {
  /**
   * Whether the loop becomes current: `true` always tries and throws when there is a current loop
   * already, `false` never does. By default it does when there is none.
   */
  readonly makeCurrent?: boolean | undefined;
  /**
   * The loop's clock, in seconds; the reference point is yours. By default
   * `Date.now() / 1000` as of the start of the process, going on monotonically.
   *
   * It may step, in either direction: the loop notices with its next turn, which adding a callback
   * or a timeout causes. What it throws, or gives that is no finite number, is reported to
   * `handleCallbackException`, at first once a second and then less often, and the last good time
   * stands in.
   */
  readonly timeFunc?: (() => number) | undefined;
}

/** A class of loops, as {@link IOLoop.configure} takes it. */
export type IOLoopClass = new (options?: IOLoopOptions) => IOLoop;

/** What `runSync` may be told besides the function. */
export interface RunSyncOptions {
  /** The longest the function may take, in seconds or as a duration. By default for ever. */
  readonly timeout?: number | Duration | undefined;
}

/**
 * A level-triggered I/O loop: epoll on Linux, kqueue on macOS and the BSDs, `poll(2)` elsewhere.
 *
 * The loop is a guest in Node's own: while it runs, promises, `fetch`, `http`, `fs` and Node's
 * timers go on working. Nothing blocks the JavaScript thread; {@link start} and {@link runSync}
 * return promises.
 *
 * Everything belongs to the thread that made it. A worker makes its own loops.
 */
export class IOLoop implements AsyncDisposable {
  /** No interest: the handler hears of errors and hang-up only. */
  static readonly NONE = NONE;
  /** Data to read, a connection to accept, or the end of the stream. */
  static readonly READ = READ;
  /**
   * An exceptional condition, `EPOLLPRI` (Linux): TCP urgent data, a change of a file in sysfs, a
   * trigger of PSI. Ask for it alone where the file is always readable, as in sysfs and procfs; read
   * such a file from its start in the handler, which clears the condition.
   *
   * Some files report a condition to the first question only: `/proc/self/mounts` and PSI triggers.
   * The loop's epoll set is watched by Node's, and both ask, so that such a report may be lost. Watch
   * these files with a program of their own, or poll them.
   */
  static readonly PRI = PRI;
  /** Room to write, or a connection attempt that has ended. */
  static readonly WRITE = WRITE;
  /** An error (0x08) or a hang-up (0x10). Reported whatever one asks for. */
  static readonly ERROR = ERROR_OR_HANG_UP;

  static readonly #current = new CurrentSlot<IOLoop>();
  static #configured: { readonly impl: IOLoopClass; readonly options: IOLoopOptions } | null = null;

  // Definite: the constructor sets them, or returns another loop that has them set.
  readonly #time!: () => number;
  readonly #driver!: Driver;
  readonly #engine!: Engine;
  #closed = false;
  /** Resolved when the running loop has stopped. */
  #finished: Promise<void> | null = null;
  #stopRequested = false;

  /**
   * @throws `ERR_IOLOOP_CURRENT_EXISTS` when `makeCurrent` is true and there is a current loop;
   * `ERR_INVALID_ARG_TYPE` for options of a wrong type; `ERR_INVALID_ARG_VALUE` when `timeFunc`
   * gives no finite number, or what it throws; `EMFILE` and the like, as a loop needs three
   * descriptors. Nothing is left open then.
   */
  constructor(options: IOLoopOptions = {}) {
    const configured = new.target === IOLoop ? IOLoop.#configured : null;
    const merged = { ...configured?.options, ...options };
    // As documented for configurable classes: the base class makes what it was told to make.
    if (configured !== null && configured.impl !== IOLoop) return new configured.impl(merged);
    const { makeCurrent, timeFunc = epochSeconds } = merged;
    if (typeof timeFunc !== 'function') throw invalidArgType('timeFunc', timeFunc, 'a function');
    if (makeCurrent !== undefined && typeof makeCurrent !== 'boolean') {
      throw invalidArgType('makeCurrent', makeCurrent, 'a boolean');
    }
    const current = IOLoop.#current.loop;
    if (makeCurrent === true && current !== null) throw currentExists();
    this.#driver = chooseDriver();
    const guard = new Guard((callback, error) => {
      this.handleCallbackException(callback, error);
    });
    const isSteady = timeFunc === epochSeconds;
    this.#time = isSteady ? timeFunc : guardedClock(timeFunc, guard);
    this.#engine = new Engine({
      driver: this.#driver,
      guard,
      time: this.#time,
      isSteady,
      enter: () => this.#enter(),
    });
    if (makeCurrent ?? current === null) this.makeCurrent();
  }

  /**
   * The current loop of this thread: the one that is running, or was marked by
   * {@link makeCurrent}. Without one, makes it; with `false`, gives `null`.
   */
  static current(instance?: true): IOLoop;
  static current(instance: false): IOLoop | null;
  static current(instance = true): IOLoop | null {
    const slot = IOLoop.#current;
    if (slot.loop !== null || !instance) return slot.loop;
    const loop = new IOLoop();
    // A configured class may have been told not to become current by itself.
    slot.loop ??= loop;
    return slot.loop;
  }

  /** Clears the current loop of this thread, as test frameworks do between tests. */
  static clearCurrent(): void {
    IOLoop.#current.loop = null;
  }

  /** @deprecated Alias of {@link IOLoop.current}. */
  static instance(): IOLoop {
    return IOLoop.current();
  }

  /** @deprecated Whether there is a current loop: `IOLoop.current(false) !== null`. */
  static initialized(): boolean {
    return IOLoop.#current.loop !== null;
  }

  /** @deprecated Alias of {@link IOLoop.clearCurrent}. */
  static clearInstance(): void {
    IOLoop.clearCurrent();
  }

  /**
   * Chooses the class that `new IOLoop()` and {@link IOLoop.current} make, and options that their
   * own are merged over. They do not apply when a subclass is constructed by its name. `null`
   * returns to `IOLoop` itself.
   *
   * @throws `ERR_IOLOOP_SUBCLASS` when `impl` is neither `IOLoop` nor a subclass of it.
   */
  static configure(impl: IOLoopClass | null, options: IOLoopOptions = {}): void {
    if (impl === null) {
      IOLoop.#configured = null;
      return;
    }
    if (impl !== IOLoop && !(typeof impl === 'function' && impl.prototype instanceof IOLoop)) {
      throw invalidSubclass(impl);
    }
    IOLoop.#configured = { impl, options };
  }

  /** Makes this the current loop of its thread, whichever was before. */
  makeCurrent(): void {
    this.#assertOpen();
    IOLoop.#current.loop = this;
  }

  /** @deprecated Alias of {@link makeCurrent}. */
  install(): void {
    this.makeCurrent();
  }

  /** The system call that readiness comes from. */
  get backend(): 'epoll' | 'kqueue' | 'poll' {
    return native.backend() as 'epoll' | 'kqueue' | 'poll';
  }

  /** Who wakes this loop; see `IOLOOP_DRIVER` in the README. */
  get driver(): Driver {
    return this.#driver;
  }

  /** Whether the loop runs: from {@link start} until its promise is settled. */
  get running(): boolean {
    return this.#engine.running;
  }

  /** Whether the loop was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Starts the loop. The promise resolves when {@link stop} was called and the turn it fell in
   * is complete. The first turn begins after the caller's code has finished, never within.
   *
   * While it runs the loop keeps the process alive, even with nothing registered, and is the
   * current loop; then the one before is current again.
   *
   * Rejects with `ERR_IOLOOP_RUNNING` while it runs, `ERR_IOLOOP_CLOSED` after {@link close}; the
   * loop is unchanged then. Likewise with `EMFILE` and the like: the thread driver needs three
   * descriptors. After a {@link stop} that came first it resolves at once and runs nothing.
   */
  async start(): Promise<void> {
    this.#assertStartable();
    if (this.#stopRequested) {
      this.#stopRequested = false;
      return;
    }
    const slot = IOLoop.#current;
    const { promise, resolve } = new Deferred();
    this.#engine.start(resolve);
    this.#finished = promise;
    slot.enter(this);
    try {
      await promise;
    } finally {
      this.#finished = null;
      slot.leave(this);
    }
  }

  /**
   * Stops the loop with the end of the current turn: what was collected for it still runs, what
   * was added meanwhile waits for the next {@link start}. Called while the loop sleeps (from
   * Node's own callbacks and signal handlers), one more turn runs. When the loop does not run,
   * the next {@link start} resolves at once; several calls count as one. After {@link close} it
   * does nothing.
   */
  stop(): void {
    if (this.#closed) return;
    if (this.#engine.running) this.#engine.stop();
    else this.#stopRequested = true;
  }

  /**
   * Frees what the loop holds; callbacks and timeouts that are left never run. Streams are closed:
   * what waits for them rejects. With `allFds` everything that has a handler is closed too, by
   * {@link closeFd}. A closed loop is no longer current. Closing again does nothing. What fails
   * meanwhile is reported to {@link handleCallbackException}, and the rest is closed all the same.
   *
   * @throws `ERR_IOLOOP_RUNNING` while the loop runs: call {@link stop} and await {@link start}
   * first.
   */
  close(options: { readonly allFds?: boolean | undefined } = {}): void {
    if (this.#closed) return;
    if (this.#engine.running) throw runningLoop('close');
    const sources = options.allFds === true ? this.#engine.handlers.files() : [];
    this.#closed = true;
    this.#engine.close();
    for (const source of sources) {
      this.#engine.guard.attempt(() => {
        this.closeFd(source);
      });
    }
  }

  /** Stops the loop when it runs, waits for it, and closes it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#engine.running) this.stop();
    await this.#finished;
    this.close();
  }

  /**
   * Starts the loop, runs `func`, and stops the loop; resolves to what the function's promise
   * resolves to, and rejects with what it throws or rejects with.
   *
   * `func` returns a promise, `undefined` or `null`; anything else rejects with
   * `ERR_IOLOOP_BAD_YIELD`. When `timeout` expires, the `AbortSignal` that `func` was given
   * aborts, `func` may take as long again to end in order if it takes the signal (one turn if it
   * does not), and the result is a `TimeoutError`. A function that is done in time succeeds even
   * if it blocked the thread for longer.
   *
   * Rejects with `ERR_IOLOOP_RUNNING` when the loop runs already (nothing is queued then), with
   * `ERR_IOLOOP_STOPPED` when somebody else stops the loop, and with `ERR_IOLOOP_CLOSED`.
   */
  async runSync<T>(
    func: (signal: AbortSignal) => PromiseLike<T>,
    options?: RunSyncOptions,
  ): Promise<T>;
  async runSync(
    func: (signal: AbortSignal) => null | undefined | void,
    options?: RunSyncOptions,
  ): Promise<undefined>;
  async runSync<T>(func: Main<T>, options: RunSyncOptions = {}): Promise<T | undefined> {
    checkFunction('func', func);
    const { timeout } = options;
    const seconds = timeout === undefined ? null : secondsOf(timeout, 'timeout');
    this.#assertStartable();
    return runSync(this, func, seconds);
  }

  /**
   * Calls `handler(fd, events)` while `fd` is ready for one of `events` (level-triggered: what
   * is left unread is reported again in the next turn). `fd` comes as it was passed here.
   * `events` is a union of {@link IOLoop.READ}, {@link IOLoop.WRITE}, {@link IOLoop.PRI} and
   * {@link IOLoop.ERROR}; errors and hang-up are always reported. Several bits are one call. The handler runs in the
   * async context of this call.
   *
   * The loop does not close `fd`, nor make it non-blocking: call {@link removeHandler} before you
   * close it. A number that was closed without that, and opened anew, does not call the handler: its
   * registration is dropped. A {@link Socket} that is closed drops it at once. Node reads its own streams ahead (a child's `stdout`, a `net.Socket`); with a handler for
   * READ it stops doing so until the handler is removed.
   *
   * @throws `ERR_IOLOOP_FD_REGISTERED` when `fd` has a handler, which stays; `EPERM` for files,
   * directories and `/dev/null`, which are always ready: use `fs`; `EBADF` for a closed descriptor;
   * `ERR_IOLOOP_FD_BUSY` for READ of one of Node's own streams that is consumed, or has data;
   * `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE` for what is none;
   * `ERR_IOLOOP_CLOSED`. Nothing is registered then.
   */
  addHandler<F extends FdLike>(
    fd: F,
    handler: (fd: F, events: number) => unknown,
    events: number,
  ): void {
    this.#assertOpen();
    checkFunction('handler', handler);
    const interest = checkEvents(events);
    const [number, source] = this.splitFd(fd);
    this.#engine.handlers.add(number, source, handler as Callback, interest);
  }

  /**
   * Changes the events that are listened for. Also for what this turn has collected already.
   *
   * @throws `ERR_IOLOOP_FD_UNKNOWN` when `fd` has no handler, or was closed meanwhile; further as
   * {@link addHandler}.
   */
  updateHandler(fd: FdLike, events: number): void {
    this.#assertOpen();
    const interest = checkEvents(events);
    this.#engine.handlers.update(this.splitFd(fd)[0], interest);
  }

  /**
   * Stops listening. The handler is not called any more, not even for what this turn has
   * collected. Does nothing when there is none. An object that was closed before is known by
   * itself, as it has no number any more.
   */
  removeHandler(fd: FdLike): void {
    if (this.#closed) return;
    const { handlers } = this.#engine;
    if (isClosedFile(fd)) handlers.removeFile(fd);
    else handlers.remove(this.splitFd(fd)[0]);
  }

  /**
   * Calls `callback(...args)` in the next turn, in the order of adding, in the async context of
   * this call. When it returns a promise, its rejection goes to {@link handleCallbackException}.
   * After {@link close} it is silently dropped.
   */
  addCallback<A extends unknown[]>(callback: (...args: A) => unknown, ...args: A): void;
  addCallback(callback: Callback, first?: unknown, second?: unknown): void {
    checkFunction('callback', callback);
    if (this.#closed) return;
    const count = arguments.length - 1;
    const args = count <= 2 ? fewArguments(count, first, second) : argumentsFrom(1, arguments);
    this.#engine.addCallback(callback, args, capture());
  }

  /**
   * {@link addCallback} outside the caller's async context. Node runs signal handlers on its loop,
   * so that all methods are safe in them; this one does not inherit what they interrupted.
   */
  addCallbackFromSignal<A extends unknown[]>(callback: (...args: A) => unknown, ...args: A): void;
  addCallbackFromSignal(callback: Callback, first?: unknown, second?: unknown): void {
    checkFunction('callback', callback);
    if (this.#closed) return;
    const count = arguments.length - 1;
    const args = count <= 2 ? fewArguments(count, first, second) : argumentsFrom(1, arguments);
    this.#engine.addCallback(callback, args, null);
  }

  /** {@link addCallback} outside the caller's async context: fire and forget. */
  spawnCallback<A extends unknown[]>(callback: (...args: A) => unknown, ...args: A): void {
    this.addCallbackFromSignal(callback, ...args);
  }

  /**
   * Calls `callback(future)` on the loop when `future`, a promise or any thenable, is settled:
   * always in a later turn. The callback takes the result, or the failure, out of the settled
   * {@link Future}. It is dropped when the loop is closed meanwhile.
   *
   * @throws `ERR_INVALID_ARG_TYPE` when `future` is no promise, `ERR_IOLOOP_CLOSED`.
   */
  addFuture<T>(future: PromiseLike<T>, callback: (future: Future<T>) => unknown): void {
    checkFunction('callback', callback);
    if (!isThenable(future)) throw invalidArgType('future', future, 'a promise');
    this.#assertOpen();
    settled(
      future,
      (value: T) => {
        this.addCallback(callback, Future.resolved(value));
      },
      (reason) => {
        this.addCallback(callback, Future.rejected<T>(reason));
      },
    );
  }

  /**
   * Calls `callback(...args)` at `deadline`: a number on the scale of {@link time}, or a duration
   * from now. Timeouts that are due in the same turn run by (deadline, insertion); one whose
   * deadline is past runs in the next turn; one at +Infinity never runs. Deadlines may be years
   * away. Gives a handle for {@link removeTimeout}.
   *
   * @throws `ERR_INVALID_ARG_TYPE` for NaN and what is neither number nor duration,
   * `ERR_IOLOOP_CLOSED`.
   */
  addTimeout<A extends unknown[]>(
    deadline: number | Duration,
    callback: (...args: A) => unknown,
    ...args: A
  ): Timeout {
    if (typeof deadline === 'number') return this.callAt(deadline, callback, ...args);
    return this.callAt(this.time() + secondsOf(deadline, 'deadline'), callback, ...args);
  }

  /** Calls `callback(...args)` at `when`, on the scale of {@link time}; see {@link addTimeout}. */
  callAt<A extends unknown[]>(when: number, callback: (...args: A) => unknown, ...args: A): Timeout;
  callAt(when: number, callback: Callback, first?: unknown, second?: unknown): Timeout {
    checkSeconds('when', when);
    checkFunction('callback', callback);
    this.#assertOpen();
    const count = arguments.length - 2;
    const args = count <= 2 ? fewArguments(count, first, second) : argumentsFrom(2, arguments);
    return this.#engine.addTimeout(when, callback, args, capture());
  }

  /** Calls `callback(...args)` after `delay` seconds; see {@link addTimeout}. */
  callLater<A extends unknown[]>(
    delay: number,
    callback: (...args: A) => unknown,
    ...args: A
  ): Timeout;
  callLater(delay: number, callback: Callback, first?: unknown, second?: unknown): Timeout {
    checkSeconds('delay', delay);
    const when = this.time() + delay;
    const count = arguments.length - 2;
    // A subclass may have a callAt of its own; it sees as many arguments as there are.
    if (count <= 0) return this.callAt(when, callback);
    if (count === 1) return this.callAt(when, callback, first as never);
    if (count === 2) return this.callAt(when, callback, first as never, second as never);
    return this.callAt(when, callback, ...(argumentsFrom(2, arguments) as never[]));
  }

  /**
   * Cancels a timeout and lets go of its callback. Safe in every state: before, while and after
   * it runs, twice, and after {@link close}.
   *
   * @throws `ERR_INVALID_ARG_TYPE` when `timeout` is no handle of `addTimeout`.
   */
  removeTimeout(timeout: Timeout): void {
    if (!(timeout instanceof Timeout)) {
      throw invalidArgType('timeout', timeout, 'a handle of addTimeout, callAt or callLater');
    }
    this.#engine.timeouts.remove(timeout);
  }

  /**
   * The loop's clock, in seconds: by default on the scale of `Date.now() / 1000`, but monotonic.
   * It does not follow when somebody sets the system's clock.
   */
  time(): number {
    return this.#time();
  }

  /**
   * Called with whatever a callback, a timeout or a handler throws or rejects with. Logs it to the
   * console; override it in a subclass or by assignment. `callback` is `null` when the error
   * came from the loop itself. What an override throws becomes an uncaught exception.
   */
  handleCallbackException(callback: Callback | null, error: unknown): void {
    console.error('Exception in callback %s:', describe(callback), error);
  }

  /** The descriptor behind `fd`, and `fd` itself; for subclasses. */
  splitFd<F extends FdLike>(fd: F): [number, F] {
    return [fdOf(fd), fd];
  }

  /** Closes `fd`: an object by its `close()`, a number by `close(2)`; for subclasses. */
  closeFd(fd: FdLike): void {
    closeFd(fd);
  }

  /** @internal For the classes of this package that are built on the loop. */
  get [INTERNALS](): LoopInternals {
    return this.#engine;
  }

  #enter(): () => void {
    const slot = IOLoop.#current;
    slot.enter(this);
    return () => {
      slot.leave(this);
    };
  }

  #assertOpen(): void {
    if (this.#closed) throw closedLoop();
  }

  #assertStartable(): void {
    this.#assertOpen();
    if (this.#engine.running) throw runningLoop('start');
  }
}

function checkEvents(events: number): number {
  const all = READ | PRI | WRITE | ERROR_OR_HANG_UP;
  if (!Number.isInteger(events) || (events & ~all) !== 0) {
    throw invalidArgValue('events', events, 'a union of IOLoop.READ, WRITE, PRI and ERROR');
  }
  if ((events & PRI) !== 0 && !native.HAS_PRIORITY) {
    throw unsupported('IOLoop.PRI', 'Leave it out: only Linux reports exceptional conditions');
  }
  return events;
}

function describe(callback: Callback | null): string {
  return callback === null ? '(none)' : callback.name || '(anonymous)';
}
