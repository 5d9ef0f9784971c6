/** The turns of a loop in debug mode: each registration records its origin. */
import { capture, within, type Context } from './async-context.js';
import type { Callback } from './callback-queue.js';
import type { DebugGuard } from './debug-guard.js';
import type { RegisteredHandler } from './handler.js';
import { LoopWatch } from './debug-loops.js';
import { contextOf, originHere, originIn, steps, type CallKind } from './origins.js';
import { warnFrom } from '../support/debug-warnings.js';
import { nameOf } from '../support/one-line.js';
import type { Timeout } from './timeouts.js';
import { Turns, type TurnsOptions } from './turns.js';

/** A class of its own, so that a loop without debug mode has no branch for it. */
export class DebugTurns extends Turns {
  readonly #owner: DebugGuard;
  readonly #watch: LoopWatch;

  /** `loop` has these turns. */
  constructor(options: TurnsOptions, guard: DebugGuard, loop: { readonly closed: boolean }) {
    super(options);
    this.#owner = guard;
    steps.use();
    this.#watch = new LoopWatch(loop, this, () => {
      steps.unuse();
    });
  }

  /** Where the loop was made. */
  override get site(): string | null {
    return this.#watch.site;
  }

  override contextOf(kind: CallKind, func: Callback): Context {
    return contextOf(super.contextOf(kind, func), kind, func, this.#owner);
  }

  override addCallback(callback: Callback, args: readonly unknown[], context: Context): void {
    super.addCallback(callback, args, contextOf(context, 'callback', callback, this.#owner));
  }

  override addTimeout(
    deadline: number,
    callback: Callback,
    args: readonly unknown[],
    context: Context,
    delay?: number,
  ): Timeout {
    const origin = contextOf(context, 'timeout', callback, this.#owner);
    return super.addTimeout(deadline, callback, args, origin, delay);
  }

  override addHandler(fd: number, registered: RegisteredHandler): void {
    const { callback } = registered;
    const context = contextOf(registered.context, 'handler', callback, this.#owner);
    super.addHandler(fd, { ...registered, context });
  }

  /** The callback is added by a reaction of the promise, in this context. */
  override addFuture(callback: Callback, begin: () => void): void {
    within(contextOf(capture(), 'callback', callback, this.#owner), begin);
  }

  override expose(name: string, func: Callback): void {
    originHere('exposed function', func);
    super.expose(name, func);
  }

  /** As Python's ResourceWarning for a transport that is not closed. */
  override leaveHandlers(): void {
    const left = this.handlers.registered();
    if (left.length === 0) return;
    const shown = left.slice(0, MOST_SHOWN).map(({ fd, context, callback }) => {
      const { name, site } = originIn(context) ?? { name: nameOf(callback), site: null };
      return `${name} of fd ${fd}${site === null ? '' : `, registered at ${site}`}`;
    });
    const more = left.length > shown.length ? ` and ${left.length - shown.length} more` : '';
    const message =
      `The event loop was closed with handlers, whose descriptors stay open: ${shown.join('; ')}` +
      `${more}. Stop servers and call removeHandler() before, or close({ allFds: true })`;
    this.guard.attempt(() => {
      warnFrom(shown.join(), 'IOLOOP_HANDLERS_LEFT', message);
    });
  }

  override close(): void {
    this.#watch.end();
    steps.unuse();
    super.close();
  }
}

/** Handlers that a warning names. */
const MOST_SHOWN = 3;
