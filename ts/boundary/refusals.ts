/**
 * What a binary cannot do: the error, and what the functions are that it does not export.
 *
 * Public functions ask {@link requires} first, and name themselves. A path that does not ask ends at
 * the binding, which refuses by the name of its own function: never a `TypeError`.
 */
import { unsupported, type IOLoopError } from '../support/errors.js';

/** Called before each refusal. The suite counts its tests by it. */
let observer: ((what: string) => void) | null = null;

/** Has `listener` called with the subject of each refusal. For tests. */
export function observeRefusals(listener: (what: string) => void): void {
  observer = listener;
}

/** The error of what the backend lacks. */
export function refusal(what: string, backend: string): IOLoopError {
  observer?.(what);
  return unsupported(
    what,
    `The backend is '${backend}', which has no file descriptors: use a system with a native binary`,
  );
}

/** The binding with functions that refuse in the place of those that it does not export. */
export function refusingMissing<B extends object>(binding: B, backend: string): B {
  return new Proxy(binding, {
    get(target, name, receiver) {
      if (typeof name !== 'string' || name in target || !FUNCTION.test(name)) {
        return Reflect.get(target, name, receiver) as unknown;
      }
      return () => {
        throw refusal(`${name}()`, backend);
      };
    },
  });
}

/** The name of a function of the binding; constants are in capitals. */
const FUNCTION = /^[a-z]+[A-Z]/;
