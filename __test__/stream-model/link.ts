/** A stream under test, with what its peer does by hand: over TCP, Unix sockets or two pipes. */
import { closeSync, writeSync } from 'node:fs';
import { IOStream, Socket, type IOLoop, type IOStreamOptions } from 'ioloop';
import { closeAll, drain, pipe, tcpPair } from '../helpers/fds.js';

export type Over = 'tcp' | 'unix' | 'pipe';

/** Both directions of a connection. */
export interface Link {
  /** Reads what {@link send} has sent. */
  readonly input: IOStream;
  /** Writes what {@link receive} receives: the same stream, unless it is over pipes. */
  readonly output: IOStream;
  /** Sends as much as the kernel takes: how much that was. */
  send(bytes: Buffer): number;
  /** The peer ends its side. */
  end(): void;
  /** What has arrived at the peer by now. */
  receive(): string;
  close(): void;
}

export async function openLink(over: Over, loop: IOLoop, options: IOStreamOptions): Promise<Link> {
  if (over === 'pipe') return pipes(loop, options);
  return sockets(over === 'tcp' ? await tcpPair() : Socket.pair(), loop, options);
}

function sockets([near, far]: [Socket, Socket], loop: IOLoop, options: IOStreamOptions): Link {
  const stream = new IOStream(near, { loop, ...options });
  return {
    input: stream,
    output: stream,
    send: (bytes) => (bytes.length === 0 ? 0 : (refusedIsNull(() => far.send(bytes)) ?? 0)),
    end: () => {
      refusedIsNull(() => far.shutdown('write'));
    },
    receive: () => {
      let text = '';
      for (;;) {
        const bytes = refusedIsNull(() => far.recv(65_536));
        if (bytes === null || bytes.length === 0) return text;
        text += bytes.toString('latin1');
      }
    },
    close: () => {
      stream.close();
      closeAll(far);
    },
  };
}

function pipes(loop: IOLoop, options: IOStreamOptions): Link {
  const [source, feed] = pipe();
  const [outlet, sink] = pipe();
  const input = IOStream.fromFd(source, { loop, ...options });
  const output = IOStream.fromFd(sink, { loop, ...options });
  let isFed = true;
  const end = (): void => {
    if (isFed) closeSync(feed);
    isFed = false;
  };
  return {
    input,
    output,
    send: (bytes) => (isFed ? (refusedIsNull(() => writeSync(feed, bytes)) ?? 0) : 0),
    end,
    receive: () => drain(outlet) ?? '',
    close: () => {
      input.close();
      output.close();
      end();
      closeSync(outlet);
    },
  };
}

/** `null` when the pipe is full, or the stream under test has closed the connection. */
function refusedIsNull<T>(call: () => T): T | null {
  try {
    return call();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (REFUSALS.has(code)) return null;
    throw error;
  }
}

const REFUSALS = new Set<string | undefined>([
  'EAGAIN',
  'EPIPE',
  'ECONNRESET',
  'ENOTCONN',
  'ESHUTDOWN',
]);
