/** `IOLoop`: checks arguments, documents promises, delegates. */
import { threadId } from 'node:worker_threads';
import { backend, type Backend } from '../boundary/capabilities.js';
import { packageCopy } from '../boundary/posts.js';
import { ERROR_OR_HANG_UP, NONE, PRI, READ, WRITE } from '../boundary/readiness.js';
import {
  checkFunction,
  checkOptions,
  checkSeconds,
  checkThreshold,
  isThenable,
} from '../support/checks.js';
import { debug } from '../support/debug-log.js';
import { Deferred } from '../support/deferred.js';
import { secondsOf, type Duration } from '../support/duration.js';
import {
  closedLoop,
  currentExists,
  invalidArgType,
  invalidSubclass,
  outOfRange,
  runningLoop,
} from '../support/errors.js';
import { INSPECT, viewOf } from '../support/inspect.js';
import { INTERNALS } from '../support/internals.js';
import { closeFd, fdOf, isClosedFile, type FdLike } from '../sockets/fd.js';
import { argumentsAfter, callAtWith } from './arguments.js';
import { capture } from './async-context.js';
import type { Callback } from './callback-queue.js';
import { CurrentSlot } from './current.js';
import { chooseDriver, type Driver } from './driver.js';
import { DebugTurns } from './debug-turns.js';
import { Future } from './future.js';
import { logException, settled } from './guard.js';
import { checkEvents } from './handlers.js';
import type { LoopInternals } from './internals.js';
import { checkLoopOptions, type IOLoopOptions, type RunSyncOptions } from './loop-options.js';
import { makeTurns, makeWatchdog } from './loop-parts.js';
import { metricsOf, type LoopMetrics } from './metrics.js';
import type { CallOrigin } from './origins.js';
import {
  RemoteLoop,
  type ExposedFunctions,
  type RemoteHandle,
  type UnknownFunctions,
} from './remote-loop.js';
import { runSync, type Main } from './run-sync.js';
import { Timeout } from './timeouts.js';
import { Timings } from './timings.js';
import type { Turns } from './turns.js';
import { logReport, type BlockedAction, type BlockedReport, type Watchdog } from './watchdog.js';

/** The class of a loop, for {@link IOLoop.configure}. */
export type IOLoopClass = new (options?: IOLoopOptions) => IOLoop;

/**
 * A level-triggered I/O loop: epoll on Linux, kqueue on macOS and the BSDs, `poll(2)` elsewhere.
 *
 * The loop is a guest in Node's event loop: while it runs, promises, `fetch`, `http`, `fs` and
 * Node's timers keep working. No method blocks the JavaScript thread; {@link start} and
 * {@link runSync} return promises.
 *
 * A loop belongs to the thread that made it. A worker makes its own loops, and calls functions of
 * others by {@link remote}.
 *
 * Differs from Tornado: `start()` and `runSync()` return promises instead of blocking.
 */
export class IOLoop implements AsyncDisposable {
  /** No interest: only errors and hang-up are reported. */
  static readonly NONE = NONE;
  /** Data to read, a connection to accept, or the end of the stream. */
  static readonly READ = READ;
  /**
   * An exceptional condition, `EPOLLPRI` (Linux only): TCP urgent data, a change of a file in sysfs,
   * a PSI trigger. Files in sysfs and procfs are always readable: use PRI without READ, and read the
   * file from its start in the handler, which clears the condition.
   *
   * `/proc/self/mounts` and PSI triggers report a condition only to the first poll. Node's epoll set
   * polls the loop's set, and the loop polls again, so such a report can be lost. Watch these files
   * from another process, or read them periodically.
   */
  static readonly PRI = PRI;
  /** Room to write, or the end of a connection attempt. */
  static readonly WRITE = WRITE;
  /** An error (0x08) or a hang-up (0x10). Always reported. */
  static readonly ERROR = ERROR_OR_HANG_UP;

  static readonly #current = new CurrentSlot<IOLoop>();
  static #configured: { readonly impl: IOLoopClass; readonly options: IOLoopOptions } | null = null;

