/** The driver that wakes the loops of this process. */
import { native } from '../boundary/native.js';
import { invalidArgValue } from '../support/errors.js';

/**
 * What wakes the JavaScript thread when the loop has something to collect. `libuv`: Node's event
 * loop watches the loop's descriptor. `thread`: a thread waits for it and calls a threadsafe
 * function.
 */
export type Driver = 'libuv' | 'thread';

/**
 * The driver of `IOLOOP_DRIVER` if it is set; otherwise `libuv` where it can watch the loop, and
 * `thread` elsewhere. On Bun and Deno it cannot: Bun aborts the process in `uv_poll_init`, Deno calls
 * back once. Both are recognised by name, before libuv is called. On the backend `poll` the loop has
 * no descriptor that libuv could watch.
 *
 * @throws `ERR_INVALID_ARG_VALUE` if `IOLOOP_DRIVER` is not a driver, or is `libuv` where that cannot
 * watch the loop.
 */
export function chooseDriver(): Driver {
  const isLibuvUsable = hasLibuv() && native.HAS_DESCRIPTOR;
  const wanted = process.env['IOLOOP_DRIVER'];
  if (wanted === undefined || wanted === '') return isLibuvUsable ? 'libuv' : 'thread';
  if (wanted === 'thread' || (wanted === 'libuv' && isLibuvUsable)) return wanted;
  const expected = isLibuvUsable
    ? "'libuv' or 'thread'"
    : `'thread' on this ${hasLibuv() ? 'system' : 'runtime'}`;
  throw invalidArgValue('IOLOOP_DRIVER', wanted, expected);
}

/** Whether this runtime has a usable libuv. Asks the runtime, not libuv. */
export function hasLibuv(): boolean {
  return process.versions['bun'] === undefined && !('Deno' in globalThis);
}
