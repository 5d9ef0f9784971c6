/** A binding as all other files have it, whatever flavour it is. */
import type { Binding } from './binding.js';
import { withCopiedArrays, type ModuleBinding } from './module-memory.js';
import { withUnsupported } from './unsupported.js';

/** `loaded`, as its file or module exports it, adapted to what it can do. */
export function adapted(loaded: Binding): Binding {
  const { separateMemory } = loaded.capabilities();
  // A copy: V8 keeps the exports of an addon in a hash table.
  const binding = separateMemory ? withCopiedArrays(loaded as ModuleBinding) : { ...loaded };
  return withUnsupported(binding);
}
