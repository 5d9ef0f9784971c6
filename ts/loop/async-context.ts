/**
 * In which async context (`AsyncLocalStorage`) user code runs.
 *
 * A callback runs in the context of whoever added it. Node's carrier for that, `AsyncResource`,
 * costs 150 bytes and up to 190 ns when it is kept; most programs have no storage in use, so it is
 * made, looked at (11 ns) and dropped again when it carries nothing.
 */
import { AsyncResource } from 'node:async_hooks';

/** What {@link capture} gives: a context to run in, or `null` for none in particular. */
export type Context = AsyncResource | null;

const TYPE = 'IOLoop.callback';
const FRAME = 'context_frame';
const KNOWN = new Set([FRAME, 'kResourceStore', 'async_id_symbol', 'trigger_async_id_symbol']);

/**
 * The context outside all storages: the one this module was loaded in. Nothing ever runs in it:
 * `enterWith` changes the context it is called in, so turns have another, {@link turnScope}.
 */
const root = new AsyncResource('IOLoop');

/** The property in which Node 24 keeps all storages in one frame; elsewhere a name of no property. */
const frame = frameSymbol();

/** Whether an empty context can be told from a full one: only on the Nodes whose ways are known. */
const emptinessShows = isKnownNode();

const sharedScope = root.runInAsyncScope(create);

/** Set for good once a hook was seen: from then on contexts may carry something. */
let hooksExist = false;

/**
 * Whether a storage was ever seen in use. Until then callbacks without a context run in that of
 * their turn; from then on each in one of its own.
 */
export let storagesExist = false;

/** The context of the caller; `null` when no storage is in use. */
export function capture(): Context {
  if (hooksExist || !emptinessShows) return carrier();
  let resource: AsyncResource;
  try {
    // An empty type is an error only while an async hook is enabled, as Node 20 and 22 do for
    // AsyncLocalStorage. A number as second argument saves the parsing of options.
    resource = new AsyncResource('', 1);
  } catch {
    hooksExist = true;
    return carrier();
  }
  if ((resource as unknown as Record<symbol, unknown>)[frame] === undefined) return null;
  storagesExist = true;
  return resource;
}

/**
 * At the end of a turn: has one of its callbacks entered a storage for the first time? From the
 * next turn on, callbacks without a context are kept apart.
 */
export function noticeStorages(): void {
  if (!storagesExist) capture();
}

/** A new context outside all storages. */
export function outside(): AsyncResource {
  return root.runInAsyncScope(create);
}

/** The context of a turn. One serves them all, until a storage is seen: it may be in there. */
export function turnScope(): AsyncResource {
  return storagesExist ? outside() : sharedScope;
}

function carrier(): AsyncResource {
  storagesExist = true;
  return create();
}

function create(): AsyncResource {
  return new AsyncResource(TYPE);
}

function frameSymbol(): symbol {
  const symbols = Object.getOwnPropertySymbols(new AsyncResource(TYPE));
  return symbols.find((symbol) => symbol.description === FRAME) ?? Symbol(FRAME);
}

function isKnownNode(): boolean {
  if (process.release.name !== 'node') return false;
  if (process.versions['bun'] !== undefined || 'Deno' in globalThis) return false;
  const symbols = Object.getOwnPropertySymbols(new AsyncResource(TYPE));
  const names = symbols.map((symbol) => symbol.description ?? '');
  const major = Number.parseInt(process.versions.node, 10);
  const framed = major < 24 || names.includes(FRAME);
  return framed && names.every((name) => KNOWN.has(name));
}
