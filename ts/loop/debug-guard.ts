/**
 * The guard of a loop in debug mode: failures are reported with the origin of their call, and calls
 * that take long are reported.
 */
import { capture, within, type Context } from './async-context.js';
import type { Callback } from './callback-queue.js';
import { Guard, type GuardedCall, type Report } from './guard.js';
import {
  contextWith,
  originAt,
  OriginContext,
  runningOrigin,
  siteOf,
  type CallOrigin,
  type OriginOwner,
} from './origins.js';
import type { SlowCallbacks } from './slow-callbacks.js';
import { measure } from './stopwatch.js';

/** Runs user code, and what follows it, in the context that has its origin. */
export class DebugGuard extends Guard implements OriginOwner {
  declare readonly run: Guard['run'];
  declare readonly runHandler: Guard['runHandler'];
  readonly #slow: SlowCallbacks;

  constructor(report: Report, slow: SlowCallbacks) {
    super(report);
    this.#slow = slow;
    const { run, runHandler } = this;
    this.run = (callback, args, context) => {
      const known = this.#withOrigin(context, callback);
      this.#measured(known, () => {
        run(callback, args, known);
      });
    };
    this.runHandler = (handler, source, bits, context) => {
      const known = this.#withOrigin(context, handler);
      this.#measured(known, () => {
        runHandler(handler, source, bits, known);
      });
    };
  }

  override enter<A, B>(call: GuardedCall<A, B>, first: A, second: B): void {
    const subject = call.subject?.(first, second) ?? null;
    if (subject === null) {
      super.enter(call, first, second);
      return;
    }
    // It has the site of the call that it is a part of: a handler that accepts, a timeout.
    const origin = originAt(runningOrigin()?.site ?? null, subject.kind, subject.func);
    this.#measured(contextWith(capture(), origin, this), () => {
      super.enter(call, first, second);
    });
  }

  onStep(origin: CallOrigin, milliseconds: number): void {
    this.#onEnd(origin, true, milliseconds);
  }

  protected override get origin(): CallOrigin | null {
    return runningOrigin();
  }

  /** A call of another thread has no context. */
  #withOrigin(context: Context, callback: Callback): OriginContext {
    if (context instanceof OriginContext) return context;
    const origin = originAt(siteOf(callback), 'exposed function', callback);
    return contextWith(context, origin, this);
  }

  #measured(context: OriginContext, func: () => void): void {
    within(context, () => {
      measure(func, (milliseconds) => {
        this.#onEnd(context.origin, false, milliseconds);
      });
    });
  }

  #onEnd(origin: CallOrigin, isStep: boolean, milliseconds: number): void {
    // `slowCallbackDuration` may be a getter of a subclass, and `emitWarning` may be replaced.
    this.attempt(() => {
      this.#slow.onEnd(origin, isStep, milliseconds);
    });
  }
}
