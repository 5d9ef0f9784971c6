/** Streams between threads: what moves with a connection, and when it can move. */
import { ioOf } from '../loop/internals.js';
import { IOLoop } from '../loop/ioloop.js';
import { take, type DetachedToken, type Taken } from '../sockets/detached.js';
import { Socket, type SocketState } from '../sockets/socket.js';
import { checkOptions } from '../support/checks.js';
import { outOfRange, streamBusy, unsupported } from '../support/errors.js';
import { createStream } from './debug-stream.js';
import { FdTransport, type TransportState } from './fd-transport.js';
import { DescriptorTransport } from './rearmed-transport.js';
import {
  DEFAULT_LIMITS,
  streamLimits,
  streamSettings,
  type IOStreamOptions,
  type StreamLimits,
  type StreamSettings,
} from './options.js';
import { proxyHeaderOf, setProxyHeader, type ProxyHeader } from './proxy-header.js';
import type { Stream } from './stream.js';

/** What moves with a stream, beside the file and the unread bytes. Cloneable. */
interface StreamState {
  readonly transport: TransportState;
  /** `null`: the defaults. */
  readonly options: MovedOptions | null;
  readonly allowHalfOpen: boolean;
  /** EOF was found. */
  readonly ended: boolean;
  /** FIN was sent. */
  readonly writeEnded: boolean;
  readonly proxyHeader: ProxyHeader | null;
}

/**
 * Ends `stream`, and gives the token of its connection. See `IOStream.detach`.
 *
 * @throws `ERR_IOLOOP_STREAM_BUSY`, `ERR_IOLOOP_UNSUPPORTED`; system errors. The stream is unchanged
 * then. The error of a closed stream, also if it is found to be broken now.
 */
export function detachStream(stream: Stream): DetachedToken<'stream'> {
  // What was written in this tick is with the kernel then, usually. First: a stream that fails has
  // listeners, which may read from this one.
  stream.flush();
  const transport = detachable(stream);
  const { reader, limits, allowHalfOpen, isWriteEnded: writeEnded } = stream;
  const state: Omit<StreamState, 'transport'> = {
    options: limits === DEFAULT_LIMITS ? null : optionsOf(limits),
    allowHalfOpen,
    ended: reader.ended,
    writeEnded,
    proxyHeader: proxyHeaderOf(transport.socket),
  };
  const token = transport.detach(state, reader.unread);
  stream.endDetached(transport);
  return token;
}

/**
 * The stream of a token. See `IOStream.attach`.
 *
 * @throws As {@link take}; `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE` for options; `ERR_IOLOOP_CLOSED`;
 * the error of a descriptor that cannot be watched. The token can be attached later then.
 */
export function attachStream(token: DetachedToken, options: IOStreamOptions): Stream {
  checkOptions(options);
  const loop = options.loop ?? IOLoop.current();
  const io = ioOf(loop);
  const given = givenOptions(options);
  // Before the token is taken.
  streamSettings({ ...given, loop });
  return take(token, ALL_KINDS, (taken) => {
    if (taken.kind === 'socket') {
      const settings = settingsOf(loop, given, null);
      return createStream(
        settings,
        DescriptorTransport.on(io, Socket.fromState(taken.fd, taken.state as SocketState)),
      );
    }
    const { fd, unread, state } = taken as Taken<'stream'> & { readonly state: StreamState };
    const { maxBufferSize = Infinity } = given;
    // Bytes that a cancelled read has given back may be more than the limit that moves.
    if (unread.length > maxBufferSize) {
      const expected = `at least ${unread.length}, the unread bytes of the stream`;
      throw outOfRange('options.maxBufferSize', maxBufferSize, expected);
    }
    const settings = settingsOf(loop, given, state);
    const stream = createStream(settings, DescriptorTransport.attached(io, fd, state.transport));
    resume(stream, state, unread);
    return stream;
  });
}

const ALL_KINDS = ['socket', 'stream'] as const;

/** The options that move with a stream. */
const OPTIONS = [
  'maxBufferSize',
  'readChunkSize',
  'maxWriteBufferSize',
  'highWaterMark',
  'lowWaterMark',
  'allowHalfOpen',
] as const;

type MovedOptions = { -readonly [Name in (typeof OPTIONS)[number]]?: IOStreamOptions[Name] };

/** The transport of a stream that can be detached now: connected, and not in use. */
function detachable(stream: Stream): FdTransport {
  const { transport, reader } = stream;
  if (stream.closed) throw stream.closedError();
  if (!(transport instanceof FdTransport)) {
    throw unsupported(
      'detach() of a stream with TLS, in memory or on node:net, which stays in its thread,',
      'Detach a connection of the own sockets, before startTls()',
    );
  }
  if (!transport.connected) throw busy('it is not connected yet');
  if (stream.adapter !== null) throw busy('a duplex or a pair of web streams has taken it over');
  if (reader.reading)
    throw busy(`a ${reader.readName}() waits, await it or cancel it by its signal`);
  stream.regain();
  if (stream.unsent > 0) throw busy(`${stream.unsent} bytes are unsent, await write() first`);
  if (stream.isEnding) throw busy('FIN is not sent, await shutdownWrite() first');
  // Received in this turn: a reset, which the kernel reports once; bytes for which there was no memory.
  if (transport.failure < 0) stream.onReadError(transport.failure);
  reader.checkLoss();
  if (stream.closed) throw stream.closedError();
  return transport;
}

function busy(why: string): Error {
  return streamBusy('detach()', why);
}

/** Continues on the attached connection. Throws nothing: the loop watches it already. */
function resume(stream: Stream, state: StreamState, unread: Buffer): void {
  const { socket } = stream.transport;
  if (state.proxyHeader !== null && socket !== null) setProxyHeader(socket, state.proxyHeader);
  stream.resume(unread, state.ended, state.writeEnded);
}

function optionsOf({ writer, ...limits }: StreamLimits): MovedOptions {
  const { maxBufferSize, highWaterMark, lowWaterMark } = writer;
  return { ...limits, maxWriteBufferSize: maxBufferSize, highWaterMark, lowWaterMark };
}

/** The options that are not left out. Calls each getter once. */
function givenOptions(options: IOStreamOptions): MovedOptions {
  const entries = OPTIONS.map((name) => [name, options[name]] as const);
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
}

/** The settings of an attached stream: the given options, then those that have moved with it. */
function settingsOf(loop: IOLoop, given: MovedOptions, state: StreamState | null): StreamSettings {
  const moved: MovedOptions = { ...state?.options };
  // The default of the low watermark depends on the high one.
  if (given.highWaterMark !== undefined) delete moved.lowWaterMark;
  const { allowHalfOpen = state?.allowHalfOpen ?? false, ...limits } = { ...moved, ...given };
  const isDefault = Object.keys(limits).length === 0;
  return { loop, limits: isDefault ? DEFAULT_LIMITS : streamLimits(limits), allowHalfOpen };
}
