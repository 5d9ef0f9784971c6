/** The parts of `node:net` that need no socket: the forms of addresses. */
import { absent } from '../absent.js';

export const BlockList = absent('net.BlockList');

export function isIP(host: string): 0 | 4 | 6 {
  if (isIPv4(host)) return 4;
  return isIPv6(host) ? 6 : 0;
}

export function isIPv4(host: string): boolean {
  const parts = host.split('.');
  return (
    parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && +part < 256)
  );
}

/** The browser parses it, without its zone. */
export function isIPv6(host: string): boolean {
  const address = host.replace(/%[^%\]/?#]+$/, '');
  return /^[\da-f:.]+$/i.test(address) && isURL(`http://[${address}]`);
}

function isURL(text: string): boolean {
  try {
    return new URL(text).hostname !== '';
  } catch {
    return false;
  }
}
