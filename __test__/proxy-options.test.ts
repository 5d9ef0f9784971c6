/** The option `proxyProtocol`: wrong values. */
import { BlockList } from 'node:net';
import { inspect } from 'node:util';
import test from 'ava';
import { TCPServer, type ProxyProtocolOptions } from 'ioloop';

const WRONG: readonly (readonly [unknown, string])[] = [
  ['yes', 'ERR_INVALID_ARG_TYPE'],
  [null, 'ERR_INVALID_ARG_TYPE'],
  [['10.0.0.0/8'], 'ERR_INVALID_ARG_TYPE'],
  [[], 'ERR_INVALID_ARG_TYPE'],
  [new Set(['10.0.0.1']), 'ERR_INVALID_ARG_TYPE'],
  [new BlockList(), 'ERR_INVALID_ARG_TYPE'],
  [{ trusted: ['10.0.0.0/8'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ trust: true }, 'ERR_INVALID_ARG_TYPE'],
  [{ trust: ['10.0.0.0/08'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ require: 1 }, 'ERR_INVALID_ARG_TYPE'],
  [{ trust: '10.0.0.0/8' }, 'ERR_INVALID_ARG_TYPE'],
  [{ trust: [10] }, 'ERR_INVALID_ARG_TYPE'],
  [{ trust: ['balancer.example'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ trust: ['10.0.0.0/33'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ trust: ['10.0.0.0/'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ trust: ['fe80::1%eth0'] }, 'ERR_INVALID_ARG_VALUE'],
  [{ timeout: 0 }, 'ERR_OUT_OF_RANGE'],
  [{ timeout: '5' }, 'ERR_INVALID_ARG_TYPE'],
];

for (const [option, code] of WRONG) {
  test(`proxyProtocol: ${inspect(option)} throws ${code}`, (t) => {
    const proxyProtocol = option as ProxyProtocolOptions;
    t.throws(() => new TCPServer({ proxyProtocol }), { code });
  });
}
