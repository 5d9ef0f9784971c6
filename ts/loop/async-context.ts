/**
 * The async context (`AsyncLocalStorage`) in which user code runs: that of the code that added it.
 *
 * Node's carrier of a context is `AsyncResource`. Keeping one costs 150 bytes and up to 190 ns, and
 * most programs use no storage. So {@link capture} makes one, looks at it (11 ns), and drops it if
 * it carries nothing.
 *
 * | state  | meaning                          | `capture()`             | code without a context runs in |
 * | ------ | -------------------------------- | ----------------------- | ------------------------------ |
 * | Unused | no storage was seen in use       | `null`                  | the context of the turn        |
 * | Used   | a storage was seen in use        | `null` if it is empty   | a new context                  |
 * | Opaque | an empty context looks like any  | always a context        | a new context                  |
 *
 * Unused → Used when `capture()` finds a storage; Unused, Used → Opaque when it finds an async hook
 * (Node 20 and 22 have one for each `AsyncLocalStorage`). Neither is left again. Runtimes that
 * this module does not recognise begin with Opaque.
 */
import { AsyncResource } from 'node:async_hooks';
import { hasLibuv } from '../support/environment.js';

/** A context to run in, or `null` if it is empty. */
export type Context = AsyncResource | null;

const enum Storages {
  Unused,
  Used,
  Opaque,
}

const TYPE = 'IOLoop.callback';
const FRAME = 'context_frame';
const KNOWN = new Set([FRAME, 'kResourceStore', 'async_id_symbol', 'trigger_async_id_symbol']);

/**
 * The context in which this module was loaded, outside of all storages. Nothing runs in it:
 * `enterWith()` changes the context in which it is called.
 */
const root = new AsyncResource('IOLoop');

/** The property in which Node 24 keeps all storages in one frame; elsewhere the name of none. */
const frame = frameSymbol();

const sharedScope = root.runInAsyncScope(create);

let state: Storages = isKnownNode() ? Storages.Unused : Storages.Opaque;

/** The context of the caller; `null` if it is empty. */
export function capture(): Context {
  if (state === Storages.Opaque) return create();
  let resource: AsyncResource;
  try {
    // An empty type throws only while an async hook is enabled. A number as the second argument
    // saves the parsing of options.
    resource = new AsyncResource('', 1);
  } catch {
    state = Storages.Opaque;
    return create();
  }
  if ((resource as unknown as Record<symbol, unknown>)[frame] === undefined) return null;
  state = Storages.Used;
  return resource;
}

/** Looks, at the end of a turn, whether its code has entered a storage by `enterWith()`. */
export function noticeStorages(): void {
  if (state === Storages.Unused) capture();
}

/** The context to run code in that was added in `context`; `null` for that of the turn. */
export function scopeOf(context: Context): AsyncResource | null {
  return context ?? (state === Storages.Unused ? null : outside());
}

/**
 * The context to run one of several calls in that were added in `context`. What a call enters by
 * `enterWith()` ends with it: on Node 20 and 22 a storage is entered in the `AsyncResource` itself,
 * and the next call, of another connection perhaps, would see it. `null` for that of the turn.
 */
export function callScopeOf(context: Context): AsyncResource | null {
  return context === null ? scopeOf(null) : context.runInAsyncScope(create);
}

/** As {@link callScopeOf}, for a call in the context of the caller. */
export function callScope(): AsyncResource | null {
  return state === Storages.Unused ? null : create();
}

/** The context of a turn. All turns share one until a storage is seen, which may be in there. */
export function turnScope(): AsyncResource {
  return state === Storages.Unused ? sharedScope : outside();
}

/** Calls `func` in a context; for `null`, outside of all storages. */
export function within<T>(context: Context, func: () => T): T {
  return (context ?? root).runInAsyncScope(func);
}

/** A new context outside of all storages. */
function outside(): AsyncResource {
  return root.runInAsyncScope(create);
}

function create(): AsyncResource {
  return new AsyncResource(TYPE);
}

function frameSymbol(): symbol {
  const symbols = Object.getOwnPropertySymbols(new AsyncResource(TYPE));
  return symbols.find((symbol) => symbol.description === FRAME) ?? Symbol(FRAME);
}

/** Whether an `AsyncResource` has the properties by which an empty context is recognised. */
function isKnownNode(): boolean {
  if (process.release.name !== 'node') return false;
  if (!hasLibuv()) return false;
  const symbols = Object.getOwnPropertySymbols(new AsyncResource(TYPE));
  const names = symbols.map((symbol) => symbol.description ?? '');
  const major = Number.parseInt(process.versions.node, 10);
  const hasFrame = major < 24 || names.includes(FRAME);
  return hasFrame && names.every((name) => KNOWN.has(name));
}
