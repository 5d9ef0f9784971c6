/** The peers whose headers of the PROXY protocol are believed. */
import type { BlockList } from 'node:net';
import type { Address } from '../sockets/address.js';
import { canonicalIPv6, mappedIPv4 } from '../sockets/ip-address.js';
import { nodeNet } from '../support/builtins.js';
import { invalidArgType, invalidArgValue } from '../support/errors.js';

/** Addresses (`'10.0.0.1'`), prefixes (`'10.0.0.0/8'`), and `'unix:'` for all Unix sockets. */
export type TrustList = BlockList | readonly string[];

/**
 * A set of peers: all of them, or those of a list. IPv4-mapped addresses (`::ffff:a.b.c.d`), which
 * peers of IPv4 have at a socket of IPv6, are IPv4, in the list too. No prefix of IPv6 has them:
 * `::/0` of a `BlockList` covers all of IPv4, so that the families have a list each.
 */
export class TrustedPeers {
  readonly #ipv4: BlockList | null;
  readonly #ipv6: BlockList | null;
  readonly #isUnixTrusted: boolean;

  /** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`. */
  constructor(trust: TrustList | undefined) {
    const { BlockList } = nodeNet();
    this.#isUnixTrusted = trust === undefined || (Array.isArray(trust) && trust.includes(UNIX));
    if (trust === undefined) {
      this.#ipv4 = this.#ipv6 = null;
    } else if (trust instanceof BlockList) {
      this.#ipv4 = this.#ipv6 = trust;
    } else {
      this.#ipv4 = new BlockList();
      this.#ipv6 = new BlockList();
      for (const [family, host, bits] of entriesOf(trust)) {
        const list = family === 'ipv4' ? this.#ipv4 : this.#ipv6;
        list.addSubnet(host, bits, family);
      }
    }
  }

  /** Whether `address` is trusted. A zone is ignored: the list has none. */
  has(address: Address): boolean {
    if ('path' in address) return this.#isUnixTrusted;
    const [host = ''] = address.host.split('%');
    const ipv4 = nodeNet().isIP(host) === 4 ? host : mappedIPv4(host);
    if (ipv4 !== null) return this.#ipv4?.check(ipv4, 'ipv4') ?? true;
    return this.#ipv6?.check(host, 'ipv6') ?? true;
  }
}

/** Family, first address, and length in bits of a prefix. */
type Prefix = readonly ['ipv4' | 'ipv6', string, number];

function entriesOf(trust: readonly string[]): Prefix[] {
  if (!Array.isArray(trust)) throw invalidArgType(NAME, trust, EXPECTED);
  const prefixes: Prefix[] = [];
  for (const entry of trust as readonly unknown[]) {
    if (typeof entry !== 'string') throw invalidArgType(NAME, entry, EXPECTED);
    if (entry !== UNIX) prefixes.push(prefixOf(entry));
  }
  return prefixes;
}

/** @throws `ERR_INVALID_ARG_VALUE`. */
function prefixOf(entry: string): Prefix {
  const [, host = entry, length] = /^([^/]*)\/(0|[1-9]\d{0,2})$/.exec(entry) ?? [];
  const family = nodeNet().isIP(host);
  const longest = family === 4 ? 32 : 128;
  const bits = length === undefined ? longest : Number(length);
  if (family === 0 || host.includes('%') || bits > longest) {
    throw invalidArgValue(NAME, entry, "IP addresses, prefixes such as 10.0.0.0/8, or 'unix:'");
  }
  if (family === 4) return ['ipv4', host, bits];
  const ipv4 = mappedIPv4(canonicalIPv6(host));
  if (ipv4 !== null && bits >= MAPPED_BITS) return ['ipv4', ipv4, bits - MAPPED_BITS];
  return ['ipv6', host, bits];
}

const NAME = 'proxyProtocol.trust';
const EXPECTED = 'a BlockList or a list of strings';
const UNIX = 'unix:';
/** Bits of `::ffff:0:0/96`, before the IPv4 address. */
const MAPPED_BITS = 96;
