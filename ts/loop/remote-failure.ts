/** What a function has thrown, as values that cross to another thread. */
import { notCloneable } from '../support/errors.js';

/** The classes of the language, which are kept; any other becomes `Error`, with its name. */
const CLASSES: Readonly<Record<string, new (message: string) => Error>> = {
  Error,
  EvalError,
  RangeError,
  ReferenceError,
  SyntaxError,
  TypeError,
  URIError,
};

/**
 * The values of a failure: of an error, its name, message, stack and code; else the value itself. Of an
 * error that cannot be read, those of one that says so.
 */
export function valuesOfFailure(failure: unknown): unknown[] {
  try {
    return read(failure);
  } catch (cause) {
    return read(notCloneable(cause));
  }
}

function read(failure: unknown): unknown[] {
  if (!(failure instanceof Error)) return [failure];
  const { code } = failure as { code?: unknown };
  const plain = typeof code === 'string' || typeof code === 'number' ? code : undefined;
  return [String(failure.name), String(failure.message), String(failure.stack), plain];
}

/** The failure of {@link valuesOfFailure}. */
export function failureOf(values: readonly unknown[]): unknown {
  if (values.length === 1) return values[0];
  const [name, message, stack, code] = values as [string, string, string, unknown];
  const error = new (CLASSES[name] ?? Error)(message);
  if (error.name !== name) hide(error, 'name', name);
  hide(error, 'stack', stack);
  return code === undefined ? error : Object.assign(error, { code });
}

/** Not enumerable, as the language has it. */
function hide(error: Error, key: string, value: string): void {
  Object.defineProperty(error, key, { value, configurable: true, writable: true });
}
