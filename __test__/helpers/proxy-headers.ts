/** Headers of the PROXY protocol as a balancer encodes them. */

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');

/** A header of version 1. */
export const TEXT_HEADER = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n');

/** The client of all headers here. */
export const CLIENT = { host: '192.0.2.1', port: 56_324 } as const;
export const TARGET = { host: '192.0.2.2', port: 443 } as const;

/** {@link CLIENT} and {@link TARGET} as addresses of version 2. */
export const IPV4_ADDRESSES = Buffer.from('c0000201c0000202dc0401bb', 'hex');

/** `0x20` is local, `0x21` proxied; `0x11` is TCP over IPv4. */
export function binaryHeader(command: number, kind: number, rest: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(rest.length);
  return Buffer.concat([SIGNATURE, Buffer.from([command, kind]), length, rest]);
}

/** An extension of a header of version 2. */
export function tlv(type: number, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, value.length >> 8, value.length & 0xff]), value]);
}

const EXTENSIONS = Buffer.concat([tlv(2, Buffer.from('a.example')), tlv(5, Buffer.from('id'))]);

/** A header of version 2, with two extensions. */
export const BINARY_HEADER = binaryHeader(0x21, 0x11, Buffer.concat([IPV4_ADDRESSES, EXTENSIONS]));
