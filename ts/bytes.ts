/** The bytes of what a caller hands over. */

/** The memory of a typed array or `DataView`, without a copy. */
export function bytesOfView(view: ArrayBufferView): Uint8Array {
  if (view instanceof Uint8Array) return view;
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
