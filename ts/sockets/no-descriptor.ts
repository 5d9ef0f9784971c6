/** The place of the descriptor in a socket that has none. */
import { unsupported } from '../support/errors.js';
import { Descriptor } from './descriptor.js';

/**
 * A descriptor that never was: every use of its number is `ERR_IOLOOP_UNSUPPORTED`. Watchers are
 * notified when its socket is closed, as those of others.
 */
export class NoDescriptor extends Descriptor {
  constructor() {
    super(Descriptor.NONE, false);
  }

  override expose(): number {
    throw this.goneError('fileno');
  }

  override goneError(call: string): Error {
    return unsupported(
      `${call}() of a socket of node:net, which has no descriptor here,`,
      'Use IOStream, TCPServer and TCPClient',
    );
  }
}
