/** Runs user code so that nothing it throws or rejects with reaches the loop. */
import type { AsyncResource } from 'node:async_hooks';
import { isAbortReason } from '../support/abort-signal.js';
import { outside, storagesExist, type Context } from './async-context.js';
import type { Callback } from './callback-queue.js';
import { nextTick } from '../support/host.js';

/** Where errors of user code go: `handleCallbackException`. */
export type Report = (callback: Callback | null, error: unknown) => void;

/** The one way from the loop into user code. */
export class Isolation {
  readonly #report: Report;

  /** `report` may itself be user code, and may throw. */
  constructor(report: Report) {
    this.#report = report;
  }

  /** Runs a callback or a timeout. */
  readonly run = (callback: Callback, args: readonly unknown[], context: Context): void => {
    try {
      const scope = context ?? (storagesExist ? outside() : null);
      const result = scope === null ? callWith(callback, args) : runIn(scope, callback, args);
      if (isThenable(result)) this.#watch(callback, result);
    } catch (error) {
      this.report(callback, error);
    }
  };

  /** Runs a handler of a source. A broken pipe is no news to it, as documented. */
  readonly runHandler = (
    handler: Callback,
    source: unknown,
    bits: number,
    context: Context,
  ): void => {
    try {
      const call = handler as (source: unknown, bits: number) => unknown;
      const scope = context ?? (storagesExist ? outside() : null);
      const result =
        scope === null ? call(source, bits) : scope.runInAsyncScope(call, undefined, source, bits);
      if (isThenable(result)) this.#watch(handler, result, isBrokenPipe);
    } catch (error) {
      if (!isBrokenPipe(error)) this.report(handler, error);
    }
  };

  /**
   * Reports an error. When the report itself fails, both errors become one uncaught exception:
   * nothing is lost, and the turn goes on.
   */
  report(callback: Callback | null, error: unknown): void {
    try {
      this.#report(callback, error);
    } catch (failure) {
      const message = 'handleCallbackException failed while it handled an error';
      const both = new AggregateError([failure, error], message, { cause: failure });
      nextTick(() => {
        throw both;
      });
    }
  }

  /**
   * A promise is watched, so that its rejection is reported and not unhandled. One that the program
   * has cancelled by its own signal is not a failure, as a cancelled coroutine of Tornado's is not.
   */
  #watch(
    callback: Callback,
    result: PromiseLike<unknown>,
    isExpected: (error: unknown) => boolean = never,
  ): void {
    // A foreign thenable may reject twice, or throw after; a promise does so once.
    Promise.resolve(result).then(undefined, (error: unknown) => {
      if (!isExpected(error) && !isAbortReason(error)) this.report(callback, error);
    });
  }
}

/** Whether a value can be awaited. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return (
    (typeof value === 'object' || typeof value === 'function') &&
    value !== null &&
    typeof (value as { then?: unknown }).then === 'function'
  );
}

/** Most have no arguments or few, and a spread costs as much as the call. */
function callWith(callback: Callback, args: readonly unknown[]): unknown {
  const call = callback as (...args: readonly unknown[]) => unknown;
  const { length } = args;
  if (length === 0) return call();
  if (length === 1) return call(args[0]);
  return length === 2 ? call(args[0], args[1]) : call(...args);
}

function runIn(scope: AsyncResource, callback: Callback, args: readonly unknown[]): unknown {
  const call = callback as (...args: readonly unknown[]) => unknown;
  return scope.runInAsyncScope(call, undefined, ...args);
}

function never(): boolean {
  return false;
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === 'EPIPE';
}
