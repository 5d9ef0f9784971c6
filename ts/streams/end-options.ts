/** Arguments of `end()`, which takes neither data nor a callback, unlike that of `net.Socket`. */
import { checkWait, type WaitOptions } from '../loop/wait.js';
import { invalidArgType } from '../support/errors.js';

/** Those of a stream. @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`. */
export function checkEndOptions(options: unknown): void {
  if (options === undefined) return;
  if (isOfNetSocket(options)) throw invalidArgType('options', options, `an object: ${TAKES_NONE}`);
  checkWait(options as WaitOptions);
}

/** That of a connection, which takes none. @throws `ERR_INVALID_ARG_TYPE`. */
export function refuseData(data: unknown): void {
  if (isOfNetSocket(data)) throw invalidArgType('data', data, `left out: ${TAKES_NONE}`);
}

/** Data, a list of data, or a callback. */
function isOfNetSocket(value: unknown): boolean {
  const isData = typeof value === 'string' || ArrayBuffer.isView(value) || Array.isArray(value);
  return isData || typeof value === 'function';
}

const TAKES_NONE = 'end() takes no data and no callback, call write() before it';