  // Definite: the constructor sets them, or returns another loop, which has set them.
  readonly #time!: () => number;
  readonly #driver!: Driver;
  readonly #turns!: Turns;
  readonly #watchdog!: Watchdog;
  #closed = false;
  /** Resolves when the running loop has stopped; `null` while it does not run. */
  #finished: Promise<void> | null = null;
  #stopRequested = false;
  #slowCallbackDuration = SLOW_CALLBACK;

  /**
   * A loop needs two descriptors. If the constructor throws, none is left open.
   *
   * @throws `ERR_IOLOOP_CURRENT_EXISTS` if `makeCurrent` is true and there is a current loop;
   * `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` for `busyPoll`; `ERR_INVALID_ARG_VALUE` if `timeFunc`
   * does not return a finite number; the error that `timeFunc` throws; `EMFILE`, `ENFILE` and `ENOMEM` of the system.
   */
  constructor(options: IOLoopOptions = {}) {
    checkOptions(options);
    const configured = new.target === IOLoop ? IOLoop.#configured : null;
    const merged = { ...configured?.options, ...options };
    // As Tornado's Configurable: the base class makes an instance of the configured class.
    if (configured !== null && configured.impl !== IOLoop) return new configured.impl(merged);
    const checked = checkLoopOptions(merged);
    const { makeCurrent } = checked;
    const current = IOLoop.#current.loop;
    if (makeCurrent === true && current !== null) throw currentExists();
    this.#driver = chooseDriver();
    this.#turns = makeTurns(this, IOLoop.#current, this.#driver, checked);
    this.#time = this.#turns.time;
    this.#watchdog = makeWatchdog(this, this.#turns.guard);
    if (makeCurrent ?? current === null) this.makeCurrent();
  }

  /**
   * The current loop of this thread: the innermost running loop, else the one that
   * {@link makeCurrent} has set. If there is none, creates one; with `false`, returns `null`.
   */
  static current(instance?: true): IOLoop;
  static current(instance: false): IOLoop | null;
  static current(instance = true): IOLoop | null {
    const slot = IOLoop.#current;
    if (slot.loop !== null || !instance) return slot.loop;
    const loop = new IOLoop();
    // Unless the configured options have makeCurrent: false, it is current already.
    slot.loop ??= loop;
    return slot.loop;
  }

  /** Clears the current loop of this thread, as tests do between cases. */
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
   * Sets the class that `new IOLoop()` and {@link IOLoop.current} make, and its default options.
   * Options of the constructor override them. Constructors of subclasses ignore both. `null` resets
   * the class to `IOLoop`, without default options.
   *
   * @throws `ERR_IOLOOP_SUBCLASS` if `impl` is neither `IOLoop` nor a subclass of it;
   * `ERR_INVALID_ARG_TYPE`.
   */
  static configure(impl: IOLoopClass | null, options: IOLoopOptions = {}): void {
    if (impl === null) {
      IOLoop.#configured = null;
      return;
    }
    if (impl !== IOLoop && !(typeof impl === 'function' && impl.prototype instanceof IOLoop)) {
      throw invalidSubclass(impl);
    }
    checkOptions(options);
    IOLoop.#configured = { impl, options };
  }

  /**
   * A loop of any thread of this process, by the handle of {@link remote}. The type argument is that
   * of the object that {@link expose} has returned: it gives names, arguments and results their
   * types.
   *
   * @typeParam T - The functions that the loop has exposed.
   * @throws `ERR_IOLOOP_CLOSED` if the loop is closed; `ERR_INVALID_ARG_TYPE`;
   * `ERR_IOLOOP_OTHER_PROCESS` for a handle of another process; `ERR_INVALID_ARG_VALUE` for one of
   * another copy of this package.
   */
  static fromRemote<T extends ExposedFunctions<T> = UnknownFunctions>(
    handle: RemoteHandle,
  ): RemoteLoop<T> {
    return new RemoteLoop<T>(handle);
  }

  /**
   * Makes this the current loop of its thread, in place of any other.
   *
   * @throws `ERR_IOLOOP_CLOSED`.
   */
  makeCurrent(): void {
    this.#assertOpen();
    IOLoop.#current.loop = this;
  }

