/**
 * Origins of calls, in debug mode: for each function that was handed to a loop, where that was. As the
 * source traceback of asyncio.
 *
 * The origin is in the async context in which the function runs. So it is known while the function
 * runs, also after an `await`, and to what the function registers when the host or the package is the
 * only caller on the stack.
 */
import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks';
import { callSite } from '../support/call-site.js';
import { nameOf } from '../support/one-line.js';
import { within, type Context } from './async-context.js';
import type { Callback } from './callback-queue.js';
import { Steps } from './stopwatch.js';

/** What a function was handed to a loop as. */
export type CallKind =
  | 'callback'
  | 'timeout'
  | 'handler'
  | 'periodic callback'
  | 'accept handler'
  | 'connection handler'
  | 'exposed function'
  | 'function of runSync'
  | 'onExpire function';

/** The origin of a call of the program's code by a loop, in debug mode. */
export interface CallOrigin {
  /** What the function was handed to the loop as. */
  readonly kind: CallKind;
  /** The name of the function; `(anonymous)` without one. */
  readonly name: string;
  /**
   * Where the function was handed to the loop: the innermost frame outside of this package, as
   * `name (url:line:column)`. `null` if it is not known.
   */
  readonly site: string | null;
}

/** The loop of an origin, which measures its steps. */
export interface OriginOwner {
  /** A step after an `await` has taken so long. Must not throw. */
  onStep(origin: CallOrigin, milliseconds: number): void;
}

/** The call that runs. */
interface Call {
  readonly origin: CallOrigin;
  readonly owner: OriginOwner;
}

/** An async context with the origin of the call that runs in it. */
export class OriginContext extends AsyncResource {
  readonly origin: CallOrigin;

  constructor(origin: CallOrigin) {
    super(origin.kind);
    this.origin = origin;
  }
}

/** Made with the first loop in debug mode: a storage costs the whole process on Node 20 and 22. */
let storage: AsyncLocalStorage<Call> | null = null;

/** By function: the latest origin. */
const byFunction = new WeakMap<Callback, CallOrigin>();

/**
 * A context like `context` for the call of `func`, with its origin: here. What the program has not
 * called directly has the site of the call that runs.
 */
export function contextOf(
  context: Context,
  kind: CallKind,
  func: Callback,
  owner: OriginOwner,
): OriginContext {
  return contextWith(context, originHere(kind, func), owner);
}

/** The site of this call of the package; that of the call that runs, if the host has called. */
export function siteHere(): string | null {
  return callSite() ?? runningOrigin()?.site ?? null;
}

/** The origin of `func`: this call of the package. */
export function originHere(kind: CallKind, func: Callback): CallOrigin {
  const origin = originAt(siteHere(), kind, func);
  byFunction.set(func, origin);
  return origin;
}

/** The origin of `func` at a site that is known. */
export function originAt(site: string | null, kind: CallKind, func: Callback): CallOrigin {
  return Object.freeze({ kind, name: nameOf(func), site });
}

/** A context like `context`, with this origin. */
export function contextWith(
  context: Context,
  origin: CallOrigin,
  owner: OriginOwner,
): OriginContext {
  storage ??= publish(new AsyncLocalStorage<Call>());
  const calls = storage;
  return within(context, () => calls.run({ origin, owner }, () => new OriginContext(origin)));
}

/** The origin of the call whose code runs now, or whose `await` it follows. `null` outside of debug mode. */
export function runningOrigin(): CallOrigin | null {
  return storage?.getStore()?.origin ?? null;
}

/** The origin that {@link contextOf} has put into a context. */
export function originIn(context: Context): CallOrigin | null {
  return context instanceof OriginContext ? context.origin : null;
}

/** Steps of all loops in debug mode on this thread. */
export const steps = new Steps<Call>(
  () => storage?.getStore(),
  ({ owner, origin }, milliseconds) => {
    owner.onStep(origin, milliseconds);
  },
);

/** Where `func` was last handed to a loop in debug mode; `null` if it was not. */
export function siteOf(func: Callback): string | null {
  return byFunction.get(func)?.site ?? null;
}

/** An origin, as a part of a sentence: `handler onPacket, registered at main (file:///a.mjs:3:8)`. */
export function originText({ kind, name, site }: CallOrigin): string {
  return site === null ? `${kind} ${name}` : `${kind} ${name}, registered at ${site}`;
}

/**
 * Lets a debugger that has paused the thread ask for the running origin:
 * `globalThis[Symbol.for('ioloop.origin')]()`.
 */
function publish(calls: AsyncLocalStorage<Call>): AsyncLocalStorage<Call> {
  Object.defineProperty(globalThis, Symbol.for('ioloop.origin'), {
    value: (): string | null => {
      const call = calls.getStore();
      return call === undefined ? null : originText(call.origin);
    },
    configurable: true,
  });
  return calls;
}
