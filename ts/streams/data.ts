/** Data for a write, as bytes. */
import { bytesOfView } from '../support/bytes.js';
import { invalidArgType } from '../support/errors.js';

/** Bytes to send: a string is sent as UTF-8, of a typed array or `DataView` the bytes it shows. */
export type Data = string | ArrayBufferView;

/**
 * The bytes of one piece: of a string, fresh ones; of a view, its own memory.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_IOLOOP_BUFFER_DETACHED`.
 */
export function bytesOf(data: Data): Uint8Array {
  if (typeof data === 'string') return Buffer.from(data);
  if (ArrayBuffer.isView(data)) return bytesOfView(data, 'write');
  throw invalidArgType('data', data, EXPECTED);
}

/** Whether `data` is an array of pieces. A typed array is one piece. */
export function isList(data: Data | readonly Data[]): data is readonly Data[] {
  return Array.isArray(data);
}

/** A copy of all bytes: the caller's memory may change before it is sent. */
export function copyOf(data: Data | readonly Data[]): Buffer {
  if (typeof data === 'string') return Buffer.from(data);
  if (isList(data)) return Buffer.concat(Array.from(data, bytesOf));
  return Buffer.from(bytesOf(data));
}

const EXPECTED = 'a string, a Buffer, a typed array, a DataView or an array of them';
