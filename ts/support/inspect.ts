/** `util.inspect` of public objects: the name of the class, and the state in the words of the API. */
import { inspect } from 'node:util';

/** The key of the method that `util.inspect` calls. It has no side effects, and never throws. */
export const INSPECT: typeof inspect.custom = inspect.custom;

/**
 * The object that `util.inspect` shows in place of `subject`: `state`, and the own properties that a
 * subclass or the program has added, but `hidden` ones. `name` is by default that of the class.
 */
export function viewOf(
  subject: object,
  state: object,
  { name = subject.constructor.name, hidden = NONE }: ViewOptions = {},
): object {
  const view = views.get(subject) ?? emptyView(name);
  // One view for each object: `util.inspect` finds circles by identity.
  views.set(subject, view);
  for (const key of Object.keys(view)) delete view[key];
  return Object.assign(view, state, ownData(subject, hidden));
}

interface ViewOptions {
  readonly name?: string;
  readonly hidden?: readonly string[];
}

type View = Record<string, unknown>;

const NONE: readonly string[] = [];
const views = new WeakMap<object, View>();

/** An object of a class with this name. */
function emptyView(name: string): View {
  const Named = {
    [name]: class {
      [key: string]: unknown;
    },
  }[name] as new () => View;
  return new Named();
}

/** Own enumerable properties, without calls of getters. */
function ownData(subject: object, hidden: readonly string[]): View {
  const own = Object.entries(Object.getOwnPropertyDescriptors(subject));
  const shown = own.filter(
    ([key, { enumerable, value }]) =>
      enumerable === true && value !== undefined && !hidden.includes(key),
  );
  return Object.fromEntries(shown.map(([key, { value }]) => [key, value as unknown]));
}
