/**
 * Parses the header of the PROXY protocol, versions 1 and 2. Source: "The PROXY protocol, versions 1
 * & 2" (`doc/proxy-protocol.txt` of HAProxy, 2020/03/05), sections 2.1 and 2.2.
 */
import type { Address } from '../sockets/address.js';
import { canonicalIPv6 } from '../sockets/ip-address.js';
import type { ProxyHeader, ProxyTlv } from '../streams/proxy-header.js';
import { nodeNet } from '../support/builtins.js';
import { crc32c } from '../support/crc32c.js';
import { badProxyHeader } from '../support/errors.js';

/** A header, and its length in bytes. */
export interface ParsedHeader {
  readonly header: ProxyHeader;
  readonly length: number;
}

/**
 * Longest header in bytes. The format allows 65,551; the document requires that a header fits into
 * one segment, and nginx has the same limit.
 */
export const LONGEST_HEADER = 4096;

/**
 * The header at the start of `bytes`; `null` if they are the start of a header that is not complete.
 *
 * @throws `ERR_IOLOOP_PROXY_HEADER` if `bytes` cannot become a header: at the first byte that no
 * signature has, at the length and the command of a binary header, else at the end of the header.
 */
export function parseProxyHeader(bytes: Buffer): ParsedHeader | null {
  if (startsAs(bytes, SIGNATURE)) {
    return bytes.length < SIGNATURE.length ? null : parseBinary(bytes);
  }
  if (startsAs(bytes, PREFIX)) return bytes.length < PREFIX.length ? null : parseText(bytes);
  throw badProxyHeader('it begins with the signature of neither version');
}

/** Whether a header can begin with `bytes`. */
export function mayBeHeader(bytes: Buffer): boolean {
  return startsAs(bytes, SIGNATURE) || startsAs(bytes, PREFIX);
}

/** Whether `bytes` and `expected` agree up to the end of the shorter one. */
function startsAs(bytes: Buffer, expected: Buffer): boolean {
  const length = Math.min(bytes.length, expected.length);
  return bytes.compare(expected, 0, length, 0, length) === 0;
}

/** Version 1: `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n`. */
function parseText(bytes: Buffer): ParsedHeader | null {
  const end = bytes.subarray(0, LONGEST_LINE).indexOf('\r\n');
  if (end < 0) {
    if (bytes.length < LONGEST_LINE) return null;
    throw badProxyHeader(`its line has no end within ${LONGEST_LINE} bytes`);
  }
  const fields = bytes.toString('latin1', PREFIX.length, end).split(' ');
  const [family, from = '', to = '', fromPort = '', toPort = ''] = fields;
  const length = end + 2;
  // The rest of the line is ignored, as the document requires.
  if (family === 'UNKNOWN') return { header: unaddressed(1, false, []), length };
  if (family !== 'TCP4' && family !== 'TCP6') throw badProxyHeader('its family is not known');
  const isAddress = family === 'TCP4' ? nodeNet().isIPv4 : isPlainIPv6;
  if (fields.length !== 5 || !isAddress(from) || !isAddress(to)) {
    throw badProxyHeader(`it has not two addresses of ${family} and two ports`);
  }
  const canonical = family === 'TCP4' ? (host: string) => host : canonicalIPv6;
  const source = { host: canonical(from), port: portOf(fromPort) };
  const destination = { host: canonical(to), port: portOf(toPort) };
  return { header: { version: 1, isLocal: false, source, destination, tlvs: [] }, length };
}

/** A zone has a meaning only on the machine of the balancer. */
function isPlainIPv6(host: string): boolean {
  return nodeNet().isIPv6(host) && !host.includes('%');
}

function portOf(text: string): number {
  const port = /^(0|[1-9]\d{0,4})$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 0xffff) throw badProxyHeader('a port is not a number up to 65535');
  return port;
}

/** Version 2: signature, version and command, family, length; then addresses and TLVs. */
function parseBinary(bytes: Buffer): ParsedHeader | null {
  if (bytes.length < FIXED) return null;
  const command = bytes[COMMAND_AT] as number;
  if (command !== LOCAL && command !== PROXY) {
    throw badProxyHeader(`its version and command are 0x${command.toString(16)}`);
  }
  const length = FIXED + bytes.readUInt16BE(LENGTH_AT);
  if (length > LONGEST_HEADER) {
    throw badProxyHeader(`it has ${length} bytes, more than ${LONGEST_HEADER}`);
  }
  if (bytes.length < length) return null;
  // The document discards the rest of a local header, the family included.
  const isLocal = command === LOCAL;
  return { header: isLocal ? unaddressed(2, true, []) : parseProxied(bytes, length), length };
}

