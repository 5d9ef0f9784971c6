/** IP addresses: text to bytes and back. The text is checked by `node:net` before. */

/** The 4 bytes of a dotted quad. */
export function parseIPv4(text: string): number[] {
  return text.split('.').map(Number);
}

/** The 16 bytes of an IPv6 address without scope; its last 4 may be a dotted quad. */
export function parseIPv6(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const front = bytesOf(head);
  if (tail === undefined) return front;
  const back = bytesOf(tail);
  const zeros = Array.from({ length: IPV6_BYTES - front.length - back.length }, () => 0);
  return [...front, ...zeros, ...back];
}

/** The dotted quad of the first 4 bytes. */
export function formatIPv4(bytes: Uint8Array): string {
  return bytes.subarray(0, IPV4_BYTES).join('.');
}

/**
 * The text of 16 bytes as RFC 5952 wants it, and `inet_ntop(3)` gives it: lower case, no leading
 * zeros, the longest run of two or more zero groups as `::` (the first of equals), and a dotted
 * quad for an IPv4-mapped address.
 */
export function formatIPv6(bytes: Uint8Array): string {
  if (isMapped(bytes)) return `::ffff:${formatIPv4(bytes.subarray(IPV6_BYTES - IPV4_BYTES))}`;
  const groups = Array.from({ length: GROUPS }, (_, at) => {
    return (bytes[2 * at] as number) * 256 + (bytes[2 * at + 1] as number);
  });
  const { start, length } = longestZeroRun(groups);
  if (length < 2) return hex(groups);
  return `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`;
}

const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
const GROUPS = 8;

function bytesOf(part: string): number[] {
  if (part === '') return [];
  return part.split(':').flatMap((group) => {
    if (group.includes('.')) return parseIPv4(group);
    const word = Number.parseInt(group, 16);
    return [word >> 8, word & 0xff];
  });
}

function isMapped(bytes: Uint8Array): boolean {
  const prefix = bytes.subarray(0, IPV6_BYTES - IPV4_BYTES);
  return prefix.every((byte, at) => byte === (at < 10 ? 0 : 0xff));
}

function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  for (const [at, group] of groups.entries()) {
    if (group !== 0) start = at + 1;
    else if (at + 1 - start > best.length) best = { start, length: at + 1 - start };
  }
  return best;
}

function hex(groups: readonly number[]): string {
  return groups.map((group) => group.toString(16)).join(':');
}
