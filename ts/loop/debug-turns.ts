/** The turns of a loop in debug mode: each registration records its origin. */
import { capture, within, type Context } from './async-context.js';
import type { Callback } from './callback-queue.js';
import type { RegisteredHandler } from './handler.js';
import { contextOf } from './origins.js';
import type { Timeout } from './timeouts.js';
import { Turns } from './turns.js';

/** A class of its own, so that a loop without debug mode has no branch for it. */
export class DebugTurns extends Turns {
  override addCallback(callback: Callback, args: readonly unknown[], context: Context): void {
    super.addCallback(callback, args, contextOf(context, 'callback', callback));
  }

  override addTimeout(
    deadline: number,
    callback: Callback,
    args: readonly unknown[],
    context: Context,
  ): Timeout {
    return super.addTimeout(deadline, callback, args, contextOf(context, 'timeout', callback));
  }

  override addHandler(fd: number, registered: RegisteredHandler): void {
    const { callback } = registered;
    const context = contextOf(registered.context, 'handler', callback);
    super.addHandler(fd, { ...registered, context });
  }

  /** The callback is added by a reaction of the promise, in this context. */
  override addFuture(callback: Callback, begin: () => void): void {
    within(contextOf(capture(), 'future', callback), begin);
  }
}
