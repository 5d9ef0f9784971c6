/** Which driver wakes the loops of this process. */
import { invalidArgValue } from '../support/errors.js';

/**
 * Who wakes the JavaScript thread: Node's own libuv loop, which watches the loop's descriptor, or a
 * thread with a threadsafe function.
 */
export type Driver = 'libuv' | 'thread';

/**
 * `IOLOOP_DRIVER` when it is set; else `libuv` on Node, and `thread` where libuv is not what it
 * seems: Bun aborts the process in `uv_poll_init`, Deno calls back only once. Both are told by
 * their name, before anything of libuv is touched.
 *
 * @throws `ERR_INVALID_ARG_VALUE` when `IOLOOP_DRIVER` names no driver, or `libuv` on a runtime
 * that has none.
 */
export function chooseDriver(): Driver {
  const hasLibuv = process.versions['bun'] === undefined && !('Deno' in globalThis);
  const wanted = process.env['IOLOOP_DRIVER'];
  if (wanted === undefined || wanted === '') return hasLibuv ? 'libuv' : 'thread';
  if (wanted === 'thread' || (wanted === 'libuv' && hasLibuv)) return wanted;
  const expected = hasLibuv ? "'libuv' or 'thread'" : "'thread' on this runtime";
  throw invalidArgValue('IOLOOP_DRIVER', wanted, expected);
}
