/** IP addresses: text to bytes and back. The text is checked by {@link ipFamily} before. */
import { readFileSync } from 'node:fs';
import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

/**
 * The family of an IP address, 0 for other text. Unlike `net.isIP` it takes every zone: the name of
 * an interface may have any character but `/` and white space.
 */
export function ipFamily(host: string): 0 | 4 | 6 {
  const at = host.indexOf('%');
  if (at === -1) return isIP(host) as 0 | 4 | 6;
  return isIPv6(host.slice(0, at)) && /^[^/\s%]+$/.test(host.slice(at + 1)) ? 6 : 0;
}

/** The 4 bytes of a dotted quad. */
export function parseIPv4(text: string): number[] {
  return text.split('.').map(Number);
}

/** The 16 bytes of an IPv6 address without scope; its last 4 may be a dotted quad. */
export function parseIPv6(text: string): number[] {
  const [head = '', tail] = text.split('::');
  const front = groupBytes(head);
  if (tail === undefined) return front;
  const back = groupBytes(tail);
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

/**
 * The index of the interface that a zone names, or is: `if_nametoindex(3)`. `null` when there is no
 * such interface.
 */
export function zoneIndex(zone: string): number | null {
  if (/^\d+$/.test(zone)) return Number(zone) <= MAX_INDEX ? Number(zone) : null;
  return kernelIndex(zone) ?? listedIndex(zone);
}

/** Linux lists every interface here, whether it is up or has an address. */
function kernelIndex(zone: string): number | null {
  if (process.platform !== 'linux' || zone.includes('/') || zone.startsWith('.')) return null;
  try {
    return Number(readFileSync(`/sys/class/net/${zone}/ifindex`, 'latin1'));
  } catch {
    return null;
  }
}

/** Elsewhere, and without sysfs: interfaces that have a link-local address. */
function listedIndex(zone: string): number | null {
  for (const entry of networkInterfaces()[zone] ?? []) {
    if (entry.family === 'IPv6' && entry.scopeid !== 0) return entry.scopeid;
  }
  return null;
}

const MAX_INDEX = 0xffff_ffff;
const IPV4_BYTES = 4;
const IPV6_BYTES = 16;
const GROUPS = 8;

function groupBytes(part: string): number[] {
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