  /** @deprecated Alias of {@link makeCurrent}. */
  install(): void {
    this.makeCurrent();
  }

  /**
   * The system call that reports readiness: `epoll`, `kqueue` or `poll`. Without file descriptors:
   * `wasm`, or `host` for a binary of a system that has none of the three.
   */
  get backend(): Backend {
    return backend;
  }

  /** The driver that wakes this loop; see `IOLOOP_DRIVER` in the README. */
  get driver(): Driver {
    return this.#driver;
  }

  /** Whether the loop runs: from {@link start} until the promise of `start()` is settled. */
  get running(): boolean {
    return this.#turns.running;
  }

  /** Whether the loop is in debug mode: the option `debug`, or `IOLOOP_DEBUG` in the environment. */
  get debug(): boolean {
    return this.#turns instanceof DebugTurns;
  }

  /**
   * In debug mode, the seconds from which on code of the program is reported as slow: a callback, a
   * handler, or the code between two `await` in it. By default 0.1; `Infinity` reports none. The
   * report is a warning (`IOLOOP_SLOW_CALLBACK`) with the origin of the call; for each site the first
   * is emitted, and again after 1 s, 2 s, 4 s, up to a minute while it is slow.
   */
  get slowCallbackDuration(): number {
    return this.#slowCallbackDuration;
  }

  /** @throws `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` unless it is above 0. */
  set slowCallbackDuration(seconds: number) {
    if (seconds !== Number.POSITIVE_INFINITY) checkThreshold('slowCallbackDuration', seconds);
    this.#slowCallbackDuration = seconds;
  }

  /** Whether the loop was closed. */
  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Starts the loop. The promise resolves at the end of the turn in which {@link stop} is called.
   * The first turn begins after the running code has finished, never inside of this call.
   *
   * While the loop runs, it keeps the process alive, even if nothing is registered, and it is the
   * current loop. Afterwards the previous loop is current again.
   *
   * If {@link stop} was called since the last run, resolves at once and runs nothing.
   *
   * Rejects with `ERR_IOLOOP_RUNNING` while the loop runs, with `ERR_IOLOOP_CLOSED` after
   * {@link close}, and with `EMFILE`, `ENFILE` or `ENOMEM` if the driver cannot start (the thread
   * driver needs three descriptors). The loop is unchanged then.
   */
  async start(): Promise<void> {
    this.#assertStartable();
    if (this.#stopRequested) {
      this.#stopRequested = false;
      return;
    }
    const slot = IOLoop.#current;
    const { promise, resolve } = new Deferred();
    // Before the turns: it schedules its own beginning right before the first of them.
    this.#watchdog.onStart();
    try {
      this.#turns.start(resolve);
    } catch (error) {
      this.#watchdog.onStop();
      throw error;
    }
    this.#finished = promise;
    if (debug.enabled) debug('start: %o', this);
    slot.enter(this);
    try {
      await promise;
    } finally {
      this.#finished = null;
      if (debug.enabled) debug('stop: %o', this);
      slot.leave(this);
      this.#watchdog.onStop();
    }
  }

