/**
 * The one way from this package into user code. Exceptions of user code, and rejections of the
 * promises that it returns, do not reach the code that has called it. ARCHITECTURE.md, "One way into
 * user code", lists the entrances, and the destination of their failures.
 */
import type { AsyncResource } from 'node:async_hooks';
import { isAbortReason } from '../support/abort-signal.js';
import { isThenable } from '../support/checks.js';
import { nextTick } from '../support/host.js';
import { nameOf } from '../support/one-line.js';
import { callWith } from './arguments.js';
import { callScope, callScopeOf, scopeOf, type Context } from './async-context.js';
import type { Callback } from './callback-queue.js';
import type { CallKind, CallOrigin } from './origins.js';

/** The destination of failures: `handleCallbackException`. */
export type Report = (
  callback: Callback | null,
  error: unknown,
  origin: CallOrigin | null,
) => unknown;

/**
 * A call of user code with up to two arguments, and what follows its end. The object lives as long as
 * its owner, so that a call makes no closure.
 */
export interface GuardedCall<A, B> {
  /** The function of the user, for reports of debug mode; not called in other modes. */
  subject?(first: A, second: B): { readonly kind: CallKind; readonly func: Callback };
  /** Calls the function of the user. It may throw, and may return a promise. */
  call(first: A, second: B): unknown;
  /**
   * The call has returned; if it returned a promise, that has resolved. `second` is not kept that long: it
   * may be an address, of each connection that is served.
   */
  onReturn?(value: unknown, first: A): void;
  /** The call has thrown `error`, or its promise was rejected with it. */
  onFailure(error: unknown, first: A): void;
}

/** The guard of one loop. */
export class Guard {
  readonly #report: Report;

  /** `report` is user code as well, if it is overridden, and may throw. */
  constructor(report: Report) {
    this.#report = report;
  }

  /** Runs a callback or a timeout. */
  readonly run = (callback: Callback, args: readonly unknown[], context: Context): void => {
    try {
      const scope = scopeOf(context);
      const result = scope === null ? callWith(callback, args) : runIn(scope, callback, args);
      if (isThenable(result)) this.#watch(callback, result);
    } catch (error) {
      this.fail(callback, error);
    }
  };

  /** Runs a handler of a source. `EPIPE` is not reported, as in Tornado: the peer has closed. */
  readonly runHandler = (
    handler: Callback,
    source: unknown,
    bits: number,
    context: Context,
  ): void => {
    try {
      const call = handler as (source: unknown, bits: number) => unknown;
      const scope = callScopeOf(context);
      const result =
        scope === null ? call(source, bits) : scope.runInAsyncScope(call, undefined, source, bits);
      if (isThenable(result)) this.#watch(handler, result, isBrokenPipe);
    } catch (error) {
      if (!isBrokenPipe(error)) this.fail(handler, error);
    }
  };

  /**
   * Makes a call in a copy of the async context of the caller, and waits for the promise that it
   * returns.
   */
  enter<A, B>(call: GuardedCall<A, B>, first: A, second: B): void {
    let result: unknown;
    try {
      const scope = callScope();
      result =
        scope === null
          ? call.call(first, second)
          : scope.runInAsyncScope(
              enterCall,
              undefined,
              call as GuardedCall<unknown, unknown>,
              first,
              second,
            );
      if (isThenable(result)) {
        endLater(call, result, first);
        return;
      }
    } catch (error) {
      call.onFailure(error, first);
      return;
    }
    call.onReturn?.(result, first);
  }

  /** Waits for the promise that `call` has got from a function of the program, if it is one. */
  follow<A, B>(call: GuardedCall<A, B>, result: unknown, first: A): void {
    if (isThenable(result)) endLater(call, result, first);
  }

  /** Runs one of several steps: a failure is reported, so that the next step runs all the same. */
  attempt(step: () => void): void;
  attempt<T>(step: (subject: T) => void, subject: T): void;
  attempt(step: (subject?: unknown) => void, subject?: unknown): void {
    try {
      step(subject);
    } catch (error) {
      this.report(null, error);
    }
  }

  /** Reports a failure of user code, unless the program has cancelled that code by a signal. */
  fail(callback: Callback | null, error: unknown): void {
    if (!isAbortReason(error)) this.report(callback, error);
  }

  /**
   * Reports an error. If the report fails, or the promise that it returns, both errors become one
   * uncaught exception in the next tick: nothing is lost, and the turn goes on.
   */
  report(callback: Callback | null, error: unknown): void {
    try {
      const result = this.#report(callback, error, this.origin);
      if (!isThenable(result)) return;
      settled(result, undefined, (failure) => {
        throwLater(failure, error);
      });
    } catch (failure) {
      throwLater(failure, error);
    }
  }

  /** The origin of the call that runs; `null` outside of debug mode. */
  protected get origin(): CallOrigin | null {
    return null;
  }

  /** Reports the rejection of a promise, which would be unhandled otherwise. */
  #watch(
    callback: Callback,
    result: PromiseLike<unknown>,
    isExpected: (error: unknown) => boolean = never,
  ): void {
    settled(result, undefined, (error) => {
      if (!isExpected(error)) this.fail(callback, error);
    });
  }
}

/**
 * Ends a call when its promise is settled. A function of its own: one that makes closures has what these
 * use on the heap in each call. The functions are kept for as long as the promise is pending, for each
 * connection of a server; one by `bind()` takes 24 bytes less than a closure.
 */
function endLater<A, B>(call: GuardedCall<A, B>, result: PromiseLike<unknown>, first: A): void {
  const ended = call as GuardedCall<unknown, unknown>;
  const onResolved =
    call.onReturn === undefined ? undefined : onLateReturn.bind(null, ended, first);
  settled(result, onResolved, onLateFailure.bind(null, ended, first));
}

function onLateReturn(call: GuardedCall<unknown, unknown>, first: unknown, value: unknown): void {
  call.onReturn?.(value, first);
}

function onLateFailure(call: GuardedCall<unknown, unknown>, first: unknown, error: unknown): void {
  call.onFailure(error, first);
}

/**
 * Calls one of the two, once, when `promise` is settled. It may be a foreign thenable, which can
 * call back twice, or throw in its `then()`; a promise of the language cannot.
 */
export function settled<T>(
  promise: PromiseLike<T>,
  onResolved: ((value: T) => void) | undefined,
  onRejected: (error: unknown) => void,
): void {
  void Promise.resolve(promise).then(onResolved, onRejected);
}

/** The default report. */
export function logException(
  callback: Callback | null,
  error: unknown,
  origin: CallOrigin | null,
): void {
  const name = callback === null ? '(none)' : nameOf(callback);
  const site = origin?.site ?? null;
  if (site === null) console.error('Exception in callback %s:', name, error);
  else console.error('Exception in callback %s, registered at %s:', name, site, error);
}

/** The report of `error` has failed. */
function throwLater(failure: unknown, error: unknown): void {
  const message = 'handleCallbackException failed while it handled an error';
  const both = new AggregateError([failure, error], message, { cause: failure });
  nextTick(() => {
    throw both;
  });
}

function runIn(scope: AsyncResource, callback: Callback, args: readonly unknown[]): unknown {
  const call = callback as (...args: readonly unknown[]) => unknown;
  return scope.runInAsyncScope(call, undefined, ...args);
}

function enterCall(call: GuardedCall<unknown, unknown>, first: unknown, second: unknown): unknown {
  return call.call(first, second);
}

function never(): boolean {
  return false;
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === 'EPIPE';
}
