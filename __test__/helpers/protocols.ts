/** Servers with a protocol for tests, and a record of the calls of their functions. */
import {
  TCPServer,
  type Connection,
  type IOLoop,
  type Protocol,
  type TCPServerOptions,
} from 'ioloop';
import type { IOStream } from 'ioloop';
import { until } from './fds.js';
import { addressOf, connectTo } from './net.js';

/** The functions of a protocol, but for their record. */
export type Functions<State> = Partial<Protocol<State>>;

/** A connection of a server, its client, and what the functions of the protocol were called with. */
export interface Pushed {
  readonly server: TCPServer;
  readonly client: IOStream;
  /** The connection of the server: of the client, once it is accepted. */
  readonly connection: Connection<unknown>;
  /** `open`, `data …`, `end`, `drain`, `timeout`, `close`, `close: code`. */
  readonly calls: string[];
  /** Resolves when `close` was called. */
  closed(): Promise<void>;
}

/** A protocol that records its calls, and then does what `functions` do. */
export function recording(calls: string[], functions: Functions<unknown> = {}): Protocol<unknown> {
  const noted =
    (name: 'open' | 'end' | 'drain' | 'timeout') =>
    (c: Connection<unknown>): unknown => {
      calls.push(name);
      return functions[name]?.(c);
    };
  return {
    chunks: functions.chunks,
    ...(functions.state === undefined ? {} : { state: functions.state }),
    open: noted('open'),
    data(c, chunk) {
      calls.push(`data ${chunk.length > 40 ? chunk.length : String(chunk)}`);
      return functions.data?.(c, chunk);
    },
    end: noted('end'),
    drain: noted('drain'),
    ...(functions.timeout === undefined ? {} : { timeout: noted('timeout') }),
    close(c, error) {
      const { code, message } = (error ?? {}) as NodeJS.ErrnoException;
      calls.push(error === null ? 'close' : `close: ${code ?? message}`);
      return functions.close?.(c, error);
    },
  };
}

/** A protocol that records its calls and its connections. */
export interface Followed {
  readonly protocol: Protocol<unknown>;
  readonly connections: readonly Connection<unknown>[];
  /** See {@link recording}. */
  readonly calls: string[];
  /** Resolves to the first connection, when its `open` was called. */
  opened(): Promise<Connection<unknown>>;
  /** Resolves when `close` was called. */
  closed(): Promise<void>;
}

export function followed(functions: Functions<unknown>): Followed {
  const calls: string[] = [];
  const connections: Connection<unknown>[] = [];
  const protocol = recording(calls, {
    ...functions,
    open(c) {
      connections.push(c);
      return functions.open?.(c);
    },
  });
  const isClosed = (): boolean => calls.some((call) => call.startsWith('close'));
  return {
    protocol,
    connections,
    calls,
    opened: async () => {
      await until(() => connections.length > 0, 'the connection');
      return connections[0] as Connection<unknown>;
    },
    closed: () => until(isClosed, 'the close'),
  };
}

/** Runs `body` with one connection to a server of this protocol. */
export async function withPushed<T>(
  loop: IOLoop,
  functions: Functions<unknown>,
  body: (pushed: Pushed) => Promise<T>,
  options: TCPServerOptions<unknown> = {},
): Promise<T> {
  const { protocol, connections, calls, opened, closed } = followed(functions);
  const server = new TCPServer({ ...options, loop, protocol });
  server.listen(0, '127.0.0.1');
  const client = await connectTo(loop, addressOf(server), { allowHalfOpen: true });
  try {
    return await body({ server, client, connection: await opened(), calls, closed });
  } finally {
    client.close();
    for (const connection of connections) connection.close();
    await server.stop();
  }
}
