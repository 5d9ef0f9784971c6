/** Connections from sockets and from streams. */
import type { Callback } from '../../loop/callback-queue.js';
import { guardOf, ioOf } from '../../loop/internals.js';
import type { StreamSettings } from '../options.js';
import type { CloseCallback, Move, Watch, Watcher } from '../ownership.js';
import type { Stream } from '../stream.js';
import type { Transport } from '../transport.js';
import { Connection } from './connection.js';
import type { ConnectionSettings, MakeStream } from './inflow.js';
import { ProtocolCalls } from './protocol.js';

/** The settings that connections share. @throws `ERR_IOLOOP_CLOSED`. */
export function connectionSettings(
  settings: StreamSettings,
  makeStream: MakeStream,
): ConnectionSettings {
  const { loop } = settings;
  return { ...settings, io: ioOf(loop), guard: guardOf(loop), makeStream };
}

/** A connection on `transport`. {@link Connection.begin} follows. @throws As {@link Transport.open}. */
export function connectionOn(
  transport: Transport,
  settings: ConnectionSettings,
  protocol: unknown,
): Connection<unknown> {
  const calls = ProtocolCalls.of(protocol, settings.guard);
  return new Connection(settings, transport, calls, null);
}

/** See `IOStream.setProtocol`. `face` is the public stream, which its watcher has. */
export function pushTo(
  stream: Stream,
  protocol: unknown,
  makeStream: MakeStream,
): Connection<unknown> {
  const { loop } = stream;
  const guard = guardOf(loop);
  const calls = ProtocolCalls.of(protocol, guard);
  const io = ioOf(loop);
  const moved = stream.handOver('setProtocol()');
  const { limits, allowHalfOpen, transport, watch, callback } = moved;
  const settings = { loop, limits, allowHalfOpen, io, guard, makeStream };
  const connection = new Connection<unknown>(settings, transport, calls, moved);
  stream.move = new Moved(connection);
  const watcher = watcherOf(watch, callback, stream);
  if (watch !== null) watch.watcher.onReplaced?.(watch.watched, connection);
  if (watcher !== null) connection.watch(watcher);
  connection.begin();
  return connection;
}

/** The connection has it for good: `close()` of the stream has no effect on that. */
class Moved implements Move {
  readonly successor: Connection<unknown>;

  constructor(successor: Connection<unknown>) {
    this.successor = successor;
  }

  abandon(): void {}
}

/** The watcher of a connection whose stream has had a watcher, a close callback or both. */
function watcherOf(
  watch: Watch | null,
  callback: CloseCallback | null,
  { loop }: Stream,
): Watcher<unknown> | null {
  if (callback === null) return watch?.watcher ?? null;
  return {
    onClosed(connection) {
      const { error } = connection as Connection<unknown>;
      loop.addCallbackFromSignal(callback as Callback as (error: Error | null) => unknown, error);
      watch?.watcher.onClosed(connection);
    },
    onReplaced(connection, next) {
      watch?.watcher.onReplaced?.(connection, next);
    },
  };
}
