/** The driver that wakes the loops of this process. */
import { invalidArgValue } from '../support/errors.js';

/**
 * What wakes the JavaScript thread when the loop has something to collect. `libuv`: Node's event
 * loop watches the loop's descriptor. `thread`: a thread waits for it and calls a threadsafe
 * function.
 */
export type Driver = 'libuv' | 'thread';

/**
 * The driver of `IOLOOP_DRIVER` if it is set; otherwise `libuv` on Node and `thread` on Bun and
 * Deno, which have no usable libuv: Bun aborts the process in `uv_poll_init`, Deno calls back once.
 * Both are recognised by name, before libuv is called.
 *
 * @throws `ERR_INVALID_ARG_VALUE` if `IOLOOP_DRIVER` is not a driver, or is `libuv` on Bun or Deno.
 */
export function chooseDriver(): Driver {
  const isLibuvUsable = hasLibuv();
  const wanted = process.env['IOLOOP_DRIVER'];
  if (wanted === undefined || wanted === '') return isLibuvUsable ? 'libuv' : 'thread';
  if (wanted === 'thread' || (wanted === 'libuv' && isLibuvUsable)) return wanted;
  const expected = isLibuvUsable ? "'libuv' or 'thread'" : "'thread' on this runtime";
  throw invalidArgValue('IOLOOP_DRIVER', wanted, expected);
}

/** Whether this runtime has a usable libuv. Asks the runtime, not libuv. */
export function hasLibuv(): boolean {
  return process.versions['bun'] === undefined && !('Deno' in globalThis);
}
