/** What is written to an `IOStreamDuplex`: buffers, and strings that Node has not decoded. */

/** An element of `_writev()`. */
export interface DuplexChunk {
  readonly chunk: Buffer | string;
  readonly encoding: BufferEncoding;
}

/** A chunk as a stream writes it, which encodes strings as UTF-8. */
export function encoded(chunk: Buffer | string, encoding: BufferEncoding): Buffer | string {
  if (typeof chunk !== 'string' || encoding === 'utf8') return chunk;
  return Buffer.from(chunk, encoding);
}

/** The same for several; alone, the one that is not empty. `node:http` ends a response by an empty one. */
export function encodedList(chunks: readonly DuplexChunk[]): Buffer | string | (Buffer | string)[] {
  const list: (Buffer | string)[] = [];
  for (const { chunk, encoding } of chunks) {
    if (chunk.length > 0) list.push(encoded(chunk, encoding));
  }
  return list.length > 1 ? list : (list[0] ?? '');
}

/** The bytes of chunks that wait. */
export function bytesOfChunks(chunks: readonly DuplexChunk[]): number {
  let bytes = 0;
  for (const { chunk, encoding } of chunks) bytes += Buffer.byteLength(chunk, encoding);
  return bytes;
}
