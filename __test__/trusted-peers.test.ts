/** The peers whose headers are believed: the option `trust` of `proxyProtocol`. */
import { BlockList } from 'node:net';
import test from 'ava';
import * as fc from 'fast-check';
import { TrustedPeers } from '#internal';

function trusts(list: readonly string[], host: string): boolean {
  return new TrustedPeers(list).has({ host, port: 1 });
}

const cases: readonly (readonly [readonly string[], string, boolean])[] = [
  [['10.0.0.0/8'], '10.255.0.1', true],
  [['10.0.0.0/8'], '11.0.0.1', false],
  [['10.1.2.3/8'], '10.9.9.9', true],
  [['10.0.0.1'], '10.0.0.1', true],
  [['10.0.0.1'], '10.0.0.2', false],
  [['2001:db8::/32'], '2001:db8::1', true],
  [['2001:DB8:0::1'], '2001:db8::1', true],
  [['2001:db8::/32'], '2001:db9::1', false],
  // A peer of IPv4 at a socket of IPv6.
  [['10.0.0.0/8'], '::ffff:10.0.0.1', true],
  [['10.0.0.0/8'], '::ffff:11.0.0.1', false],
  [['::ffff:10.0.0.0/104'], '::ffff:10.0.0.1', true],
  [['::ffff:10.0.0.0/104'], '10.0.0.1', true],
  [['::FFFF:a00:1'], '10.0.0.1', true],
  // Not an IPv4-mapped address.
  [['10.0.0.0/8'], '::10.0.0.1', false],
  [['10.0.0.0/8'], '64:ff9b::a00:1', false],
  // All of IPv6 is not IPv4, and the reverse.
  [['::/0'], '2001:db8::1', true],
  [['::/0'], '10.0.0.1', false],
  [['::/0'], '::ffff:10.0.0.1', false],
  [['::/64'], '127.0.0.1', false],
  [['::ffff:0:0/80'], '127.0.0.1', false],
  [['0.0.0.0/0'], '::ffff:10.0.0.1', true],
  [['0.0.0.0/0'], '::1', false],
  [['0.0.0.0/0', '::/0'], '::1', true],
  [[], '127.0.0.1', false],
  [['unix:'], '127.0.0.1', false],
  [['fe80::/10'], 'fe80::1%2', true],
  [['fe80::/10'], 'fec0::1%eth0', false],
];

for (const [list, host, expected] of cases) {
  test(`${JSON.stringify(list)} ${expected ? 'has' : 'does not have'} ${host}`, (t) => {
    t.is(trusts(list, host), expected);
  });
}

test('peers of Unix sockets are those of no address', (t) => {
  const peer = { path: '' };
  t.true(new TrustedPeers(undefined).has(peer));
  t.true(new TrustedPeers(['unix:']).has(peer));
  t.false(new TrustedPeers(['0.0.0.0/0', '::/0']).has(peer));
  t.false(new TrustedPeers(new BlockList()).has(peer));
});

test('a BlockList decides by itself, and may change', (t) => {
  const list = new BlockList();
  const peers = new TrustedPeers(list);
  t.false(peers.has({ host: '::ffff:10.0.0.1', port: 1 }));
  list.addSubnet('10.0.0.0', 8);
  t.true(peers.has({ host: '::ffff:10.0.0.1', port: 1 }));
});

/** An address as bits: of both families, near the edges of prefixes. */
const addresses = fc.oneof(
  fc.record({ size: fc.constant(32), value: fc.bigInt({ min: 0n, max: 2n ** 32n - 1n }) }),
  fc.record({
    size: fc.constant(128),
    // Not IPv4-mapped.
    value: fc.bigInt({ min: 2n ** 48n, max: 2n ** 128n - 1n }),
  }),
);

function textOf({ size, value }: { size: number; value: bigint }): string {
  const hex = value.toString(16).padStart(size / 4, '0');
  if (size === 32) return Buffer.from(hex, 'hex').join('.');
  return (hex.match(/.{4}/g) as string[]).join(':');
}

test('a prefix has the addresses that agree in its bits, of its family', (t) => {
  const property = fc.property(
    addresses,
    fc.nat(128),
    fc.nat(127),
    fc.boolean(),
    (address, length, flipped, isFlipped) => {
      const bits = Math.min(length, address.size);
      const at = BigInt(flipped % address.size);
      const peer = { ...address, value: isFlipped ? address.value ^ (1n << at) : address.value };
      const shift = BigInt(address.size - bits);
      const expected = address.value >> shift === peer.value >> shift;
      t.is(trusts([`${textOf(address)}/${bits}`], textOf(peer)), expected);
      const other = address.size === 32 ? '2001:db8::1' : '192.0.2.1';
      t.false(trusts([`${textOf(address)}/${bits}`], other));
    },
  );
  fc.assert(property, { numRuns: 1000 });
});
