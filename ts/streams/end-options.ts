/** Options of `IOStream.end()`, which takes neither data nor a callback. */
import { checkWait, type WaitOptions } from '../loop/wait.js';
import { invalidArgType } from '../support/errors.js';

/** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`. */
export function checkEndOptions(options: unknown): void {
  if (options === undefined) return;
  // Programs that come from `net.Socket` pass data and a callback.
  const isData = typeof options === 'string' || ArrayBuffer.isView(options);
  if (isData || Array.isArray(options) || typeof options === 'function') {
    const expected = 'an object: end() takes no data and no callback, call write() before it';
    throw invalidArgType('options', options, expected);
  }
  checkWait(options as WaitOptions);
}