  /**
   * Stops the loop at the end of the current turn. All that was collected for this turn still runs;
   * callbacks added meanwhile wait for the next {@link start}. If the loop sleeps (the call comes
   * from a callback of Node, or from a signal handler), one more turn runs.
   *
   * If the loop does not run, the next {@link start} resolves at once; several calls count as one.
   * After {@link close} does nothing.
   */
  stop(): void {
    if (this.#closed) return;
    if (this.#turns.running) this.#turns.stop();
    else this.#stopRequested = true;
  }

  /**
   * Closes the loop and its streams. Reads and writes that wait reject; callbacks and timeouts that
   * are left never run. Of the calls of other threads that were accepted (see {@link remote}), those
   * without a result run now, and those with one reject with `ERR_IOLOOP_CLOSED`. With `allFds`, each
   * descriptor that has a handler is closed as well, by {@link closeFd}. A closed loop is not current
   * any more. Closing again does nothing.
   *
   * A failure of one of these steps goes to {@link handleCallbackException}, and the next step runs.
   *
   * @throws `ERR_IOLOOP_RUNNING` while the loop runs: call {@link stop} and await {@link start}
   * first.
   */
  close(options: { readonly allFds?: boolean | undefined } = {}): void {
    checkOptions(options);
    // Before the state is looked at: a getter may start or close the loop.
    const { allFds } = options;
    if (this.#closed) return;
    if (this.#turns.running) throw runningLoop('close');
    const sources = allFds === true ? this.#turns.handlers.files() : [];
    this.#closed = true;
    if (allFds !== true) this.#turns.leaveHandlers();
    if (debug.enabled) debug('close: %o', this);
    this.#watchdog.unset();
    this.#turns.close();
    for (const source of sources) {
      this.#turns.guard.attempt(() => {
        this.closeFd(source);
      });
    }
  }

  /** Stops the loop if it runs, waits for the end of the turn, and closes the loop. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#turns.running) this.stop();
    await this.#finished;
    this.close();
  }

  /**
   * Starts the loop, runs `func(signal)` in its first turn, and stops the loop when the promise of
   * `func` is settled. Resolves to the result of `func`, or rejects with its error.
   *
   * `func` returns a promise, `undefined` or `null`; any other value is `ERR_IOLOOP_BAD_YIELD`.
   *
   * When `timeout` expires, `signal` aborts and the promise rejects with a `TimeoutError`. If `func`
   * takes the signal, it has `timeout` once more to clean up; otherwise one turn. A function that
   * blocks the thread beyond `timeout`, and is done when it returns, succeeds.
   *
   * Rejects with `ERR_IOLOOP_RUNNING` if the loop runs (`func` is not queued then), with
   * `ERR_IOLOOP_STOPPED` if other code stops the loop first, and with `ERR_IOLOOP_CLOSED`.
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
    checkOptions(options);
    const { timeout } = options;
    const seconds = timeout === undefined ? null : secondsOf(timeout, 'timeout');
    this.#assertStartable();
    return runSync(this, func, seconds);
  }

  /**
   * Calls `handler(fd, events)` in each turn in which `fd` is ready for one of `events`
   * (level-triggered: unread bytes are reported again in the next turn). The handler gets `fd` as
   * it was passed here, all ready events in one call, and runs in the async context of this call.
   *
   * `events` is a union of {@link IOLoop.READ}, {@link IOLoop.WRITE}, {@link IOLoop.PRI} and
   * {@link IOLoop.ERROR}. Errors and hang-up are always reported.
   *
   * An exception or a rejection of the handler goes to {@link handleCallbackException}, unless it is
   * `EPIPE`; the handler stays registered.
   *
   * The loop neither closes `fd` nor makes it non-blocking. Call {@link removeHandler} before you
   * close it. If the number was closed without that and opened again, the handler is not called for
   * the new file: its registration is removed. Closing a {@link Socket} removes it at once.
   *
   * Node reads its own streams ahead (the `stdout` of a child, a `net.Socket`). A handler for READ
   * stops that until it is removed.
   *
   * @throws `ERR_IOLOOP_FD_REGISTERED` if `fd` has a handler, which stays; `EPERM` for files,
   * directories and `/dev/null`, which are always ready: use `fs`; `EBADF` for a closed descriptor;
   * `ERR_IOLOOP_FD_BUSY` for READ of one of Node's streams that Node consumes, or that has data;
   * `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`, `ERR_INVALID_ARG_VALUE`; `ERR_IOLOOP_CLOSED`.
   * Nothing is registered then.
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
    const callback = handler as Callback;
    this.#turns.addHandler(number, { file: source, callback, interest, context: capture() });
  }

  /**
   * Changes the events of a handler. Applies to events that this turn has collected as well.
   *
   * @throws `ERR_IOLOOP_FD_UNKNOWN` if `fd` has no handler, or was closed meanwhile; otherwise as
   * {@link addHandler}.
   */
  updateHandler(fd: FdLike, events: number): void {
    this.#assertOpen();
    const interest = checkEvents(events);
    this.#turns.handlers.update(this.splitFd(fd)[0], interest);
  }

  /**
   * Removes the handler of `fd`. It is not called again, not even for events that this turn has
   * collected. Does nothing if there is no handler. An object that is closed has no number any more:
   * its handler is found by the identity of the object.
   */
  removeHandler(fd: FdLike): void {
    if (this.#closed) return;
    const { handlers } = this.#turns;
    if (isClosedFile(fd)) handlers.removeFile(fd);
    else handlers.remove(this.splitFd(fd)[0]);
  }

  /**
   * Calls `callback(...args)` in the next turn, in the order of insertion and in the async context
   * of this call. An exception, or the rejection of a promise that it returns, goes to
   * {@link handleCallbackException}. After {@link close} does nothing.
   *
   * @throws `ERR_INVALID_ARG_TYPE`.
   */
  addCallback<A extends unknown[]>(callback: (...args: A) => unknown, ...args: A): void;
  addCallback(callback: Callback): void {
    checkFunction('callback', callback);
    if (this.#closed) return;
    this.#turns.addCallback(callback, argumentsAfter(1, arguments), capture());
  }

  /**
   * As {@link addCallback}, outside of the caller's async context. Node runs signal handlers on its
   * event loop, so all methods are safe in them; this one does not inherit their context.
   */
  addCallbackFromSignal<A extends unknown[]>(callback: (...args: A) => unknown, ...args: A): void;
  addCallbackFromSignal(callback: Callback): void {
    checkFunction('callback', callback);
    if (this.#closed) return;
    this.#turns.addCallback(callback, argumentsAfter(1, arguments), null);
  }

  /** As {@link addCallback}, outside of the caller's async context. */
  spawnCallback<A extends unknown[]>(callback: (...args: A) => unknown, ...args: A): void {
    this.addCallbackFromSignal(callback, ...args);
  }

  /**
   * The handle of this loop for other threads, which pass it to {@link fromRemote}. It is a plain
   * object. They can call the functions that {@link expose} was given, and stop the loop.
   *
   * @throws `ERR_IOLOOP_CLOSED`; `EMFILE`, `ENFILE` and `ENOMEM`, as the first handle makes a
   * descriptor.
   */
  remote(): RemoteHandle {
    this.#assertOpen();
    const ioloop = this.#turns.posts.id();
    return { ioloop, copy: packageCopy(), pid: process.pid, thread: threadId };
  }

  /**
   * Lets other threads call a function of this loop by name, or several. Functions do not cross
   * threads; names do. A function of the same name is replaced. Returns the functions by name, whose
   * type is the type argument of {@link fromRemote}.
   *
   * A function runs in a turn of this loop, outside of any async context. Expose functions before
   * the handle is passed on: the name of a function that is not exposed is refused.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_IOLOOP_CLOSED`; the errors of {@link remote}.
   */
  expose<N extends string, F extends Callback>(name: N, func: F): Readonly<Record<N, F>>;
  expose<T extends ExposedFunctions<T>>(functions: T): T;
  expose(nameOrFunctions: string | ExposedFunctions, func?: Callback): ExposedFunctions {
    const functions =
      typeof nameOrFunctions === 'string'
        ? { [nameOrFunctions]: func as Callback }
        : nameOrFunctions;
    const entries = Object.entries(functions);
    for (const [name, callback] of entries) checkFunction(name, callback);
    this.#assertOpen();
    for (const [name, callback] of entries) this.#turns.expose(name, callback);
    return functions;
  }

  /**
   * Other threads cannot call this function any more. Calls of it that wait fail with
   * `ERR_IOLOOP_NOT_EXPOSED`: a `call()` at its caller, an `addCallback()` at
   * {@link handleCallbackException}. Does nothing if there is no such function, and after
   * {@link close}.
   */
  unexpose(name: string): void {
    if (!this.#closed) this.#turns.posts.unexpose(name);
  }

  /**
   * Calls `callback(settled)` on the loop when `future`, a promise or any other thenable, is
   * settled; always in a later turn. `settled` is a {@link Future} that has the result or the
   * reason. If the loop is closed meanwhile, the callback is dropped.
   *
   * @throws `ERR_INVALID_ARG_TYPE` if `future` has no method `then`; `ERR_IOLOOP_CLOSED`.
   */
  addFuture<T>(future: PromiseLike<T>, callback: (future: Future<T>) => unknown): void {
    checkFunction('callback', callback);
    if (!isThenable(future)) throw invalidArgType('future', future, 'a promise');
    this.#assertOpen();
    this.#turns.addFuture(callback as Callback, () => {
      settled(
        future,
        (value: T) => {
          this.addCallback(callback, Future.resolved(value));
        },
        (reason) => {
          this.addCallback(callback, Future.rejected<T>(reason));
        },
      );
    });
  }

  /**
   * Calls `callback(...args)` at `deadline`: a number of seconds on the scale of {@link time}, or a
   * {@link Duration} from now. Returns a handle for {@link removeTimeout}.
   *
   * Timeouts that are due in the same turn run in the order of their deadlines, equal ones in the
   * order of insertion. A timeout whose deadline is past runs in the next turn; one at `Infinity`
   * never runs. A deadline may be years away. Errors and the async context are as in
   * {@link addCallback}.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, also for NaN; `ERR_INVALID_ARG_VALUE` for a duration with
   * calendar units; `ERR_IOLOOP_CLOSED`.
   */
  addTimeout<A extends unknown[]>(
    deadline: number | Duration,
    callback: (...args: A) => unknown,
    ...args: A
  ): Timeout {
    if (typeof deadline === 'number') return this.callAt(deadline, callback, ...args);
    const delay = secondsOf(deadline, 'deadline');
    return this.#withDelay(this.callAt(this.time() + delay, callback, ...args), delay);
  }

  /** Calls `callback(...args)` at `when`, in seconds on the scale of {@link time}; see {@link addTimeout}. */
  callAt<A extends unknown[]>(when: number, callback: (...args: A) => unknown, ...args: A): Timeout;
  callAt(when: number, callback: Callback): Timeout {
    checkSeconds('when', when);
    checkFunction('callback', callback);
    this.#assertOpen();
    return this.#turns.addTimeout(when, callback, argumentsAfter(2, arguments), capture());
  }

  /** Calls `callback(...args)` after `delay` seconds; see {@link addTimeout}. */
  callLater<A extends unknown[]>(
    delay: number,
    callback: (...args: A) => unknown,
    ...args: A
  ): Timeout;
  callLater(delay: number, callback: Callback): Timeout {
    checkSeconds('delay', delay);
    const when = this.time() + delay;
    const args = argumentsAfter(2, arguments);
    if (this.callAt !== callAt) {
      // A subclass has a callAt of its own.
      return this.#withDelay(callAtWith(this, when, callback, args), delay);
    }
    checkSeconds('when', when);
    checkFunction('callback', callback);
    this.#assertOpen();
    return this.#turns.addTimeout(when, callback, args, capture(), delay);
  }

  /**
   * Cancels a timeout and releases its callback. Does nothing if the timeout runs, has run or was
   * cancelled, and after {@link close}.
   *
   * @throws `ERR_INVALID_ARG_TYPE` if `timeout` is not a handle of `addTimeout()`, `callAt()` or
   * `callLater()`.
   */
  removeTimeout(timeout: Timeout): void {
    if (!(timeout instanceof Timeout)) {
      throw invalidArgType('timeout', timeout, 'a handle of addTimeout, callAt or callLater');
    }
    this.#turns.timeouts.remove(timeout);
  }

  /**
   * Puts a timeout off: it runs `delay` from now, a number of **seconds** or a {@link Duration}, in
   * place of its deadline. Its callback, arguments and async context stay. Costs less than to cancel it
   * and to add another. Returns false, and does nothing, if the timeout runs, has run, was cancelled, is
   * at `Infinity` or belongs to another loop, and after {@link close}.
   *
   * `timeout.refresh()` does the same with the delay of the timeout, which this call sets to `delay`.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_INVALID_ARG_VALUE`; `ERR_OUT_OF_RANGE` if `delay` is not finite.
   */
  resetTimeout(timeout: Timeout, delay: number | Duration): boolean {
    if (!(timeout instanceof Timeout)) {
      throw invalidArgType('timeout', timeout, 'a handle of addTimeout, callAt or callLater');
    }
    const seconds = secondsOf(delay, 'delay');
    if (!Number.isFinite(seconds)) throw outOfRange('delay', delay, 'finite');
    const when = this.time() + seconds;
    if (this.#closed || !this.#turns.moveTimeout(timeout, when)) return false;
    this.#turns.timeouts.setDelay(timeout, seconds);
    return true;
  }

  /**
   * The time of the loop's clock, in seconds. By default on the scale of `Date.now() / 1000`, but
   * monotonic: it does not follow when the system's clock is set.
   */
  time(): number {
    return this.#time();
  }

  /**
   * Called with each exception and rejection of a callback, a timeout, a handler, a periodic
   * callback, an acceptor or a server. Logs it to the console. Override it in a subclass or by
   * assignment; an exception or a rejection of the override becomes an uncaught exception.
   *
   * `callback` is the function that failed, or `null` if the loop itself did. In debug mode `origin`
   * has the place where it was handed to the loop; otherwise it is `null`.
   *
   * Not called for the reason of a signal that the program has aborted, if the function fails with
   * it after one of this package's methods has rejected with it: that is a cancellation. Tornado
   * treats `CancelledError` alike.
   */
  handleCallbackException(
    callback: Callback | null,
    error: unknown,
    origin: CallOrigin | null = null,
  ): void {
    logException(callback, error, origin);
  }

  /**
   * What the loop has done and has now, as a frozen object of numbers. Its counters are always on: an
   * addition per batch or per system call. Works on a closed loop as well.
   */
  metrics(): LoopMetrics {
    return metricsOf(this.#turns, this.#watchdog.blocks);
  }

  /**
   * Measures the lengths of turns and the lateness of timeouts from now on, for `timings` of
   * {@link metrics}. Does nothing if they are measured.
   *
   * A measurement is two readings of the clock and a record. A loop whose turns are so short that this
   * would be more than half a percent of them measures one of up to 32, at random, which counts for all.
   */
  enableHistograms(): void {
    this.#turns.timings ??= new Timings();
  }

  /** Stops the measurements of {@link enableHistograms}, and drops their results. */
  disableHistograms(): void {
    this.#turns.timings = null;
  }

  /**
   * Ends the process by SIGALRM when the loop is blocked for `seconds`, or calls `action(report)`.
   * `null` for `seconds` ends the watch. A loop has one threshold: a later call, also of
   * {@link setBlockingLogThreshold}, replaces it.
   *
   * A loop is blocked while its thread neither begins an iteration of Node's event loop nor waits
   * for events: one callback, handler or microtask, or one of Node's own callbacks, takes all that
   * time. It is watched from its first turn to its last, by a thread of its own, every 10 ms at most;
   * the loop itself does nothing for it.
   *
   * - `action` null: the process ends during the block, after the report was written to the standard
   *   error as {@link setBlockingLogThreshold} does. If the program has a listener for SIGALRM, the
   *   signal goes there instead.
   * - `action` a function: called once per block, as a callback of the loop, when the block is over,
   *   in the async context of this call. Its failure goes to {@link handleCallbackException}.
   *
   * Not a block: the time in which the process is stopped (SIGSTOP) or the machine sleeps, that in
   * which the thread waits for a CPU (Linux), and a debugger that has paused the program. On a machine
   * without CPU to spare a report may be late, and a part of that wait may count.
   *
   * @throws `ERR_INVALID_ARG_TYPE`; `ERR_OUT_OF_RANGE` unless `seconds` is above 0 and finite;
   * `ERR_IOLOOP_UNSUPPORTED` on Bun and Deno; `ERR_IOLOOP_CLOSED`; `EAGAIN` if the loop runs and the
   * process may start no more threads. If that shows when the loop starts, the error goes to
   * {@link handleCallbackException}, and the loop runs without the watch.
   */
  setBlockingSignalThreshold(
    seconds: number | null,
    action: ((report: BlockedReport) => unknown) | null,
  ): void {
    if (action !== null) checkFunction('action', action);
    this.#setThreshold(seconds, action ?? 'kill');
  }

  /**
   * Writes a report to the standard error when the loop is blocked for `seconds`, while it is still
   * blocked: for how long, the function that blocks it with its line, and the JavaScript stack. `null`
   * ends the watch.
   *
   * The stack is taken by the inspector, from a worker that exists while a loop of the main thread has
   * a threshold. If the thread belongs to a worker, or is in a native function such as
   * `fs.readFileSync`, the stack is sampled, as profilers do: it has the lines where the functions
   * begin, and the report has the system call. Samples need Linux on x86-64 or ARM64. Elsewhere the
   * report of a native function says that there is no stack, and a second one has the stack as soon as
   * JavaScript runs again; that of a worker has none.
   *
   * If {@link logStack} is overridden, it is called instead, when the block is over. Otherwise as
   * {@link setBlockingSignalThreshold}.
   *
   * @throws As {@link setBlockingSignalThreshold}.
   */
  setBlockingLogThreshold(seconds: number | null): void {
    const isOverridden = this.logStack !== IOLoop.prototype.logStack;
    this.#setThreshold(
      seconds,
      isOverridden
        ? (report: BlockedReport): void => {
            this.logStack(report);
          }
        : 'log',
    );
  }

  /**
   * Logs a report to the console. For use as the action of {@link setBlockingSignalThreshold}, and to
   * be overridden for {@link setBlockingLogThreshold}.
   */
  logStack(report: BlockedReport): void {
    logReport(report);
  }

  /** The number of the descriptor of `fd`, and `fd` itself. For subclasses. */
  splitFd<F extends FdLike>(fd: F): [number, F] {
    return [fdOf(fd), fd];
  }

  /** Closes `fd`: an object by its method `close()`, a number by `close(2)`. For subclasses. */
  closeFd(fd: FdLike): void {
    closeFd(fd);
  }

  /** @internal For `util.inspect`. */
  [INSPECT](): object {
    return viewOf(this, #turns in this ? this.#view() : {});
  }

  #view(): object {
    const { phase, handlers, io, timeouts, callbacks, site } = this.#turns;
    return {
      state: this.#closed ? 'closed' : phase,
      driver: this.#driver,
      handlers: handlers.size,
      streams: io.streams,
      timeouts: timeouts.size,
      callbacks: callbacks.size,
      ...(site === null ? {} : { made: site }),
    };
  }

  /** @internal For the classes of this package that are built on the loop. */
  get [INTERNALS](): LoopInternals {
    return this.#turns;
  }

  #setThreshold(seconds: number | null, action: BlockedAction): void {
    if (seconds !== null) checkThreshold('seconds', seconds);
    this.#assertOpen();
    if (seconds === null) this.#watchdog.unset();
    else this.#watchdog.set(seconds, typeof action === 'string' ? action : this.#posted(action));
  }

  /** A call of `action`, in this async context, as a callback of the loop. */
  #posted(action: (report: BlockedReport) => unknown): (report: BlockedReport) => void {
    const context = capture();
    return (report) => {
      if (!this.#closed) this.#turns.addCallback(action, [report], context);
    };
  }

  /** A timeout of `callAt`, or what a subclass has returned, with a delay for its refreshes. */
  #withDelay(timeout: Timeout, delay: number): Timeout {
    if (timeout instanceof Timeout) this.#turns.timeouts.setDelay(timeout, delay);
    return timeout;
  }

  #assertOpen(): void {
    if (this.#closed) throw closedLoop();
  }

  #assertStartable(): void {
    this.#assertOpen();
    if (this.#turns.running) throw runningLoop('start');
  }
}

const { callAt } = IOLoop.prototype;

/** Seconds, as in asyncio. */
const SLOW_CALLBACK = 0.1;
