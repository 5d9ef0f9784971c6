/** What Node's own functions lack for IP addresses: zones, and one text for each address. */
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { nodeNet } from '../support/builtins.js';

/**
 * The family of an IP address, 0 for other text. Unlike `net.isIP` it accepts every zone: the name
 * of an interface may have any character but `/` and white space.
 */
export function ipFamily(host: string): 0 | 4 | 6 {
  const at = host.indexOf('%');
  if (at === -1) return nodeNet().isIP(host) as 0 | 4 | 6;
  return nodeNet().isIPv6(host.slice(0, at)) && /^[^/\s%]+$/.test(host.slice(at + 1)) ? 6 : 0;
}

/**
 * An IPv6 address without a zone as the core writes it: RFC 5952 (lower case, the longest run of zeros
 * as `::`), and an IPv4-mapped one with its last 32 bits as IPv4 (`::ffff:192.0.2.1`).
 */
export function canonicalIPv6(host: string): string {
  const text = new URL(`http://[${host}]`).hostname.slice(1, -1);
  const [, high, low] = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(text) ?? [];
  if (high === undefined || low === undefined) return text;
  const bytes = Buffer.from(high.padStart(4, '0') + low.padStart(4, '0'), 'hex');
  return `${MAPPED}${bytes.join('.')}`;
}

/** The IPv4 address in an IPv4-mapped one that is {@link canonicalIPv6}; `null` for other addresses. */
export function mappedIPv4(host: string): string | null {
  return host.startsWith(MAPPED) && host.includes('.') ? host.slice(MAPPED.length) : null;
}

/**
 * The index of the interface that a zone names, or is: `if_nametoindex(3)`. `null` if there is no
 * such interface.
 */
export function zoneIndex(zone: string): number | null {
  if (/^\d+$/.test(zone)) return Number(zone) <= MAX_INDEX ? Number(zone) : null;
  return kernelIndex(zone) ?? listedIndex(zone);
}

/** Linux lists every interface here, also one that is down or has no address. */
function kernelIndex(zone: string): number | null {
  if (process.platform !== 'linux' || zone.includes('/') || zone.startsWith('.')) return null;
  try {
    return Number(readFileSync(`/sys/class/net/${zone}/ifindex`, 'latin1'));
  } catch {
    return null;
  }
}

/** Without sysfs: interfaces that have a link-local address. */
function listedIndex(zone: string): number | null {
  for (const entry of networkInterfaces()[zone] ?? []) {
    if (entry.family === 'IPv6' && entry.scopeid !== 0) return entry.scopeid;
  }
  return null;
}

const MAPPED = '::ffff:';
const MAX_INDEX = 0xffff_ffff;
