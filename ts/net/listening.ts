/** The servers of this thread that a drain waits for: they accept connections, or have some. */
import type { StopOptions } from './server-options.js';

/** A `TCPServer`, without an import of it. */
export interface ListeningServer {
  readonly connections: number;
  stop(options: StopOptions): Promise<void>;
}

const servers = new Set<ListeningServer>();

/** `server` accepts connections from now on. */
export function addListening(server: ListeningServer): void {
  servers.add(server);
}

/** `server` was stopped, and its connections are closed. */
export function removeListening(server: ListeningServer): void {
  servers.delete(server);
}

/** Their open connections. */
export function countConnections(): number {
  let count = 0;
  for (const server of servers) count += server.connections;
  return count;
}

/**
 * Stops all servers of this thread, which accept what is in their backlogs before this returns.
 * Resolves when their connections are closed, after `timeout` seconds at the latest. A further call may
 * shorten the time.
 */
export async function drainServers(timeout: number): Promise<void> {
  await Promise.all(Array.from(servers, (server) => server.stop({ drain: true, timeout })));
}
