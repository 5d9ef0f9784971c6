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

/** The context of the caller; `null` when no storage is in use. */
export function capture(): Context {
  if (!emptinessShows) return new AsyncResource(TYPE);
  if (hooksExist) return new AsyncResource(TYPE);
  let resource: AsyncResource & { [frame]?: unknown };
  try {
    // An empty type is an error only while an async hook is enabled, as Node 20 and 22 do for
    // AsyncLocalStorage. A number as second argument saves the parsing of options.
    resource = new AsyncResource('', 1);
  } catch {
    hooksExist = true;
    return new AsyncResource(TYPE);
  }
  // Node 24 and later carry all storages in one frame, without a hook.
  return resource[frame] === undefined ? null : resource;
}

const TYPE = 'IOLoop.callback';

/** Set for good once a hook was seen: from then on contexts may carry something. */
let hooksExist = false;

/** The property in which Node keeps the frame; a symbol of our own where there is none. */
const frame: unique symbol = frameSymbol() as never;

/** Whether an empty context can be told from a full one: only on the Nodes whose ways are known. */
const emptinessShows = process.versions['bun'] === undefined && isKnownNode();

function isKnownNode(): boolean {
  if (process.release.name !== 'node' || 'Deno' in globalThis) return false;
  const names = Object.getOwnPropertySymbols(new AsyncResource(TYPE)).map(
    (symbol) => symbol.description ?? '',
  );
  const major = Number.parseInt(process.versions.node, 10);
  return major < 24
    ? names.every((name) => KNOWN_PROPERTIES.includes(name) || name === 'kResourceStore')
    : names.includes(FRAME);
}

function frameSymbol(): symbol {
  const symbols = Object.getOwnPropertySymbols(new AsyncResource(TYPE));
  return symbols.find((symbol) => symbol.description === FRAME) ?? Symbol(FRAME);
}

const FRAME = 'context_frame';
const KNOWN_PROPERTIES = [FRAME, 'async_id_symbol', 'trigger_async_id_symbol'];
