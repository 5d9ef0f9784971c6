/** The bytes of `npm run test:moves`: each word occurs once in 16 GiB, so that a shift is noticed. */

/** Bytes of a chunk, a multiple of a word. */
export const CHUNK = 65_536;

/** The chunk with this index: the same in every process. */
export function chunkOf(index: number): Buffer {
  const words = new Uint32Array(CHUNK / 4);
  const first = index * words.length;
  // Odd, so that different words have different products.
  for (let at = 0; at < words.length; at += 1) words[at] = Math.imul(first + at, 0x9e37_79b1);
  return Buffer.from(words.buffer);
}
