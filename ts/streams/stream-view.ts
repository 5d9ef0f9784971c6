/** A stream as `util.inspect` shows it. */
import type { Stream } from './stream.js';

/** The members that are shown. Reads no number of a descriptor, which would expose it. */
export function stateOf(core: Stream): object {
  const { transport, reader, stateName, error, remoteText, site } = core;
  return {
    fd: core.closed ? -1 : transport.peekFd(),
    ...(stateName === 'open' ? {} : { state: stateName }),
    ...(error === null ? {} : { error: `${error.name}: ${error.message}` }),
    ...(remoteText === null ? {} : { remote: remoteText }),
    reading: reader.readName,
    buffered: reader.buffered,
    unsent: core.unsent,
    ...(site === null ? {} : { made: site }),
  };
}
