/** Addresses: what is accepted, and the text in which they cross. */
import { networkInterfaces } from 'node:os';
import test from 'ava';
import { decodeAddress, encodeAddress, native, type Family } from '#internal';
import { Socket } from 'ioloop';
import { testOwnSockets } from './helpers/sockets-of.js';

function roundTrip(address: Parameters<typeof encodeAddress>[0], family: Family): unknown {
  return decodeAddress(encodeAddress(address, family, false));
}

testOwnSockets('an address survives the boundary', (t) => {
  t.deepEqual(roundTrip({ host: '127.0.0.1', port: 80 }, 4), { host: '127.0.0.1', port: 80 });
  t.deepEqual(roundTrip({ host: '::1', port: 65_535 }, 6), { host: '::1', port: 65_535 });
  t.deepEqual(roundTrip({ host: 'fe80::1%7', port: 1 }, 6), { host: 'fe80::1%7', port: 1 });
  t.deepEqual(roundTrip({ path: '/tmp/a' }, 1), { path: '/tmp/a' });
  t.deepEqual(roundTrip({ path: '/tmp/ä' }, 1), { path: '/tmp/ä' });
  t.deepEqual(roundTrip({ path: '\0abstract' }, 1), { path: '\0abstract' });
});

testOwnSockets('the bytes are laid out as the core reads them', (t) => {
  const v4 = encodeAddress({ host: '10.1.2.3', port: 0x1234 }, 4, false);
  t.is(v4.length, native.ADDRESS_BYTES);
  t.is(v4.toString('latin1', 0, 13), '\x04\x12\x34\x0810.1.2.3\0');
  const v6 = encodeAddress({ host: 'FE80:0::1%258', port: 1 }, 6, false);
  t.is(v6.toString('latin1', 0, 18), '\x06\0\x01\x0dFE80:0::1%258\0');
  const unix = encodeAddress({ path: '/a' }, 1, false);
  t.is(unix.toString('latin1', 0, 7), '\x01\0\0\x02/a\0');
  t.is(native.ADDRESS_TEXT, 4);
  t.deepEqual([native.FAMILY_IPV4, native.FAMILY_IPV6, native.FAMILY_UNIX], [4, 6, 1]);
});

testOwnSockets('bytes of no family are an unnamed Unix socket', (t) => {
  t.deepEqual(decodeAddress(Buffer.alloc(native.ADDRESS_BYTES)), { path: '' });
});

test('the core accepts every spelling of an address, and returns the canonical one', (t) => {
  for (const [host, canonical] of [
    ['0:0:0:0:0:0:0:1', '::1'],
    ['0000::0:1', '::1'],
    ['::0.0.0.1', '::1'],
    ['::FFFF:7f00:1', '::ffff:127.0.0.1'],
    ['::', '::'],
    ['', '::'],
  ] as const) {
    const socket = Socket.tcp({ family: 6 });
    socket.setOption('v6Only', false);
    socket.bind({ host, port: 0 });
    const address = socket.localAddress;
    socket.close();
    t.is('host' in address ? address.host : null, canonical, host);
  }
});

testOwnSockets('bind to no host means any address', (t) => {
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

testOwnSockets('a zone is the index of an interface, or the name of one that exists', (t) => {
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

testOwnSockets('a path fits into sun_path and has no NUL inside', (t) => {
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
