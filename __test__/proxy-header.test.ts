/** Headers of the PROXY protocol: `doc/proxy-protocol.txt` of HAProxy, sections 2.1 and 2.2. */
import test from 'ava';
import * as fc from 'fast-check';
import { crc32c, parseProxyHeader } from '#internal';
import { binaryHeader as binary, IPV4_ADDRESSES as V4, tlv } from './helpers/proxy-headers.js';

/** Valid headers of every kind, with their content. */
const headers: readonly (readonly [string, Buffer, unknown])[] = [
  [
    'TCP4 as text',
    Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n'),
    { source: { host: '192.0.2.1', port: 56_324 }, destination: { host: '192.0.2.2', port: 443 } },
  ],
  [
    'TCP6 as text',
    Buffer.from('PROXY TCP6 2001:DB8:0:0::1 ::1 0 65535\r\n'),
    { source: { host: '2001:db8::1', port: 0 }, destination: { host: '::1', port: 65_535 } },
  ],
  [
    // HAProxy sends it for clients of IPv4 at a socket of IPv6 (`bind :::80 v4v6`).
    'IPv4-mapped addresses as text',
    Buffer.from('PROXY TCP6 ::ffff:192.0.2.1 0:0:0:0:0:FFFF:C000:0202 56324 443\r\n'),
    {
      source: { host: '::ffff:192.0.2.1', port: 56_324 },
      destination: { host: '::ffff:192.0.2.2', port: 443 },
    },
  ],
  [
    'IPv4-mapped addresses',
    binary(
      0x21,
      0x21,
      Buffer.from(`${'0'.repeat(20)}ffff00000001${'0'.repeat(20)}ffffffffffffdc0401bb`, 'hex'),
    ),
    {
      source: { host: '::ffff:0.0.0.1', port: 56_324 },
      destination: { host: '::ffff:255.255.255.255', port: 443 },
    },
  ],
  ['UNKNOWN', Buffer.from('PROXY UNKNOWN\r\n'), { source: null, destination: null }],
  [
    'UNKNOWN with the longest line',
    Buffer.from(`PROXY UNKNOWN ${'f'.repeat(91)}\r\n`),
    { source: null, isLocal: false },
  ],
  [
    'TCP4',
    binary(0x21, 0x11, V4),
    { source: { host: '192.0.2.1', port: 56_324 }, destination: { host: '192.0.2.2', port: 443 } },
  ],
  [
    'TCP6',
    binary(0x21, 0x21, Buffer.from(`20010db8${'0'.repeat(23)}1${'0'.repeat(31)}1dc0401bb`, 'hex')),
    { source: { host: '2001:db8::1', port: 56_324 }, destination: { host: '::1', port: 443 } },
  ],
  [
    'Unix',
    binary(0x21, 0x31, Buffer.from('/run/a'.padEnd(108, '\0') + '\0abstract'.padEnd(108, '\0'))),
    { source: { path: '/run/a' }, destination: { path: '\0abstract' } },
  ],
  ['LOCAL', binary(0x20, 0x00, Buffer.alloc(0)), { isLocal: true, source: null }],
  ['LOCAL with addresses', binary(0x20, 0x11, V4), { isLocal: true, source: null }],
  ['LOCAL with anything', binary(0x20, 0x99, Buffer.from('??')), { isLocal: true, tlvs: [] }],
  [
    'UDP, with a TLV',
    binary(0x21, 0x12, Buffer.concat([V4, tlv(5, Buffer.from('id'))])),
    { isLocal: false, source: null, tlvs: [{ type: 5, value: Buffer.from('id') }] },
  ],
  ['no family', binary(0x21, 0, tlv(5, Buffer.from('id'))), { source: null, tlvs: [{ type: 5 }] }],
  ['IPv4 without a transport', binary(0x21, 0x10, Buffer.from('??')), { source: null, tlvs: [] }],
  ['a stream of no family', binary(0x21, 0x01, Buffer.from('??')), { source: null, tlvs: [] }],
  [
    'the longest header',
    binary(0x21, 0x11, Buffer.concat([V4, tlv(0xea, Buffer.alloc(4096 - 16 - 12 - 3))])),
    { source: { host: '192.0.2.1', port: 56_324 } },
  ],
  [
    'TLVs, without the padding',
    binary(
      0x21,
      0x11,
      Buffer.concat([
        V4,
        tlv(4, Buffer.alloc(7)),
        tlv(2, Buffer.from('a.example')),
        tlv(0xea, Buffer.alloc(0)),
      ]),
    ),
    {
      tlvs: [
        { type: 2, value: Buffer.from('a.example') },
        { type: 0xea, value: Buffer.alloc(0) },
      ],
    },
  ],
];

for (const [name, bytes, expected] of headers) {
  test(`${name}: its content and its length, whatever follows`, (t) => {
    const parsed = parseProxyHeader(Buffer.concat([bytes, Buffer.from('GET / HTTP/1.1')]));
    t.is(parsed?.length, bytes.length);
    t.like(parsed?.header, expected as object);
  });

  test(`${name}: each beginning needs more bytes`, (t) => {
    for (let length = 0; length < bytes.length; length += 1) {
      t.is(parseProxyHeader(bytes.subarray(0, length)), null, `${length} bytes`);
    }
  });
}

