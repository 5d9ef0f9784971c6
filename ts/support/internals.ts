/**
 * The key to the inside of a public object, for the rest of the package.
 *
 * A public class has one getter under this symbol, on its prototype: no property of the object, and
 * left out of the typings by its tag. Programs cannot import the symbol.
 */
export const INTERNALS: unique symbol = Symbol('ioloop.internals');
