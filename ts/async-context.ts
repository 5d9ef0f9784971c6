/**
 * In which async context (`AsyncLocalStorage`) user code runs.
 *
 * A callback runs in the context of whoever added it. Node's carrier for that, `AsyncResource`,
 * costs 150 bytes and up to 190 ns when it is kept; most programs have no storage in use, so it is
 * made, looked at (11 ns) and dropped again when it carries nothing.
 */
import { AsyncResource } from 'node:async_hooks';

/** What {@link capture} gives: a context to run in, or `null` for {@link root}. */
export type Context = AsyncResource | null;

/** The context outside all storages: the one this module was loaded in. */
export const root = new AsyncResource('IOLoop');

const TYPE = 'IOLoop.callback';
const FRAME = 'context_frame';
const STORE = 'kResourceStore';
const KNOWN = new Set([FRAME, STORE, 'async_id_symbol', 'trigger_async_id_symbol']);

/** The property in which Node 24 keeps all storages in one frame; elsewhere a name of no property. */
const frame = frameSymbol();

/** Whether an empty context can be told from a full one: only on the Nodes whose ways are known. */
const emptinessShows = isKnownNode();

/** Set for good once a hook was seen: from then on contexts may carry something. */
let hooksExist = false;

/**
 * Whether a storage was ever seen in use. What runs outside all contexts then needs one of its own
 * ({@link outside}): `enterWith` changes the context it is called in, and that must not be
 * {@link root}.
 */
export let storagesExist = false;

/** Whether the turn is over in which callbacks may have run in {@link root} itself. */
let rootIsClean = false;

stripStores(root);

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
  if ((resource as unknown as Stores)[frame] === undefined) return null;
  storagesExist = true;
  return resource;
}

/** A context of its own outside all storages; only in a turn, which runs in {@link root}. */
export function outside(): AsyncResource {
  return new AsyncResource(TYPE);
}

/** Takes away what a callback of the turn has entered while no storage was known to exist. */
export function endTurn(): void {
  if (rootIsClean || (!storagesExist && capture() === null)) return;
  rootIsClean = true;
  stripStores(root);
}

function carrier(): AsyncResource {
  storagesExist = true;
  return new AsyncResource(TYPE);
}

type Stores = Record<symbol, unknown>;

/** What the storages keep in a resource: its creator's stores, and what was entered in it. */
function stripStores(resource: AsyncResource): void {
  const stores = resource as unknown as Stores;
  for (const symbol of Object.getOwnPropertySymbols(resource)) {
    if (symbol.description === STORE) Reflect.deleteProperty(stores, symbol);
    else if (symbol.description === FRAME) stores[symbol] = undefined;
  }
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
