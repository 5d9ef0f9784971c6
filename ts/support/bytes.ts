/** The bytes of a typed array that a program passes. */
import { bufferDetached } from './errors.js';

/**
 * The memory of a typed array or `DataView` that was passed to `call`, without a copy.
 *
 * @throws `ERR_IOLOOP_BUFFER_DETACHED`: a detached array would look empty.
 */
export function bytesOfView(view: ArrayBufferView, call: string): Uint8Array {
  if (view instanceof Uint8Array && view.length > 0) return view;
  try {
    return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  } catch {
    throw bufferDetached(call, 0);
  }
}
