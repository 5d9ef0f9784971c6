/** What Node's own functions lack for IP addresses with a zone. */
import { readFileSync } from 'node:fs';
import { isIP, isIPv6 } from 'node:net';
import { networkInterfaces } from 'node:os';

/**
 * The family of an IP address, 0 for other text. Unlike `net.isIP` it accepts every zone: the name
 * of an interface may have any character but `/` and white space.
 */
export function ipFamily(host: string): 0 | 4 | 6 {
  const at = host.indexOf('%');
  if (at === -1) return isIP(host) as 0 | 4 | 6;
  return isIPv6(host.slice(0, at)) && /^[^/\s%]+$/.test(host.slice(at + 1)) ? 6 : 0;
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

const MAX_INDEX = 0xffff_ffff;
