/** The peers whose headers of the PROXY protocol are believed. */
import { BlockList, isIP } from 'node:net';
import type { Address } from '../sockets/address.js';
import { ipFamily } from '../sockets/ip-address.js';
import { invalidArgType, invalidArgValue } from '../support/errors.js';

/** Addresses (`'10.0.0.1'`), prefixes (`'10.0.0.0/8'`), and `'unix:'` for all Unix sockets. */
export type TrustList = BlockList | readonly string[];

/** A set of peers: all of them, or those of a list. */
export class TrustedPeers {
  /** `null`: all. */
  readonly #list: BlockList | null;
  readonly #isUnixTrusted: boolean;

  /** @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`. */
  constructor(trust: TrustList | undefined) {
    this.#isUnixTrusted = trust === undefined || (Array.isArray(trust) && trust.includes(UNIX));
    if (trust === undefined) this.#list = null;
    else if (trust instanceof BlockList) this.#list = trust;
    else this.#list = listOf(trust);
  }

  /** Whether `address` is trusted. IPv4 addresses of an IPv6 socket (`::ffff:a.b.c.d`) are IPv4. */
  has(address: Address): boolean {
    if ('path' in address) return this.#isUnixTrusted;
    if (this.#list === null) return true;
    const [host = ''] = address.host.split('%');
    return this.#list.check(host, ipFamily(host) === 6 ? 'ipv6' : 'ipv4');
  }
}

function listOf(trust: readonly string[]): BlockList {
  if (!Array.isArray(trust)) throw invalidArgType(NAME, trust, EXPECTED);
  const list = new BlockList();
  for (const entry of trust as readonly unknown[]) {
    if (typeof entry !== 'string') throw invalidArgType(NAME, entry, EXPECTED);
    if (entry !== UNIX) add(list, entry);
  }
  return list;
}

function add(list: BlockList, entry: string): void {
  const [, host = entry, bits] = /^([^/]*)\/(\d{1,3})$/.exec(entry) ?? [];
  const family = isIP(host);
  const longest = family === 4 ? 32 : 128;
  if (family === 0 || host.includes('%') || Number(bits ?? 0) > longest) {
    throw invalidArgValue(NAME, entry, "IP addresses, prefixes such as 10.0.0.0/8, or 'unix:'");
  }
  const kind = family === 4 ? 'ipv4' : 'ipv6';
  if (bits === undefined) list.addAddress(host, kind);
  else list.addSubnet(host, Number(bits), kind);
}

const NAME = 'proxyProtocol.trust';
const EXPECTED = 'a BlockList or a list of strings';
const UNIX = 'unix:';