const bad: readonly (readonly [string, Buffer])[] = [
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n')],
  ['a TLS record', Buffer.from('1603010200010001fc0303', 'hex')],
  ['a line longer than 107 bytes', Buffer.from(`PROXY TCP4 ${'1'.repeat(97)}`)],
  ['a line that ends in LF', Buffer.from(`PROXY UNKNOWN\n${' '.repeat(107)}`)],
  ['a zone', Buffer.from('PROXY TCP6 fe80::1%eth0 ::1 1 1\r\n')],
  ['IPv4 in a line of IPv6', Buffer.from('PROXY TCP6 1.2.3.4 ::1 1 1\r\n')],
  ['an octal number', Buffer.from('PROXY TCP4 01.2.3.4 1.2.3.4 1 1\r\n')],
  ['a family of no such name', Buffer.from('PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n')],
  ['an address of another family', Buffer.from('PROXY TCP4 ::1 1.2.3.4 1 1\r\n')],
  ['a host name', Buffer.from('PROXY TCP4 localhost 1.2.3.4 1 1\r\n')],
  ['two spaces', Buffer.from('PROXY TCP4  1.2.3.4 1.2.3.4 1 1\r\n')],
  ['a field more', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n')],
  ['a port above 65535', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n')],
  ['a port with a leading zero', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 080 1\r\n')],
  ['a negative port', Buffer.from('PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n')],
  ['version 3', binary(0x31, 0x11, V4)],
  ['command 2', binary(0x22, 0x11, V4)],
  ['family 4', binary(0x21, 0x41, V4)],
  ['transport 3', binary(0x21, 0x13, V4)],
  ['a length of 4,081 bytes, at once', binary(0x21, 0x11, Buffer.alloc(4081)).subarray(0, 16)],
  ['addresses that are cut', binary(0x21, 0x11, V4.subarray(1))],
  ['a TLV that is cut', binary(0x21, 0x11, Buffer.concat([V4, Buffer.from([1, 0, 2, 0])]))],
  ['the head of a TLV that is cut', binary(0x21, 0x11, Buffer.concat([V4, Buffer.from([1, 0])]))],
  ['a wrong checksum', binary(0x21, 0x11, Buffer.concat([V4, tlv(3, Buffer.alloc(4))]))],
  ['a checksum of another size', binary(0x21, 0x11, Buffer.concat([V4, tlv(3, Buffer.alloc(2))]))],
];

for (const [name, bytes] of bad) {
  test(`${name} is refused`, (t) => {
    t.throws(() => parseProxyHeader(bytes), { code: 'ERR_IOLOOP_PROXY_HEADER' });
  });
}

test('extensions keep no more memory than they take in the header', (t) => {
  const extensions = Buffer.concat([tlv(2, Buffer.from('a.example')), tlv(5, Buffer.from('id'))]);
  const parsed = parseProxyHeader(binary(0x21, 0x11, Buffer.concat([V4, extensions])));
  for (const { value } of parsed?.header.tlvs ?? []) {
    t.is(value.buffer.byteLength, extensions.length);
  }
});

test('what cannot become a header is refused with its first wrong byte', (t) => {
  t.throws(() => parseProxyHeader(Buffer.from('G')), { code: 'ERR_IOLOOP_PROXY_HEADER' });
  t.throws(() => parseProxyHeader(Buffer.from('PROXX')), { code: 'ERR_IOLOOP_PROXY_HEADER' });
  t.throws(() => parseProxyHeader(Buffer.from('\r\n\r\nX')), { code: 'ERR_IOLOOP_PROXY_HEADER' });
});

test('the checksum is CRC-32C, and is verified', (t) => {
  // The check value of the catalogue of parametrised CRCs.
  t.is(crc32c(Buffer.from('123456789')), 0xe3069283);
  const header = binary(0x21, 0x11, Buffer.concat([V4, tlv(3, Buffer.alloc(4))]));
  const at = header.length - 4;
  header.writeUInt32BE(crc32c(header), at);
  t.is(parseProxyHeader(header)?.header.tlvs.length, 1);
  header[20] = (header[20] as number) ^ 1;
  t.throws(() => parseProxyHeader(header), { code: 'ERR_IOLOOP_PROXY_HEADER' });
});

test('whatever bytes come: a header within them, more to come, or the error', (t) => {
  const valid = fc.constantFrom(...headers.map(([, bytes]) => bytes));
  const mutated = fc
    .tuple(valid, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }), fc.uint8Array())
    .map(([bytes, changes, rest]) => {
      const copy = Buffer.concat([bytes, rest]);
      for (const [at, value] of changes) copy[at % copy.length] = value;
      return copy;
    });
  fc.assert(
    fc.property(mutated, (bytes) => {
      let parsed: ReturnType<typeof parseProxyHeader>;
      try {
        parsed = parseProxyHeader(bytes);
      } catch (error) {
        t.is((error as { code?: unknown }).code, 'ERR_IOLOOP_PROXY_HEADER');
        return;
      }
      if (parsed === null) return;
      t.true(parsed.length <= bytes.length);
      // The same from the header alone.
      t.deepEqual(parseProxyHeader(bytes.subarray(0, parsed.length)), parsed);
    }),
    { numRuns: 2000 },
  );
});