function parseProxied(bytes: Buffer, length: number): ProxyHeader {
  const kind = bytes[FAMILY_AT] as number;
  const family = kind >> 4;
  const transport = kind & 0xf;
  const size = ADDRESS_SIZES[family];
  if (size === undefined || transport > DATAGRAM) {
    throw badProxyHeader(`its family and transport are 0x${kind.toString(16)}`);
  }
  // With half of the kind the layout of the rest is not known.
  const isHalf = kind !== UNSPECIFIED && (family === UNSPECIFIED || transport === UNSPECIFIED);
  if (isHalf) return unaddressed(2, false, []);
  const end = FIXED + size;
  if (end > length) throw badProxyHeader('it is shorter than its addresses');
  const tlvs = parseTlvs(bytes.subarray(0, length), end);
  // Addresses of datagrams are not those of this connection.
  if (transport !== STREAM) return unaddressed(2, false, tlvs);
  const [source, destination] = parseAddresses(bytes.subarray(FIXED, end), family);
  return { version: 2, isLocal: false, source, destination, tlvs };
}

function parseAddresses(bytes: Buffer, family: number): [Address, Address] {
  if (family === UNIX) {
    const half = bytes.length / 2;
    return [{ path: pathOf(bytes.subarray(0, half)) }, { path: pathOf(bytes.subarray(half)) }];
  }
  const hostSize = family === IPV4 ? 4 : 16;
  const text = family === IPV4 ? ipv4Text : ipv6Text;
  const ports = 2 * hostSize;
  return [
    { host: text(bytes.subarray(0, hostSize)), port: bytes.readUInt16BE(ports) },
    { host: text(bytes.subarray(hostSize, ports)), port: bytes.readUInt16BE(ports + 2) },
  ];
}

function ipv4Text(bytes: Buffer): string {
  return bytes.join('.');
}

function ipv6Text(bytes: Buffer): string {
  const groups = Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(2 * at).toString(16));
  return canonicalIPv6(groups.join(':'));
}

/** A path ends before its first NUL; an abstract name, which begins with NUL, after its last byte. */
function pathOf(bytes: Buffer): string {
  const isAbstract = bytes[0] === 0;
  const end = isAbstract ? bytes.findLastIndex((byte) => byte !== 0) + 1 : bytes.indexOf(0);
  return bytes.toString('utf8', 0, end < 0 ? bytes.length : end);
}

/** The TLVs of a complete header, from `start` on. */
function parseTlvs(header: Buffer, start: number): ProxyTlv[] {
  const tlvs: ProxyTlv[] = [];
  // Not of Node's pool: the extensions live as long as the connection, and would keep 8 KiB each.
  const own = Buffer.allocUnsafeSlow(header.length - start);
  header.copy(own, 0, start);
  for (let at = 0; at < own.length;) {
    const valueAt = at + TLV_HEAD;
    const end = valueAt > own.length ? Infinity : valueAt + own.readUInt16BE(at + 1);
    if (end > own.length) throw badProxyHeader('a TLV is longer than the header');
    const type = own[at] as number;
    const value = own.subarray(valueAt, end);
    if (type === CRC32C) verifyChecksum(header, start + valueAt, value);
    if (type !== NOOP) tlvs.push({ type, value });
    at = end;
  }
  return tlvs;
}

/** The checksum is of the header with zeros in the place of the checksum. */
function verifyChecksum(header: Buffer, at: number, value: Buffer): void {
  const blank = Buffer.from(header);
  blank.fill(0, at, at + value.length);
  if (value.length !== 4 || value.readUInt32BE() !== crc32c(blank)) {
    throw badProxyHeader('its checksum is wrong');
  }
}

/** A header without addresses: those of the connection count. */
function unaddressed(version: 1 | 2, isLocal: boolean, tlvs: readonly ProxyTlv[]): ProxyHeader {
  return { version, isLocal, source: null, destination: null, tlvs };
}

const PREFIX = Buffer.from('PROXY ');
/** Bytes, CRLF included; section 2.1 has the arithmetic. */
const LONGEST_LINE = 107;

const SIGNATURE = Buffer.from('\r\n\r\n\0\r\nQUIT\n');
const COMMAND_AT = 12;
const FAMILY_AT = 13;
const LENGTH_AT = 14;
/** Bytes before the addresses. */
const FIXED = 16;
const LOCAL = 0x20;
const PROXY = 0x21;
const UNSPECIFIED = 0;
const IPV4 = 1;
const UNIX = 3;
const STREAM = 1;
const DATAGRAM = 2;
/** Bytes of both addresses, by family: unspecified, IPv4, IPv6, Unix. */
const ADDRESS_SIZES = [0, 12, 36, 216];
const TLV_HEAD = 3;
const CRC32C = 0x03;
const NOOP = 0x04;
