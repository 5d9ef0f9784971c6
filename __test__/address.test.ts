import { isIPv6, SocketAddress } from 'node:net';
import { networkInterfaces } from 'node:os';
import test from 'ava';
import * as fc from 'fast-check';
import {
  ADDRESS_BYTES,
  decodeAddress,
  encodeAddress,
  formatIPv6,
  parseIPv6,
  type Family,
} from '#internal';

function roundTrip(address: Parameters<typeof encodeAddress>[0], family: Family): unknown {
  return decodeAddress(encodeAddress(address, family, false));
}

test('an address survives the boundary', (t) => {
  t.deepEqual(roundTrip({ host: '127.0.0.1', port: 80 }, 4), { host: '127.0.0.1', port: 80 });
  t.deepEqual(roundTrip({ host: '::1', port: 65_535 }, 6), { host: '::1', port: 65_535 });
  t.deepEqual(roundTrip({ host: 'fe80::1%7', port: 1 }, 6), { host: 'fe80::1%7', port: 1 });
  t.deepEqual(roundTrip({ path: '/tmp/a' }, 1), { path: '/tmp/a' });
  t.deepEqual(roundTrip({ path: '/tmp/ä' }, 1), { path: '/tmp/ä' });
  t.deepEqual(roundTrip({ path: '\0abstract' }, 1), { path: '\0abstract' });
});

test('the bytes are laid out as the core reads them', (t) => {
  const v4 = encodeAddress({ host: '10.1.2.3', port: 0x1234 }, 4, false);
  t.is(v4.length, ADDRESS_BYTES);
  t.deepEqual([...v4.subarray(0, 7)], [4, 0x12, 0x34, 10, 1, 2, 3]);
  const v6 = encodeAddress({ host: 'fe80::1%258', port: 1 }, 6, false);
  t.deepEqual([...v6.subarray(0, 5)], [6, 0, 1, 0xfe, 0x80]);
  t.deepEqual([...v6.subarray(18, 24)], [1, 0, 0, 1, 2, 0]);
  const unix = encodeAddress({ path: '/a' }, 1, false);
  t.deepEqual([...unix.subarray(0, 6)], [1, 0, 2, 47, 97, 0]);
});

test('bytes of no family are an unnamed Unix socket', (t) => {
  t.deepEqual(decodeAddress(new Uint8Array(ADDRESS_BYTES)), { path: '' });
});

test('bind to no host means any address', (t) => {
  const zeros = { host: '0.0.0.0', port: 80 };
  t.deepEqual(decodeAddress(encodeAddress({ host: '', port: 80 }, 4, true)), zeros);
  const missing = { port: 80 } as { host: string; port: number };
  t.deepEqual(decodeAddress(encodeAddress(missing, 4, true)), zeros);
  t.deepEqual(decodeAddress(encodeAddress(missing, 6, true)), { host: '::', port: 80 });
});

test('connect needs a host', (t) => {
  const missing = { port: 80 } as { host: string; port: number };
  t.throws(() => encodeAddress(missing, 4, false), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => encodeAddress({ host: '', port: 80 }, 4, false), {
    code: 'ERR_INVALID_ARG_VALUE',
  });
});

test('a name is refused with the advice to resolve it', (t) => {
  for (const host of ['localhost', 'example.org', '127.0.0.1.', '1', '127.1', '[::1]']) {
    t.throws(() => encodeAddress({ host, port: 80 }, 4, true), {
      code: 'ERR_INVALID_ARG_VALUE',
      message: /dns\.promises\.lookup/,
    });
  }
});

test('an address of the other family is refused by naming the family', (t) => {
  const code = 'ERR_INVALID_ARG_VALUE';
  t.throws(() => encodeAddress({ host: '::1', port: 80 }, 4, true), { code, message: /IPv4/ });
  t.throws(() => encodeAddress({ host: '127.0.0.1', port: 80 }, 6, true), {
    code,
    message: /IPv6/,
  });
});

test('a zone is the index of an interface, or the name of one that exists', (t) => {
  for (const zone of ['nosuch0', '4294967296', '1x', '../lo', '']) {
    t.throws(() => encodeAddress({ host: `fe80::1%${zone}`, port: 80 }, 6, true), {
      code: 'ERR_INVALID_ARG_VALUE',
    });
  }
  const [name = 'lo'] = Object.keys(networkInterfaces());
  const named = decodeAddress(encodeAddress({ host: `fe80::1%${name}`, port: 80 }, 6, true));
  t.regex('host' in named ? named.host : '', /^fe80::1%[1-9]\d*$/);
  t.deepEqual(decodeAddress(encodeAddress(named, 6, true)), named);
});

test('a port is an integer from 0 to 65535', (t) => {
  for (const port of [-1, 65_536, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.throws(() => encodeAddress({ host: '::1', port }, 6, true), { code: 'ERR_OUT_OF_RANGE' });
  }
  const text = { host: '::1', port: '80' } as unknown as { host: string; port: number };
  t.throws(() => encodeAddress(text, 6, true), { code: 'ERR_INVALID_ARG_TYPE' });
});

test('a path fits into sun_path and has no NUL inside', (t) => {
  t.notThrows(() => encodeAddress({ path: 'x'.repeat(108) }, 1, true));
  for (const path of ['', '\0', 'x'.repeat(109), 'ä'.repeat(55), 'a\0b']) {
    t.throws(() => encodeAddress({ path }, 1, true), { code: 'ERR_INVALID_ARG_VALUE' });
  }
});

test('an address is an object of the family of the socket', (t) => {
  for (const address of [null, undefined, 80, 'localhost:80']) {
    const wrong = address as unknown as { path: string };
    t.throws(() => encodeAddress(wrong, 1, true), { code: 'ERR_INVALID_ARG_TYPE' });
  }
  t.throws(() => encodeAddress({ path: '/a' }, 4, true), { code: 'ERR_INVALID_ARG_TYPE' });
  t.throws(() => encodeAddress({ host: '::1', port: 1 }, 1, true), {
    code: 'ERR_INVALID_ARG_TYPE',
  });
});

test('IPv6 text is compressed as RFC 5952 wants it', (t) => {
  const cases = [
    ['0:0:0:0:0:0:0:0', '::'],
    ['0:0:0:0:0:0:0:1', '::1'],
    ['1:0:0:0:0:0:0:0', '1::'],
    ['2001:0DB8::0001', '2001:db8::1'],
    ['2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['2001:0:0:1:0:0:0:1', '2001:0:0:1::1'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    ['0:0:3:4:5:6:7:8', '::3:4:5:6:7:8'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::ffff:c000:201', '::ffff:192.0.2.1'],
    ['64:ff9b::192.0.2.33', '64:ff9b::c000:221'],
  ] as const;
  for (const [text, compressed] of cases) {
    t.is(formatIPv6(Uint8Array.from(parseIPv6(text))), compressed, text);
  }
});

test('any 16 bytes are text that node:net takes and parses back to them', (t) => {
  const byte = fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ max: 255, min: 0 }));
  const property = fc.property(fc.array(byte, { minLength: 16, maxLength: 16 }), (bytes) => {
    const text = formatIPv6(Uint8Array.from(bytes));
    const { address } = new SocketAddress({ address: text, family: 'ipv6' });
    t.deepEqual(parseIPv6(text), bytes);
    t.deepEqual(parseIPv6(address), bytes);
    return isIPv6(text);
  });
  t.notThrows(() => fc.assert(property, { numRuns: 2000 }));
});
