/** Stand-ins for functions and classes of Node that browsers have no counterpart of. */
import { unsupported } from '../support/errors.js';

/**
 * A function that is also a class. Each call, and each construction of it or of a subclass, throws
 * `ERR_IOLOOP_UNSUPPORTED` with `name`, so that the modules which import it can be loaded.
 */
export function absent(name: string): AbsentClass {
  function Absent(): never {
    throw unsupported(`${name} in a browser`, 'Use IOStream.pair(), fetch() or a WebSocket');
  }
  return Absent as unknown as AbsentClass;
}

/** Its use is always an error. */
export interface AbsentClass {
  new (...args: never[]): object;
  (...args: never[]): never;
}
