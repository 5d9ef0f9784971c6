/** The option `proxyProtocol` of a `TCPServer`, and its check. */
import { nodeNet } from '../support/builtins.js';
import { checkBoolean } from '../support/checks.js';
import { secondsOf, type Duration } from '../support/duration.js';
import { invalidArgType, invalidArgValue, outOfRange } from '../support/errors.js';
import { TrustedPeers, type TrustList } from './trusted-peers.js';

/** Options of `proxyProtocol` of {@link TCPServerOptions}. */
export interface ProxyProtocolOptions {
  /**
   * Whether each connection has to begin with a header; by default true. If false, connections of
   * peers that are not trusted are served as they are, and those of trusted peers that begin with
   * other bytes, or with none until `timeout`, too. Clients of a protocol in which the server speaks
   * first, such as SMTP, then wait for `timeout`. The protocol forbids to guess: use false only while
   * a balancer is being changed over.
   */
  readonly require?: boolean | undefined;
  /**
   * The peers whose header is believed: IP addresses, prefixes such as `'10.0.0.0/8'`, `'unix:'` for
   * the peers of Unix sockets; or a `net.BlockList`, which decides by its `check()`. IPv4-mapped
   * addresses (`::ffff:10.0.0.1`) count as IPv4. By default all peers: any of them can then claim any
   * address, so that only the balancer may be able to reach the port.
   */
  readonly trust?: TrustList | undefined;
  /**
   * Longest wait for the end of the header, in seconds or as a duration; by default 5. The document
   * recommends at least 3, the time of a retransmission.
   */
  readonly timeout?: number | Duration | undefined;
}

/** The checked options. */
export interface ProxySettings {
  readonly require: boolean;
  readonly trusted: TrustedPeers;
  /** Seconds. */
  readonly timeout: number;
}

/**
 * `null` without the option.
 *
 * @throws `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`.
 */
export function proxySettings(
  option: boolean | ProxyProtocolOptions | undefined,
): ProxySettings | null {
  if (option === undefined || option === false) return null;
  if (option !== true) checkNames(option);
  const { require, trust, timeout = DEFAULT_TIMEOUT } = option === true ? DEFAULTS : option;
  const seconds = secondsOf(timeout, 'proxyProtocol.timeout');
  if (!(seconds > 0)) throw outOfRange('proxyProtocol.timeout', timeout, 'more than 0');
  return {
    require: checkBoolean('proxyProtocol.require', require, true),
    trusted: new TrustedPeers(trust),
    timeout: seconds,
  };
}

/**
 * Unlike elsewhere, unknown options are refused: with a list of peers under a wrong name, or in the
 * place of the options, every peer would be trusted.
 */
function checkNames(option: unknown): void {
  if (typeof option !== 'object' || option === null) throw invalidArgType(NAME, option, EXPECTED);
  if (option instanceof nodeNet().BlockList || Symbol.iterator in option) {
    throw invalidArgType(NAME, option, EXPECTED);
  }
  const unknown = Object.keys(option).find((name) => !NAMES.has(name));
  if (unknown === undefined) return;
  throw invalidArgValue(
    NAME,
    option,
    `without "${unknown}". Its options are ${[...NAMES].join(', ')}`,
  );
}

const NAME = 'proxyProtocol';
const EXPECTED = 'a boolean or an object such as { trust: [] }';
const NAMES: ReadonlySet<string> = new Set(['require', 'trust', 'timeout']);
const DEFAULTS: ProxyProtocolOptions = {};

/** Seconds. */
const DEFAULT_TIMEOUT = 5;
