/** The turns of a loop in debug mode: each registration records its origin. */
import { capture, within, type Context } from './async-context.js';
import type { Callback } from './callback-queue.js';
import type { DebugGuard } from './debug-guard.js';
import type { RegisteredHandler } from './handler.js';
import { contextOf, originHere, steps } from './origins.js';
import type { Timeout } from './timeouts.js';
import { Turns, type TurnsOptions } from './turns.js';

/** A class of its own, so that a loop without debug mode has no branch for it. */
export class DebugTurns extends Turns {
  readonly #owner: DebugGuard;

  constructor(options: TurnsOptions, guard: DebugGuard) {
    super(options);
    this.#owner = guard;
    steps.use();
  }

  override addCallback(callback: Callback, args: readonly unknown[], context: Context): void {
    super.addCallback(callback, args, contextOf(context, 'callback', callback, this.#owner));
  }

  override addTimeout(
    deadline: number,
    callback: Callback,
    args: readonly unknown[],
    context: Context,
  ): Timeout {
    const origin = contextOf(context, 'timeout', callback, this.#owner);
    return super.addTimeout(deadline, callback, args, origin);
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

  override close(): void {
    steps.unuse();
    super.close();
  }
}
