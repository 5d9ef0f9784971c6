/** The driver that wakes the loops of this process. */
import { capabilities } from '../boundary/capabilities.js';
import type { Driver } from '../boundary/native-loop.js';
import { environment, hasLibuv } from '../support/environment.js';
import { invalidArgValue } from '../support/errors.js';

export type { Driver };

/**
 * The driver of `IOLOOP_DRIVER` if it is set; otherwise `libuv` where it can watch the loop, and
 * `thread` elsewhere. On Bun and Deno it cannot: Bun aborts the process in `uv_poll_init`, Deno calls
 * back once. Both are recognised by name, before libuv is called. On the backend `poll` the loop has
 * no descriptor that libuv could watch. Without descriptors at all, `host` is the only driver.
 *
 * @throws `ERR_INVALID_ARG_VALUE` if `IOLOOP_DRIVER` is not a driver, or is `libuv` where that cannot
 * watch the loop.
 */
export function chooseDriver(): Driver {
  const [preferred, ...others] = usableDrivers();
  const wanted = environment('IOLOOP_DRIVER');
  if (wanted === undefined || wanted === '') return preferred;
  const found = [preferred, ...others].find((driver) => driver === wanted);
  if (found !== undefined) return found;
  const expected =
    others.length > 0
      ? "'libuv' or 'thread'"
      : `'${preferred}' on this ${hasLibuv() ? 'system' : 'runtime'}`;
  throw invalidArgValue('IOLOOP_DRIVER', wanted, expected);
}

/** The drivers that this binary and this runtime have, the preferred one first. */
function usableDrivers(): readonly [Driver, ...Driver[]] {
  if (!capabilities.descriptors) return ['host'];
  return hasLibuv() && capabilities.selectorDescriptor ? ['libuv', 'thread'] : ['thread'];
}
