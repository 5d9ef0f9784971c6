/** CRC-32C (Castagnoli): RFC 3720, appendix B.4. `zlib.crc32` has another polynomial. */

/** The checksum of `bytes`, an unsigned number of 32 bits. */
export function crc32c(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (table()[(sum ^ byte) & 0xff] as number) ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}

/** The remainders of each byte, made at the first use. */
function table(): Uint32Array {
  remainders ??= Uint32Array.from({ length: 256 }, (_, byte) => {
    let value = byte;
    for (let bit = 0; bit < 8; bit += 1) {
      value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ POLYNOMIAL;
    }
    return value;
  });
  return remainders;
}

/** Reflected. */
const POLYNOMIAL = 0x82f63b78;

let remainders: Uint32Array | null = null;
